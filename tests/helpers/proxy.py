"""A network between a client and a server that a test can break: TCP in front of a unix socket."""

from __future__ import annotations

import asyncio
from contextlib import suppress


class Proxy:
    """Passes bytes on between clients of `port` and a server; an async context manager.

    Args:
        server: path of the server's socket.
    """

    def __init__(self, server: str) -> None:
        self._server = server
        self._writers: list[asyncio.StreamWriter] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0
        self.drops = False
        """Whether all bytes are dropped, in both directions; no side is told."""
        self.passed = 0
        """Number of pieces passed on."""
        self.cuts = 0
        """Number of times that everything was cut off."""
        self.cut_after: int | None = None
        """Number of pieces after which both sides are cut off."""

    @property
    def url(self) -> str:
        """URL of the database `postgres` through it."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    async def __aenter__(self) -> Proxy:
        self._listener = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._listener.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._listener.close()
        self.cut()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._listener.wait_closed()

    def cut(self) -> None:
        """Cut off every connection, on both sides."""
        self.cuts += 1
        for writer in self._writers:
            writer.close()
        self._writers.clear()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, onwards = await asyncio.open_unix_connection(self._server)
        self._writers += [writer, onwards]
        for source, sink in ((reader, onwards), (there, writer)):
            task = asyncio.create_task(self._pass_on(source, sink))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pass_on(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, RuntimeError):
            while piece := await source.read(65_536):
                if self.drops:
                    continue
                if self.cut_after is not None and self.passed >= self.cut_after:
                    self.cut()
                    return
                self.passed += 1
                sink.write(piece)
                await sink.drain()
        if not self.drops:
            sink.close()
