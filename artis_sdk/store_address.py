"""Where a journal or a call log is: a path is a file of this machine, a URL is what hosts share."""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import unquote

from artis_sdk.errors import ConfigurationError
from artis_sdk.sqlite import check_file

_DATABASE = ("postgresql://", "postgres://")
_FORM = "postgresql://user@host:port/database"
_ABSOLUTE = "; a file whose name looks like a database is given by its absolute path"
_ENCODE = (
    "percent-encode the special characters of user and password (@ is %40, / is %2F, : is %3A, ? is %3F, "
    "# is %23, % is %25), or leave the password to ~/.pgpass or PGPASSWORD"
)
# An @ or / of a password moves the borders of other parts, which would be shown with a piece of it.
_PARTS = re.compile(
    r"postgres(?:ql)?://(?:[^@/]*@)?(?P<servers>[^@/?]*)(?:/(?P<database>[^@/?]*))?(?:\?(?P<more>[^@]*))?"
)
_SERVER = re.compile(r"(?P<host>\[[^]]*\]|[^:]*)(?::(?P<port>\d{0,5}))?")
_LIKE_A_DATABASE = re.compile(
    r"""[\s"']*(?:(?:jdbc:)?postgres(?:ql)?(?:\+\w+)?:|(?:host|hostaddr|port|dbname|user|service|sslmode)\s*=)"""
    r"""|.*\b(?:password|passfile)\s*=""",
    re.IGNORECASE | re.DOTALL,
)
"""What libpq or another library takes for a database, and what would be the name of a file here."""


def journal_address(given: str | Path) -> str | Path:
    """The path of a file, or the URL of a database.

    Raises:
        ConfigurationError: a database that is not named by a URL, a URL that cannot be read or is of
            another kind of database, or one made into a path. It is not repeated. Or one in memory.
    """
    check_file("journal", given)
    if is_database(given):
        shown_address(given)
        return given
    scheme = "" if _LIKE_A_DATABASE.match(str(given)) else _scheme(given)
    if scheme is not None:
        raise ConfigurationError(
            f"journal={scheme}...: a journal is the path of a file, or the text {_FORM}{_ABSOLUTE}"
        )
    return Path(given)


def log_address(given: str | os.PathLike[str]) -> str | Path:
    """The path of a file, or the URL of a database or of a folder of Parquet files.

    Raises:
        ConfigurationError: a database that is not named by a URL, a URL that cannot be read, or one made
            into a path. It is not repeated.
    """
    check_file("log", given)
    like_one = not is_database(given) and _LIKE_A_DATABASE.match(os.fspath(given))
    if isinstance(given, str) and "://" in given and not like_one:
        shown_address(given)
        return given
    scheme = "" if like_one else _scheme(given)
    if scheme is not None:
        raise ConfigurationError(
            f"log={scheme}...: a call log is the path of a file, or a text: "
            f"{_FORM}, or the URL of a folder such as s3://bucket/calls{_ABSOLUTE}"
        )
    return Path(given)


def is_database(given: str | os.PathLike[str]) -> bool:
    """Whether it is the URL of a PostgreSQL database."""
    return isinstance(given, str) and given.startswith(_DATABASE)


def shown_address(given: str | Path) -> str:
    """The address for people to read: a URL without user, password and parameters.

    Raises:
        ConfigurationError: where the password of a URL ends cannot be told; it is not repeated.
    """
    if isinstance(given, Path) or "://" not in given:
        return str(given)
    return _shown_database(given) if is_database(given) else _shown_folder(given)


def _shown_database(url: str) -> str:
    """Host, port and database, as libpq reads them."""
    parts = _PARTS.fullmatch(url)
    servers = None if parts is None else [_SERVER.fullmatch(one) for one in parts["servers"].split(",")]
    if parts is None or servers is None or not all(servers):
        raise ConfigurationError(f"the URL of the database cannot be read: give {_FORM}, and {_ENCODE}")
    found = {
        "host": ",".join(one["host"].strip("[]") for one in servers if one),
        "port": ",".join(one["port"] or "" for one in servers if one),
        "dbname": parts["database"] or "",
    }
    more = (pair.partition("=") for pair in (parts["more"] or "").split("&"))
    found.update((name, value) for name, _, value in more if name in found)
    host, port, database = (unquote(value) for value in found.values())
    return f"postgresql://{f'{host}:{port}'.rstrip(':')}/{database}"


def _shown_folder(url: str) -> str:
    scheme, _, rest = url.partition("://")
    server, slash, path = rest.partition("?")[0].partition("/")
    user, at, host = server.rpartition("@")
    if "@" in user or ("@" in rest[len(server) :] and (at or ":" in server)):
        raise ConfigurationError(f"the URL {scheme}://... cannot be read: {_ENCODE}")
    return f"{scheme}://{host}{slash}{path}"


def data_folder() -> Path:
    """The user's folder of what this package keeps: `artis` in the XDG data folder."""
    data = os.environ.get("XDG_DATA_HOME", "")
    return (Path(data) if os.path.isabs(data) else Path.home() / ".local/share") / "artis"


def _scheme(given: str | os.PathLike[str]) -> str | None:
    """The beginning of a URL, as it is left when it was made into a path, too; not a drive's letter."""
    found = re.match(r"[\s\"']*(\w[\w+.-]+:/)", str(given))
    return found[1] if found else None
