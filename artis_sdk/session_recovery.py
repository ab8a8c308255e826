"""Recovery without a session's agent: from settings alone."""

from __future__ import annotations

from contextlib import AsyncExitStack

from artis_sdk.commit.recover import Recovered, recover
from artis_sdk.logs import Redactor
from artis_sdk.session_stores import open_journal
from artis_sdk.session_tools import make_tools
from artis_sdk.settings import Settings
from artis_sdk.tools import Toolset


async def recovered(settings: Settings) -> list[Recovered]:
    """Settle the real calls without an outcome in the journal of these settings, by their tools.

    Raises:
        ConfigurationError: there is no journal, or the tools cannot be made.
    """
    async with AsyncExitStack() as stack:
        tools = Toolset() if settings.tools is None else make_tools(None, settings)
        return await recover(open_journal(settings, stack), tools, redact=Redactor())
