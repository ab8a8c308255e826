"""The SDKs' HTTP client on aiohttp, without what this package never uses.

Both SDKs take an `httpx2.AsyncClient`. Redirects, cookies, authentication flows and event hooks of
httpx2 are left out: keys are headers, retries are `retry`'s, and a POST is never redirected.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, NoReturn
from urllib.request import getproxies_environment

import aiohttp
import httpx2

CONNECT_TIMEOUT = 10.0  # seconds; the whole answer's limit is the backend's
KEEPALIVE = 15.0  # seconds that an idle connection is kept


class AiohttpClient(httpx2.AsyncClient):
    """Sends requests over one aiohttp session, made on the event loop that sends the first.

    Args:
        max_connections: how many connections may be open at once.
    """

    def __init__(self, max_connections: int) -> None:
        super().__init__(transport=httpx2.AsyncBaseTransport(), trust_env=False)
        self._max_connections = max_connections
        self._urls: dict[Any, httpx2.URL] = {}  # a backend has one, and parsing it costs every request
        self._session: aiohttp.ClientSession | None = None

    def build_request(
        self, method: str, url: Any, *, content: Any = None, headers: Any = None, **unused: Any
    ) -> httpx2.Request:
        """The SDK has merged everything into these four by now."""
        known = self._urls.get(url)
        if known is None:
            known = self._urls[url] = httpx2.URL(url)
        return httpx2.Request(method, known, headers=headers, content=content)

    async def send(self, request: httpx2.Request, *, stream: bool = False, **unused: Any) -> httpx2.Response:
        """Send a request; without `stream` the body is read before this returns.

        Raises:
            httpx2.TimeoutException: no connection came about in time.
            httpx2.NetworkError: the connection could not be made or was cut.
        """
        session = self._session or self._open(request.url.scheme)
        if session.closed:  # since the SDK took the request; aiohttp would raise a bare RuntimeError
            raise httpx2.NetworkError("the client is closed")
        try:
            answer = await session.request(
                request.method,
                str(request.url),
                data=request.content,
                headers=request.headers,
                allow_redirects=False,
            )
            body = None if stream else await answer.read()
        except (aiohttp.ClientError, OSError) as error:
            _raise(error)
        headers = answer.raw_headers
        if aiohttp.hdrs.CONTENT_ENCODING in answer.headers:  # aiohttp has decoded the body
            headers = tuple(h for h in headers if h[0].lower() != b"content-encoding")
        if body is None:
            return httpx2.Response(
                answer.status, headers=list(headers), stream=_Body(answer), request=request
            )
        return httpx2.Response(answer.status, headers=list(headers), content=body, request=request)

    async def aclose(self) -> None:
        if self._session is not None:
            await self._session.close()
        await super().aclose()

    def _open(self, scheme: str) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            limit=self._max_connections,
            keepalive_timeout=KEEPALIVE,
            ssl=httpx2.create_ssl_context() if scheme == "https" else True,
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT),
            # Looking for a proxy costs every request, so only where there is one.
            trust_env=bool(getproxies_environment()),
        )
        return self._session


class _Body(httpx2.AsyncByteStream):
    """The pieces of a body as they arrive."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self._answer = answer

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for piece in self._answer.content.iter_any():
                yield piece
        except (aiohttp.ClientError, OSError) as error:
            _raise(error)

    async def aclose(self) -> None:
        # Closes the connection, unless the body has come to its end and the connection is back in the pool.
        self._answer.close()


def _raise(error: Exception) -> NoReturn:
    message = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    if isinstance(error, TimeoutError):
        raise httpx2.ConnectTimeout(message) from None
    raise httpx2.NetworkError(message) from None
