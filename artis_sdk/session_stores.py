"""The journal and the call log of a session, opened from paths and closed soon after it."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path

from artis_sdk.commit.journal import CommitJournal, SQLiteJournal
from artis_sdk.contracts import LogStore
from artis_sdk.errors import ConfigurationError, MissingExtraError
from artis_sdk.logs import Redactor
from artis_sdk.logs.capture import capture
from artis_sdk.records.fitting import fits
from artis_sdk.settings import Settings
from artis_sdk.store_address import journal_address
from artis_sdk.tools import Toolset


def make_journal(given: CommitJournal | str | Path, stack: AsyncExitStack) -> CommitJournal:
    """The session's journal; the stack closes one opened here.

    Raises:
        ConfigurationError: `given` is neither a path, nor a URL of PostgreSQL, nor a journal.
        MissingExtraError: the extra `postgres` is not installed.
    """
    if isinstance(given, str | Path):
        where = journal_address(given)
        journal = SQLiteJournal.shared(where) if isinstance(where, Path) else _postgres(where)
        stack.push_async_callback(journal.aclose)
        return journal
    if not fits(given, CommitJournal):
        raise ConfigurationError(
            f"journal must be a path, a postgresql:// URL or a CommitJournal, not {type(given).__name__}; "
            "artis_sdk.commit.journal.CommitJournal lists the methods"
        )
    return given


def _postgres(url: str) -> CommitJournal:
    try:
        from artis_sdk.commit.journal.postgres import PostgresJournal
    except ImportError as error:
        raise MissingExtraError("a journal in PostgreSQL", "postgres") from error
    return PostgresJournal.shared(url)


def make_log(
    given: LogStore | str | Path | None, tools: Toolset, redact: Redactor | None, stack: AsyncExitStack
) -> LogStore | None:
    """The call log; one opened by the session also records calls made outside its commits.

    Sessions of one log without a redactor of their own share it. Raises as `open_call_log`.
    """
    if not isinstance(given, str | Path):
        return given
    captured = capture(given, redact=redact)
    stack.push_async_callback(captured.aclose)
    captured.log.redactor.know(*tools.specs)
    return captured.log


def open_journal(settings: Settings, stack: AsyncExitStack) -> CommitJournal:
    """The journal of these settings, which must exist.

    Raises:
        ConfigurationError: the file does not exist, so no call is known.
    """
    if isinstance(settings.journal, Path) and not settings.journal.exists():
        raise ConfigurationError(
            f"there is no journal {settings.journal.absolute()}: name the one that the commit wrote, by "
            "--journal, ARTIS_JOURNAL or artis.toml"
        )
    return make_journal(settings.journal, stack)
