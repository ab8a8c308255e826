"""What all backends behind an HTTP API share: one connection pool, limits, retries, errors, closing."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING, Any, Protocol, TypeVar
from urllib.parse import urlsplit

from pydantic_core import from_json

from artis_sdk.backends import failures
from artis_sdk.backends.retry import RetryPolicy
from artis_sdk.backends.sse import events
from artis_sdk.backends.wire import MISREAD
from artis_sdk.errors import (
    BackendClosed,
    BackendError,
    BackendTimeout,
    ConfigurationError,
    ConnectionLost,
    MalformedResponse,
)
from artis_sdk.records import Capabilities, Completion, Request

if TYPE_CHECKING:
    import httpx2

T = TypeVar("T")

_SHOWN = 200  # characters of an answer that is no JSON

DEFAULT_TIMEOUT = 120.0
DEFAULT_CONCURRENCY = 64


class Assembly(Protocol):
    """Puts the events of a stream together."""

    def feed(self, event: Any) -> str:
        """Take one event's JSON in; returns the text that it adds to the answer."""

    @property
    def finished(self) -> bool:
        """Whether the answer has come to its end."""

    def json(self) -> Any:
        """The same answer as it would have come without streaming."""


class HostedBackend:
    """One model behind one URL.

    A subclass says how a request becomes bytes (`encode`), how JSON becomes a completion (`decode`),
    how a stream's events become that JSON (`assembly`), and which SDK client sends it (`connect`).

    Args:
        name: how `resolve` finds it.
        url: the whole URL that requests go to.
        secret: the key, so that it can be kept out of every message.
        timeout: seconds for one whole answer, connecting included; each retry has as many again.
        max_concurrency: requests, and so connections, under way at once; more wait.
    """

    request_id_header = "x-request-id"

    def __init__(
        self,
        name: str,
        *,
        url: str,
        secret: str | None,
        capabilities: Capabilities,
        timeout: float,
        max_concurrency: int,
        retry: RetryPolicy,
    ) -> None:
        if not url.startswith(("http://", "https://")):
            raise ConfigurationError(f"{name}: base_url must begin with http:// or https://")
        if max_concurrency < 1 or timeout <= 0:
            raise ConfigurationError(f"{name}: max_concurrency and timeout must be positive")
        self._name = name
        self._url = url
        self._secret = secret
        self._capabilities = capabilities
        self._timeout = timeout
        self._retry = retry
        self._slots = asyncio.Semaphore(max_concurrency)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closing = asyncio.Event()
        self._closed = False
        self._sdk, self._client = self.connect(max_concurrency)
        import httpx2  # both SDKs stand on it

        self._response_type = httpx2.Response
        self._lost = (self._sdk.APIConnectionError, httpx2.TransportError)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._name} at {urlsplit(self._url).hostname}>"

    @property
    def name(self) -> str:
        return self._name

    @property
    def capabilities(self) -> Capabilities:
        return self._capabilities

    # --- a subclass's part

    def connect(self, max_connections: int) -> tuple[ModuleType, Any]:
        """The SDK and its client, over `http.AiohttpClient` and with the SDK's retries off."""
        raise NotImplementedError

    def encode(self, request: Request, *, stream: bool) -> bytes:
        """The request's body."""
        raise NotImplementedError

    def decode(self, data: Any, request_id: str | None) -> Completion:
        """A response's JSON as a completion; a `ValueError` says why it is none."""
        raise NotImplementedError

    def assembly(self) -> Assembly:
        """Where the events of one stream come together."""
        raise NotImplementedError

    # --- requests

    async def complete(
        self, request: Request, *, on_token: Callable[[str], None] | None = None
    ) -> Completion:
        """Answer one request; see `contracts.Backend.complete`.

        Once `on_token` has been called the request is not sent again: a cut stream is a `ConnectionLost`.

        Raises:
            ConfigurationError: another event loop uses this backend, or an adapter is asked for.
            BackendError: every other failure, after the retries that it allows.
        """
        if self._closed:
            raise BackendClosed(self._name, "the backend is closed")
        if request.adapter is not None and not self._capabilities.adapters:
            raise ConfigurationError(f"{self._name} has no adapters, and {request.adapter!r} was asked for")
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            if self._loop is not None:
                raise ConfigurationError(
                    f"{self._name} belongs to the event loop that it was first used on: make one a loop"
                )
            self._loop = loop
        listener = None if on_token is None else _Listener(on_token)
        body = self.encode(request, stream=listener is not None)
        return await self._retry.run(functools.partial(self._send, body, listener), sleep=self._sleep)

    async def aclose(self) -> None:
        """Close the connections; requests under way end with `BackendClosed`."""
        if not self._closed:
            self._closed = True
            self._closing.set()
            await self._client.close()

    async def _sleep(self, seconds: float) -> None:
        """Wait for a retry, no longer than the backend is open."""
        try:
            async with asyncio.timeout(seconds):
                await self._closing.wait()
        except TimeoutError:
            return
        raise BackendClosed(self._name, "the backend was closed before the request could be sent again")

    async def _send(self, body: bytes, listener: _Listener | None) -> Completion:
        """Send once; a slot is held for exactly as long."""
        async with self._slots:
            failure: BackendError
            try:
                async with asyncio.timeout(self._timeout):
                    return await self._exchange(body, listener)
            except BackendError as error:
                failure = error
            except TimeoutError:
                failure = BackendTimeout(self._name, f"no complete answer in {self._timeout:g} s")
            except self._sdk.APIStatusError as error:
                failure = self._status_error(error.response)
            except self._lost as error:
                failure = self._connection_error(error)
        if listener is not None and listener.heard:
            failure.retryable = False  # a second answer would be told after the beginning of the first
        raise failure from None  # the SDK's errors hold the request, and the request the key

    async def _exchange(self, body: bytes, listener: _Listener | None) -> Completion:
        if self._closed:
            raise BackendClosed(self._name, "the backend was closed before the request was sent")
        response: httpx2.Response = await self._client.post(
            self._url, cast_to=self._response_type, content=body, stream=listener is not None
        )
        request_id = response.headers.get(self.request_id_header)
        if listener is None:
            return self._completion(self._json(response, response.content), request_id)
        try:
            if "text/event-stream" not in response.headers.get("content-type", ""):
                # The server does not stream; what it says is taken whole.
                completion = self._completion(self._json(response, await response.aread()), request_id)
                if completion.text:
                    listener(completion.text)
                return completion
            return self._completion(await self._gather(response, listener), request_id)
        finally:
            await response.aclose()

    async def _gather(self, response: httpx2.Response, listener: _Listener) -> Any:
        assembly = self.assembly()
        async for data in events(response.aiter_bytes()):
            if data == b"[DONE]":
                break
            text = self._assembled(assembly.feed, self._json(response, data))
            if text:
                listener(text)
        if not assembly.finished:
            raise ConnectionLost(self._name, "the stream ended before the answer did")
        return self._assembled(assembly.json)

    def _assembled(self, step: Callable[..., T], *event: Any) -> T:
        try:
            return step(*event)
        except (*MISREAD, ValueError) as error:
            raise self._malformed(f"an event of the stream is none of the API's: {error!r}") from None

    # --- what came back

    def _json(self, response: httpx2.Response, content: bytes) -> Any:
        try:
            data = from_json(content)
        except ValueError:
            kind = response.headers.get("content-type", "no content type")
            start = content[:_SHOWN].decode("utf-8", "replace")
            raise self._malformed(f"the answer is not JSON but {kind}: {start!r}") from None
        if isinstance(data, dict) and data.get("error"):
            raise failures.from_error_object(
                self._name,
                data["error"],
                request_id=response.headers.get(self.request_id_header),
                secret=self._secret,
            )
        return data

    def _completion(self, data: Any, request_id: str | None) -> Completion:
        try:
            return self.decode(data, request_id)
        except ValueError as error:
            raise self._malformed(str(error), request_id) from None

    def _malformed(self, message: str, request_id: str | None = None) -> MalformedResponse:
        return MalformedResponse(self._name, failures.redact(message, self._secret), request_id=request_id)

    def _status_error(self, response: httpx2.Response) -> BackendError:
        return failures.from_response(
            self._name,
            response.status_code,
            response.headers,
            response.content,
            request_id=response.headers.get(self.request_id_header),
            secret=self._secret,
        )

    def _connection_error(self, error: Exception) -> BackendError:
        if self._closed:
            return BackendClosed(self._name, "the backend was closed while the request was under way")
        cause = failures.redact(str(error.__cause__ or error), self._secret)
        if isinstance(error, self._sdk.APITimeoutError):
            return BackendTimeout(self._name, f"no connection in time: {cause}")
        return ConnectionLost(self._name, f"the connection was lost: {cause}")


class _Listener:
    """A caller's `on_token`, and whether it has heard anything."""

    def __init__(self, on_token: Callable[[str], None]) -> None:
        self._on_token = on_token
        self.heard = False

    def __call__(self, text: str) -> None:
        self.heard = True
        self._on_token(text)
