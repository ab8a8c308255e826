"""Recovery from settings alone, without a session's agent; and whether there is a journal to recover from."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

from artis_sdk.commit.recover import Recovered, recover
from artis_sdk.errors import ConfigurationError
from artis_sdk.logs import Redactor
from artis_sdk.session_stores import open_journal
from artis_sdk.session_tools import make_tools
from artis_sdk.settings import Settings
from artis_sdk.store_address import journal_address, shown_address
from artis_sdk.tools import Toolset


async def exists(settings: Settings) -> bool:
    """Whether there is a journal at the address in the settings.

    Raises:
        ConfigurationError: the address cannot be read.
        JournalError: the database does not answer, or holds something else.
        MissingExtraError: the extra `postgres` is not installed.
    """
    where = journal_address(settings.journal)
    if not isinstance(where, str):
        return where.exists()
    async with AsyncExitStack() as stack:
        journal = open_journal(settings, stack)
        from artis_sdk.commit.journal.postgres import PostgresJournal

        assert isinstance(journal, PostgresJournal)
        return await asyncio.to_thread(journal.exists)


async def check_exists(settings: Settings) -> None:
    """Refuse a journal that is not there: no call is known, which is not to say that none is open.

    Raises:
        ConfigurationError: there is none; else as `exists`.
    """
    if not await exists(settings):
        where = journal_address(settings.journal)
        shown = where if isinstance(where, str) else where.absolute()
        raise ConfigurationError(
            f"there is no journal {shown_address(shown)}: name the one that the commit wrote, by --journal, "
            "ARTIS_JOURNAL or artis.toml"
        )


async def recovered(settings: Settings) -> list[Recovered]:
    """Settle the real calls without an outcome in the journal of these settings, by their tools.

    Raises:
        ConfigurationError: there is no journal, or the tools cannot be made.
        JournalError: the journal cannot be read or written.
    """
    await check_exists(settings)
    async with AsyncExitStack() as stack:
        tools = Toolset() if settings.tools is None else make_tools(None, settings)
        return await recover(open_journal(settings, stack), tools, redact=Redactor())
