"""Where a journal or a call log is: a path is a file of this machine, a URL is what hosts share."""

from __future__ import annotations

import os
import re
from pathlib import Path

from artis_sdk.errors import ConfigurationError

_DATABASE = ("postgresql://", "postgres://")


def journal_address(given: str | Path) -> str | Path:
    """The path of a file, or the URL of a database.

    Raises:
        ConfigurationError: a URL of another kind of database, or one made into a path.
    """
    if is_database(given):
        return given
    scheme = _scheme(given)
    if scheme:
        raise ConfigurationError(
            f"journal={scheme}...: a journal is the path of a file, or the text "
            "postgresql://user@host:port/database"
        )
    return Path(given)


def log_address(given: str | os.PathLike[str]) -> str | Path:
    """The path of a file, or the URL of a database or of a folder of Parquet files.

    Raises:
        ConfigurationError: a URL made into a path.
    """
    if isinstance(given, str) and "://" in given:
        return given
    scheme = _scheme(given)
    if scheme:
        raise ConfigurationError(
            f"log={scheme}...: a call log is the path of a file, or a text: "
            "postgresql://user@host:port/database, or the URL of a folder such as s3://bucket/calls"
        )
    return Path(given)


def is_database(given: str | os.PathLike[str]) -> bool:
    """Whether it is the URL of a PostgreSQL database."""
    return isinstance(given, str) and given.startswith(_DATABASE)


def shown_address(given: str | Path) -> str:
    """The address for people to read: a URL without user, password and parameters."""
    if isinstance(given, Path) or "://" not in given:
        return str(given)
    scheme, _, rest = given.partition("://")
    rest = rest.partition("?")[0]
    if is_database(given):
        return f"{scheme}://{rest.rpartition('@')[2]}"
    server, slash, path = rest.partition("/")
    return f"{scheme}://{server.rpartition('@')[2]}{slash}{path}"


def data_folder() -> Path:
    """The user's folder of what this package keeps: `artis` in the XDG data folder."""
    data = os.environ.get("XDG_DATA_HOME", "")
    return (Path(data) if os.path.isabs(data) else Path.home() / ".local/share") / "artis"


def _scheme(given: str | os.PathLike[str]) -> str | None:
    """The beginning of a URL, as it is left when it was made into a path, too; not a drive's letter."""
    found = re.match(r"\w[\w+.-]+:/", str(given))
    return found[0] if found else None
