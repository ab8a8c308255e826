"""Opening a call log by its address: a path is a file of this machine, a URL is what hosts share."""

from __future__ import annotations

import os
from pathlib import Path

from artis_sdk.errors import MissingExtraError
from artis_sdk.logs.call_store import CallStore
from artis_sdk.logs.redact import Redactor
from artis_sdk.logs.shared import SharedCallLog, SharedRows
from artis_sdk.logs.store import CallLog
from artis_sdk.store_address import is_database, log_address


def open_call_log(
    where: str | os.PathLike[str], *, redact: Redactor | None = None, create: bool = True
) -> CallStore:
    """Open the call log at an address; its user closes it.

    Args:
        where: path of a file, `postgresql://user@host:port/database`, or the URL of a folder of Parquet
            files, such as `s3://bucket/calls` or `file:///mnt/calls`.
        redact: redactor of the records; by default a `Redactor()`.
        create: whether there need not be a log yet.

    Raises:
        ConfigurationError: the address cannot be read.
        LogError: it is no call log, or there is none (with `create=False`).
        MissingExtraError: what reads it is not installed.
    """
    address = log_address(where)
    if isinstance(address, str):
        return SharedCallLog(shared_rows(address), redact=redact, create=create)
    return CallLog(address, redact=redact, create=create)


def absolute(where: str | os.PathLike[str]) -> str | Path:
    """The address, which the working directory does not change; raises as `open_call_log`."""
    address = log_address(where)
    return address if isinstance(address, str) else address.resolve()


def address_of(where: str | Path) -> str:
    """What `CallStore.address` is of the log at an address; raises as `open_call_log`."""
    return shared_rows(where).address if isinstance(where, str) else str(where)


def shared_rows(url: str) -> SharedRows:
    """The records at a URL; raises as `open_call_log`."""
    if is_database(url):
        try:
            from artis_sdk.logs.database import DatabaseRows
        except ImportError as error:
            raise MissingExtraError("a call log in PostgreSQL", "postgres") from error
        return DatabaseRows(url)
    from artis_sdk.logs.folder import FolderRows

    return FolderRows(url)
