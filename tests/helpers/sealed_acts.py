"""Acts that leave the process, as a sandboxed body does them."""

from __future__ import annotations

import asyncio
import ctypes
import http.client
import http.server
import os
import shutil
import smtplib
import socket
import sqlite3
import subprocess
import tempfile
import urllib.request
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import requests

from artis_sdk.simulators import SandboxSimulator

SANDBOX = SandboxSimulator()


def tree(folder: Path) -> dict[str, bytes | None]:
    """Everything below a folder, with the content and mode of each file."""
    return {
        str(path.relative_to(folder)): (
            b"link" if path.is_symlink() else oct(path.stat().st_mode).encode() + path.read_bytes()
        )
        if not path.is_dir() or path.is_symlink()
        else None
        for path in sorted(folder.rglob("*"))
    }


class Does:
    """Does whatever it is told, with a folder and a port that are real."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.port = port
        self.done = 0

    def act(self, name: str, swallow: bool = False) -> str:
        """Do something, perhaps within `except Exception: pass`."""
        if not swallow:
            ACTS[name](self)
        else:
            try:
                ACTS[name](self)
            except Exception:  # noqa: BLE001
                return "swallowed"
        self.done += 1
        return "done"

    async def act_async(self, name: str, swallow: bool = False) -> str:
        return self.act(name, swallow)

    async def act_in_task(self, name: str, swallow: bool = False) -> str:
        async def inner() -> str:
            return self.act(name, swallow)

        return await asyncio.create_task(inner())

    async def act_in_thread(self, name: str, swallow: bool = False) -> str:
        return await asyncio.to_thread(self.act, name, swallow)


def _sqlite(does: Does) -> None:
    with closing(sqlite3.connect(does.folder / "real.db")) as db, db:
        db.execute("insert into t values (1)")


def _udp(does: Does) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.sendto(b"x", ("127.0.0.1", does.port))


def _connect(does: Does) -> None:
    with socket.socket() as sock:
        sock.connect(("127.0.0.1", does.port))


def _bind(does: Does) -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))


def _link(does: Does) -> None:
    os.symlink(does.folder / "file", does.folder / "link")


def _hard_link(does: Does) -> None:
    os.link(does.folder / "file", does.folder / "hard")


def _dir_fd(does: Does) -> None:
    fd = os.open(does.folder, os.O_RDONLY)
    try:
        os.unlink("file", dir_fd=fd)
    finally:
        os.close(fd)


def _chmod_fd(does: Does) -> None:
    with open(does.folder / "file") as file:
        os.chmod(file.fileno(), 0o600)


ACTS: dict[str, Callable[[Does], Any]] = {
    "open_w": lambda d: open(d.folder / "new", "w").close(),
    "open_a": lambda d: open(d.folder / "file", "a").close(),
    "open_r+": lambda d: open(d.folder / "file", "r+").close(),
    "open_x": lambda d: open(d.folder / "new", "x").close(),
    "open_bytes": lambda d: open(os.fsencode(d.folder / "new"), "wb").close(),
    "os_open": lambda d: os.close(os.open(d.folder / "file", os.O_WRONLY | os.O_TRUNC)),
    "write_text": lambda d: (d.folder / "file").write_text("changed"),
    "touch": lambda d: (d.folder / "new").touch(),
    "unlink": lambda d: (d.folder / "file").unlink(),
    "unlink_dir_fd": _dir_fd,
    "rename": lambda d: (d.folder / "file").rename(d.folder / "other"),
    "replace": lambda d: os.replace(d.folder / "file", d.folder / "other"),
    "mkdir": lambda d: (d.folder / "new").mkdir(),
    "rmdir": lambda d: (d.folder / "empty").rmdir(),
    "truncate": lambda d: os.truncate(d.folder / "file", 0),
    "chmod": lambda d: (d.folder / "file").chmod(0o600),
    "chmod_fd": _chmod_fd,
    "utime": lambda d: os.utime(d.folder / "file", (1, 1)),
    "symlink": _link,
    "link": _hard_link,
    "copy": lambda d: shutil.copy(d.folder / "file", d.folder / "copy"),
    "move": lambda d: shutil.move(d.folder / "file", d.folder / "moved"),
    "rmtree": lambda d: shutil.rmtree(d.folder / "full"),
    "copytree": lambda d: shutil.copytree(d.folder / "full", d.folder / "full2"),
    "mkstemp": lambda d: tempfile.mkstemp(dir=d.folder),
    "temporary_directory": lambda d: tempfile.TemporaryDirectory(dir=d.folder).cleanup(),
    "sqlite": _sqlite,
    "sqlite_uri": lambda d: sqlite3.connect(f"file:{d.folder / 'real.db'}", uri=True).close(),
    "sqlite_shared_memory": lambda d: sqlite3.connect("file::memory:?cache=shared", uri=True).close(),
    "connect": lambda d: socket.create_connection(("127.0.0.1", d.port)).close(),
    "connect_raw": _connect,
    "bind": _bind,
    "sendto": _udp,
    "getaddrinfo": lambda d: socket.getaddrinfo("localhost", 80),
    "requests": lambda d: requests.post(f"http://127.0.0.1:{d.port}/", timeout=5),
    "urllib": lambda d: urllib.request.urlopen(f"http://127.0.0.1:{d.port}/", timeout=5),
    "http_client": lambda d: http.client.HTTPConnection("127.0.0.1", d.port).request("POST", "/"),
    "smtp": lambda d: smtplib.SMTP("127.0.0.1", d.port),
    "popen": lambda d: subprocess.run(["touch", d.folder / "new"], check=True),
    "system": lambda d: os.system(f"touch {d.folder / 'new'}"),
    "posix_spawn": lambda d: os.posix_spawn("/usr/bin/touch", ["touch", str(d.folder / "new")], {}),
    "fork": lambda d: os._exit(0) if os.fork() == 0 else None,
    "kill": lambda d: os.kill(os.getpid(), 0),
    "chdir": lambda d: os.chdir(d.folder),
    "dlopen": lambda d: ctypes.CDLL("libc.so.6"),
    "dlsym": lambda d: ctypes.CDLL(None).unlink(bytes(d.folder / "file")),
}
