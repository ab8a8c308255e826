"""Tells what is sent over a connection that is open already, which no audit event announces.

It covers code in Python: the standard library's sockets, TLS and event loop, and so the clients that use
them, as httpx, aiohttp, redis, pymongo and pg8000 do. C code such as libpq and uvloop tells nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from artis_sdk.tools.patches import in_place_of

_WAKES = b"\0"  # what an event loop sends itself from another thread


def watch_sends(is_sealed: Callable[[], bool], tell: Callable[[str, tuple[Any, ...]], None]) -> None:
    """From now on, tell of each send before it happens.

    Args:
        is_sealed: whether this context is of interest.
        tell: function of the event, `socket.send`, and its arguments: the socket or transport, and its peer.
    """

    def told(connection: Any, peer: Callable[[], Any]) -> None:
        try:
            address = peer()
        except OSError:  # not connected, which the original says
            return
        if address:  # the two ends of a pair within a process have none
            tell("socket.send", (connection, repr(address)))

    def over_a_socket(original: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(original)
        def send(self: Any, data: Any, *args: Any) -> Any:
            if is_sealed() and not (isinstance(data, bytes) and data == _WAKES):
                told(self, self.getpeername)
            return original(self, data, *args)

        return send

    def over_a_transport(original: Callable[..., Any]) -> Callable[..., Any]:
        """Told before the transport tries, which closes its connection when its socket raises."""

        @wraps(original)
        def write(self: Any, data: Any) -> None:
            if is_sealed():
                told(self, lambda: self.get_extra_info("peername"))
            original(self, data)

        return write

    in_place_of("socket", "socket.send", "socket.sendall", "socket.sendfile")(over_a_socket)
    in_place_of("ssl", "SSLSocket.send", "SSLSocket.sendall", "SSLSocket.write")(over_a_socket)
    for module, transport in (
        ("asyncio.selector_events", "_SelectorSocketTransport"),
        ("asyncio.proactor_events", "_ProactorBaseWritePipeTransport"),
        ("asyncio.sslproto", "_SSLProtocolTransport"),
    ):
        in_place_of(module, f"{transport}.write", f"{transport}.writelines")(over_a_transport)
