"""What a sandboxed body sends over a connection that a module opened before, on real sockets."""

from __future__ import annotations

import asyncio
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from helpers.simulators import call, fork

from artis_sdk.errors import SimulationError
from artis_sdk.simulators import SandboxSimulator
from artis_sdk.tools import Toolset

REPLY = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
REQUEST = b"GET / HTTP/1.1\r\nhost: shop\r\n\r\n"

Send = Callable[[], Any]
CONNECTIONS: dict[str, Send] = {}
"""Function that sends a request over the open connection, as a module's global reaches it."""


@pytest.fixture(autouse=True)
def nothing_kept() -> Iterator[None]:
    yield
    CONNECTIONS.clear()


class Shop:
    def send(self) -> str:
        CONNECTIONS["sync"]()
        return "sent"

    async def send_later(self) -> str:
        await CONNECTIONS["async"]()
        return "sent"

    async def wakes(self) -> str:
        """A loop sends itself a byte where a thread calls it."""
        loop, done = asyncio.get_running_loop(), asyncio.Event()
        await asyncio.to_thread(loop.call_soon_threadsafe, done.set)
        await done.wait()
        return "woke"

    def talks_to_itself(self) -> str:
        here, there = socket.socketpair()
        with here, there:
            here.sendall(b"hello")
            return there.recv(5).decode()


class Server:
    def __init__(self, port: int) -> None:
        self.port = port
        self.requests = 0


@asynccontextmanager
async def serving(context: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    """Answers requests, any number over a connection."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.readuntil(b"\r\n\r\n"):
            counted.requests += 1
            writer.write(REPLY)

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await answer(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=context)
    counted = Server(server.sockets[0].getsockname()[1])
    try:
        yield counted
    finally:
        server.close()
        await server.wait_closed()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("certificate")
    key, made = folder / "key.pem", folder / "made.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", made],
        check=True, capture_output=True,
    )  # fmt: skip
    return key, made


async def refused(tool: str, server: Server) -> None:
    """The body's request is refused before it is sent, and the connection still works afterwards."""
    before = server.requests
    tools, share = Toolset.from_object(Shop()), [f"{__name__}.CONNECTIONS"]
    with pytest.raises(SimulationError, match=rf"{tool}: the sandbox refused .*127\.0\.0\.1"):
        await fork(SandboxSimulator(share=share), tools).predict(call(tool), None, ())
    assert server.requests == before
    name = "sync" if tool == "send" else "async"
    answer = await asyncio.to_thread(CONNECTIONS[name]) if name == "sync" else await CONNECTIONS[name]()
    assert b"ok" in answer
    assert server.requests == before + 1
    allowed = SandboxSimulator(allow=["socket.connect"], share=share)
    assert (await fork(allowed, tools).predict(call(tool), None, ())).value == "sent"
    assert server.requests == before + 2


@pytest.mark.parametrize("whole_file", [False, True])
@pytest.mark.parametrize("encrypted", [False, True])
async def test_over_a_socket(
    certificate: tuple[Path, Path], encrypted: bool, whole_file: bool, tmp_path: Path
) -> None:
    (tmp_path / "request").write_bytes(REQUEST)
    theirs, ours = _contexts(certificate) if encrypted else (None, None)
    async with serving(theirs) as server:
        plain = await asyncio.to_thread(socket.create_connection, ("127.0.0.1", server.port))
        wrapped = await asyncio.to_thread(ours.wrap_socket, plain) if ours else plain
        with wrapped:

            def send() -> bytes:
                if whole_file:
                    with (tmp_path / "request").open("rb") as file:
                        wrapped.sendfile(file)
                else:
                    wrapped.sendall(REQUEST)
                return wrapped.recv(1000)

            CONNECTIONS["sync"] = send
            await refused("send", server)


@pytest.mark.parametrize("encrypted", [False, True])
async def test_over_a_stream(certificate: tuple[Path, Path], encrypted: bool) -> None:
    theirs, ours = _contexts(certificate) if encrypted else (None, None)
    async with serving(theirs) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port, ssl=ours)

        async def send() -> bytes:
            writer.write(REQUEST)
            await writer.drain()
            return await reader.read(1000)

        CONNECTIONS["async"] = send
        await refused("send_later", server)
        writer.close()
        await writer.wait_closed()


async def test_with_httpx() -> None:
    async with serving() as server:
        url = f"http://127.0.0.1:{server.port}/"
        with httpx.Client(trust_env=False) as client:
            CONNECTIONS["sync"] = lambda: client.get(url).content
            assert await asyncio.to_thread(CONNECTIONS["sync"]) == b"ok"  # and the connection stays open
            await refused("send", server)
        async with httpx.AsyncClient(trust_env=False) as later:

            async def send() -> Any:
                return (await later.get(url)).content

            CONNECTIONS["async"] = send
            assert await send() == b"ok"
            await refused("send_later", server)


async def test_with_aiohttp() -> None:
    aiohttp = pytest.importorskip("aiohttp", reason="pip install aiohttp, a client of its own")
    async with serving() as server, aiohttp.ClientSession() as client:

        async def send() -> bytes:
            async with client.get(f"http://127.0.0.1:{server.port}/") as answer:
                return bytes(await answer.read())

        CONNECTIONS["async"] = send
        assert await send() == b"ok"
        await refused("send_later", server)


async def test_what_stays_in_the_process_is_sent() -> None:
    attempt = fork(SandboxSimulator(), Toolset.from_object(Shop()))
    assert (await attempt.predict(call("wakes"), None, ())).value == "woke"
    attempt = fork(SandboxSimulator(), Toolset.from_object(Shop()))
    assert (await attempt.predict(call("talks_to_itself"), None, ())).value == "hello"


def _contexts(certificate: tuple[Path, Path]) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Of the server and of its client."""
    key, made = certificate
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    theirs.load_cert_chain(made, key)
    ours = ssl.create_default_context(cafile=str(made))
    ours.check_hostname = False
    return theirs, ours
