"""Server-sent events: the data of each event, as it arrives."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator


async def events(body: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    """The `data` of each event; several data lines of one event are joined by newlines.

    An event cut by the end of the body is dropped.
    """
    rest = b""
    data: list[bytes] = []
    async for piece in body:
        rest += piece
        *lines, rest = rest.split(b"\n")
        for line in lines:
            line = line.removesuffix(b"\r")
            if not line and data:
                yield b"\n".join(data)
                data = []
            elif line.startswith(b"data:"):
                data.append(line[5:].removeprefix(b" "))
