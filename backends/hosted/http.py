"""Sending a body and reading an answer, on aiohttp.

The SDKs' own clients rewrite, copy and wrap each request: twice the CPU of everything else in a step of
an agent. They make only the headers here; the bytes are ours, and so is the sending.
"""

from __future__ import annotations

import ssl
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any, NoReturn
from urllib.parse import urlsplit
from urllib.request import getproxies_environment, proxy_bypass

import aiohttp

from artis_sdk.errors import BackendTimeout, ConnectionLost

CONNECT_TIMEOUT = 10.0  # seconds; the whole answer's limit is the backend's
KEEPALIVE = 15.0  # seconds that an idle connection is kept


@dataclass(frozen=True, slots=True, eq=False)
class HttpResponse:
    """A response, whole or about to arrive."""

    backend: str
    status: int
    headers: Mapping[str, str]
    """Headers, looked up in any case."""
    response: aiohttp.ClientResponse
    content: bytes = b""
    """The body, if it was read whole."""

    async def read(self) -> bytes:
        """The rest of the body."""
        try:
            return await self.response.read()
        except (aiohttp.ClientError, OSError) as error:
            _raise(self.backend, error)

    async def pieces(self) -> AsyncIterator[bytes]:
        """The pieces of the body as they arrive.

        Raises:
            ConnectionLost: the body was cut.
        """
        try:
            async for piece in self.response.content.iter_any():
                yield piece
        except (aiohttp.ClientError, OSError) as error:
            _raise(self.backend, error)

    def close(self) -> None:
        """Close the connection, unless the body is complete and the connection is in the pool."""
        self.response.close()


class HttpClient:
    """One aiohttp session, made on the event loop that sends the first request.

    No redirects and no cookies: keys are headers, and a POST is never redirected.

    Args:
        backend: name of the backend, for errors.
        headers: headers of every request.
    """

    def __init__(self, backend: str, headers: Mapping[str, str]) -> None:
        self._backend = backend
        self._headers = headers
        self._session: aiohttp.ClientSession | None = None

    async def post(self, url: str, body: bytes, *, stream: bool) -> HttpResponse:
        """Send a body; without `stream` the answer is read before this returns.

        Raises:
            BackendTimeout: no connection was made in time.
            ConnectionLost: the connection could not be made or was cut.
        """
        session = self._session or self._open(url)
        try:
            response = await session.post(url, data=body, allow_redirects=False)
            content = b"" if stream else await response.read()
        except (aiohttp.ClientError, OSError) as error:
            _raise(self._backend, error)
        return HttpResponse(self._backend, response.status, response.headers, response, content)

    async def close(self) -> None:
        """Close the connections; requests under way end with `ConnectionLost`."""
        if self._session is not None:
            await self._session.close()

    def _open(self, url: str) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            limit=0,  # the backend's slots are
            keepalive_timeout=KEEPALIVE,
            ssl=_trusted() if url.startswith("https") else True,
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            headers=self._headers,  # here once, as each request's they would be read anew
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT),
            # Looking for a proxy costs every request, so only if there is one for this URL.
            trust_env=_has_proxy(url),
        )
        return self._session


def _has_proxy(url: str) -> bool:
    """Whether the environment names a proxy for a URL; `NO_PROXY` alone names none."""
    target = urlsplit(url)
    return target.scheme in getproxies_environment() and not proxy_bypass(target.hostname or "")


def sdk_headers(client_type: Any, **options: Any) -> dict[str, str]:
    """The headers of an SDK's client for every request: itself, its API's version and the key.

    Args:
        client_type: the SDK's asynchronous client.
        options: options of the client.
    """
    sdk = sys.modules[f"{client_type.__module__.partition('.')[0]}._base_client"]
    httpx = getattr(sdk, "httpx2", None) or sdk.httpx  # the SDKs moved from one to the other
    nowhere = httpx.AsyncClient(transport=httpx.AsyncBaseTransport(), trust_env=False)
    client = client_type(http_client=nowhere, **options)
    headers = {**client.auth_headers, **client.default_headers}
    return {name: value for name, value in headers.items() if isinstance(value, str)}  # some are left out


def _trusted() -> ssl.SSLContext:
    """The certificates that the SDKs trust."""
    name = "httpx2" if find_spec("httpx2") is not None else "httpx"
    context: ssl.SSLContext = import_module(name).create_ssl_context()
    return context


def _raise(backend: str, error: Exception) -> NoReturn:
    cause = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    if isinstance(error, TimeoutError):
        raise BackendTimeout(backend, f"no connection in time: {cause}") from None
    raise ConnectionLost(backend, f"the connection was lost: {cause}") from None
