"""A PostgreSQL server of a test's own."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest


@contextmanager
def postgresql() -> Iterator[str]:
    """Gives the folder of its socket; skips the test where PostgreSQL is not installed."""
    postgres = shutil.which("postgres")
    if postgres is None:
        pytest.skip("PostgreSQL is not installed")
    programs = Path(os.path.realpath(postgres)).parent
    folder = Path(tempfile.mkdtemp(dir="/tmp"))  # a socket's path must be short
    run: dict[str, Any] = {"check": True, "cwd": folder, "stdout": subprocess.DEVNULL}
    if os.getuid() == 0:  # the server refuses to run as root
        shutil.chown(folder, "nobody")
        run["user"] = "nobody"
    data = ["-D", str(folder / "data")]
    subprocess.run([programs / "initdb", *data, "-U", "me", "--no-sync"], **run)
    options = f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync=off"
    log = str(folder / "log")
    subprocess.run([programs / "pg_ctl", *data, "-w", "-o", options, "-l", log, "start"], **run)
    try:
        yield str(folder)
    finally:
        subprocess.run([programs / "pg_ctl", *data, "-m", "immediate", "stop"], **run)
        shutil.rmtree(folder)
