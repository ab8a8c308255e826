"""Where a journal is: a file, or a PostgreSQL database."""

from __future__ import annotations

import re
from pathlib import Path

from artis_sdk.errors import ConfigurationError


def address(given: str | Path) -> str | Path:
    """The path of a file, or the URL of a database.

    Raises:
        ConfigurationError: a URL of another kind of database, or one made into a path.
    """
    if isinstance(given, str) and given.startswith(("postgresql://", "postgres://")):
        return given
    scheme = re.match(r"\w[\w+.-]+:/", str(given))
    if scheme:
        raise ConfigurationError(
            f"journal={scheme[0]}...: a journal is the path of a file, or the text "
            "postgresql://user@host:port/database"
        )
    return Path(given)


def shown_address(given: str | Path) -> str:
    """The address for people to read: a URL without user, password and parameters."""
    if isinstance(given, Path):
        return str(given)
    scheme, _, rest = given.partition("://")
    return f"{scheme}://{rest.partition('?')[0].rpartition('@')[2]}"
