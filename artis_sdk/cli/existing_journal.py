"""Whether the journal that a command looks at is there, in a database too."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

from artis_sdk.errors import ConfigurationError
from artis_sdk.session_stores import open_journal
from artis_sdk.settings import Settings
from artis_sdk.store_address import journal_address, shown_address


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
