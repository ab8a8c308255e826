"""The base of all backends behind an HTTP API: one connection pool, limits, retries, errors, closing."""

from __future__ import annotations

import asyncio
import functools
import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol, TypeVar
from urllib.parse import urlsplit

from pydantic_core import from_json

from artis_sdk.backends.hosted import http_errors as failures
from artis_sdk.backends.hosted.answers_in_errors import AnswerInError, raise_answer
from artis_sdk.backends.hosted.api import check_line
from artis_sdk.backends.hosted.calls_in_text import with_calls_from_text
from artis_sdk.backends.hosted.refusals import Optional, Refused
from artis_sdk.backends.hosted.retry import RetryPolicy
from artis_sdk.backends.hosted.slots import RequestSlots
from artis_sdk.backends.hosted.sse import events
from artis_sdk.backends.hosted.stops import cut_at
from artis_sdk.backends.hosted.turns import a_turn_for_each_call, takes_one_call
from artis_sdk.backends.hosted.wire import MISREAD, with_whole_texts
from artis_sdk.errors import (
    BackendClosed,
    BackendError,
    BackendTimeout,
    ConfigurationError,
    ConnectionLost,
    MalformedResponse,
    MissingExtraError,
    RateLimited,
    RequestRejected,
)
from artis_sdk.records import Capabilities, Completion, Request
from artis_sdk.records.marks import PutTogether, put_together

if TYPE_CHECKING:
    from artis_sdk.backends.hosted.http import HttpResponse

T = TypeVar("T")
log = logging.getLogger(__name__)

_SHOWN = 200  # characters of an answer that is not JSON

DEFAULT_TIMEOUT = 120.0


class Assembly(Protocol):
    """Assembles the events of a stream."""

    def feed(self, event: Any) -> str:
        """Add one event's JSON, and return the text that it adds to the answer."""

    @property
    def finished(self) -> bool:
        """Whether the answer is complete."""

    def json(self) -> Any:
        """The answer in the form of a response without streaming."""


class HostedBackend(ABC):
    """One model behind one URL.

    A subclass says how a request becomes bytes (`encode`), how JSON becomes a completion (`decode`),
    how a stream's events become that JSON (`assembly`), and with which of its SDK's headers (`headers`).

    Args:
        name: name by which `resolve` finds it.
        url: the whole URL of requests.
        secrets: texts that are kept out of every message.
        timeout: seconds for one whole answer, connecting included, and again for each retry.
        max_concurrency: requests, and so connections, under way at once; more wait. None for as many as the
            server takes, see `RequestSlots`.
        retry: when a failed request is sent again; None for the defaults.
        refusable: parts of requests that a server may refuse, which are then left out.
    """

    extra: str
    """Name of the extra that installs the SDK."""
    request_id_header = "x-request-id"

    def __init__(
        self,
        name: str,
        *,
        url: str,
        secrets: Sequence[str],
        capabilities: Capabilities,
        timeout: float,
        max_concurrency: int | None,
        retry: RetryPolicy | None,
        refusable: Sequence[Optional] = (),
    ) -> None:
        if not url.startswith(("http://", "https://")):
            raise ConfigurationError(f"{name}: base_url must begin with http:// or https://")
        for option, value in (("timeout", timeout), ("max_concurrency", max_concurrency)):
            if value is None and option == "max_concurrency":
                continue
            if not isinstance(value, int | float) or value <= 0:
                raise ConfigurationError(f"{name}: {option} must be a positive number, not {value!r}")
        self._name = name
        self._url = url
        self._secrets = secrets
        self._capabilities = capabilities
        self._timeout = timeout
        self._retry = retry or RetryPolicy()
        self._refused = Refused(refusable)
        self._wire_key = name
        self._warned: set[str] = set()
        self._slots = RequestSlots(max_concurrency)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closing = asyncio.Event()
        self._closed = False
        self._one_call = False  # whether the server has refused a turn with several calls
        try:
            headers = self.headers()
            from artis_sdk.backends.hosted.http import HttpClient
        except ModuleNotFoundError:
            raise MissingExtraError(name, self.extra) from None
        for header, text in headers.items():
            check_line(f"{name}: the header {header}", text)
        self._http = HttpClient(name, headers)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._name} at {urlsplit(self._url).hostname}>"

    @property
    def name(self) -> str:
        return self._name

    @property
    def capabilities(self) -> Capabilities:
        return self._capabilities

    def warn_once(self, what: str) -> None:
        """Log what the model does with a request, at the first time only."""
        if what not in self._warned:
            self._warned.add(what)
            log.warning("%s %s", self._name, what)

    def left_out(self) -> None:
        """Parts were refused: adapt to what is left out from now on."""
        refused = self._refused.names
        self._capabilities = replace(
            self._capabilities,
            structured_output=self._capabilities.structured_output and "schema" not in refused,
            temperature=self._capabilities.temperature and "temperature" not in refused,
            logprobs=self._capabilities.logprobs and "logprobs" not in refused,
            seed=self._capabilities.seed and "seed" not in refused,
        )
        if "thoughts" in refused:
            self._wire_key = f"{self._name} without thoughts"

    # --- a subclass's part

    @abstractmethod
    def headers(self) -> Mapping[str, str]:
        """The headers of the SDK's client, with the key, for every request."""

    @abstractmethod
    def encode(self, request: Request, *, stream: bool) -> bytes:
        """The request's body."""

    @abstractmethod
    def decode(self, data: Any, request_id: str | None) -> Completion:
        """A response's JSON as a completion; raises `ValueError` with the reason if it is not one."""

    @abstractmethod
    def assembly(self) -> Assembly:
        """The assembly of one stream's events."""

    # --- requests

    async def complete(
        self, request: Request, *, on_token: Callable[[str], None] | None = None
    ) -> Completion:
        """Answer one request; see `contracts.Backend.complete`.

        Once `on_token` has been called the request is not sent again: a cut stream is a `ConnectionLost`.

        Raises:
            ConfigurationError: another event loop uses this backend, or the request names an adapter.
            BackendError: every other failure, after the retries that it allows.
        """
        if self._closed:
            raise BackendClosed(self._name, "the backend is closed")
        if request.adapter is not None and not self._capabilities.adapters:
            raise ConfigurationError(f"{self._name} has no adapters; requested: {request.adapter!r}")
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            if self._loop is not None:
                raise ConfigurationError(
                    f"{self._name} belongs to the event loop of its first request: make one backend per loop"
                )
            self._loop = loop
        listener = None if on_token is None else _Listener(on_token)
        left_out: set[str] = set()
        while True:
            given = self._taken(request)
            # A text that is cut here has no end before it is whole.
            heard = None if given.stop != request.stop else listener
            body = self.encode(given, stream=heard is not None)
            send = functools.partial(self._send, body, heard)
            try:
                completion = await self._retry.run(send, sleep=self._sleep)
            except RequestRejected as refusal:
                if not self._one_call and takes_one_call(refusal):
                    self._one_call = True
                    continue
                part = self._refused.learn(str(refusal), body, left_out)
                if part is None:
                    raise
            else:
                if given.stop != request.stop:
                    completion = cut_at(completion, request.stop)
                    if listener is not None:
                        listener.tell(put_together(completion.text))
                completion = with_calls_from_text(completion, request)
                return with_whole_texts(completion, is_json=request.schema is not None)
            left_out.add(part.name)
            self.warn_once(part.without)
            self.left_out()

    def _taken(self, request: Request) -> Request:
        """A request without what the server refuses in every request."""
        if self._one_call:
            request = a_turn_for_each_call(request)
        if "stop" in self._refused.names:
            request = replace(request, stop=())
        if "tool_choice" in self._refused.names and request.tool_choice != "auto":
            tools = () if request.tool_choice == "none" else request.tools
            request = replace(request, tools=tools, tool_choice="auto")
        return request

    async def aclose(self) -> None:
        """Close the connections; requests under way end with `BackendClosed`."""
        if not self._closed:
            self._closed = True
            self._closing.set()
            await self._http.close()

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
        taken = await self._slots.take()
        failure: BackendError
        try:
            began = time.monotonic()
            async with asyncio.timeout(self._timeout):
                try:
                    completion = await self._exchange(body, listener)
                except AnswerInError as answer:  # an error's text that is the model's answer
                    completion = answer.completion
            self._slots.answered(time.monotonic() - began)
            return completion
        except ConnectionLost as error:
            failure = self._closed_meanwhile() if self._closed else error
        except BackendError as error:
            if isinstance(error, RateLimited):
                self._slots.refused(taken)
            failure = error
        except TimeoutError:
            failure = BackendTimeout(self._name, f"no complete answer in {self._timeout:g} s")
        finally:
            self._slots.give()
        if listener is not None and listener.heard:
            failure.retryable = False  # a second answer would follow the beginning of the first
        raise failure

    async def _exchange(self, body: bytes, listener: _Listener | None) -> Completion:
        if self._closed:
            raise BackendClosed(self._name, "the backend was closed before the request was sent")
        answer = await self._http.post(self._url, body, stream=listener is not None)
        if listener is None:
            return self._whole(answer, answer.content)
        try:
            if answer.status != 200 or "text/event-stream" not in answer.headers.get("content-type", ""):
                # The server does not stream; its answer is taken whole.
                completion = self._whole(answer, await answer.read())
                listener.tell(completion.text)
                return completion
            return self._completion(await self._gather(answer, listener), self._request_id(answer))
        finally:
            answer.close()

    def _whole(self, answer: HttpResponse, content: bytes) -> Completion:
        if not 200 <= answer.status < 300:
            raise_answer(content)
            raise failures.from_response(
                self._name,
                answer.status,
                answer.headers,
                content,
                request_id=self._request_id(answer),
                secrets=self._secrets,
            )
        return self._completion(self._json(answer, content), self._request_id(answer))

    async def _gather(self, answer: HttpResponse, listener: _Listener) -> Any:
        assembly = self.assembly()
        async for data in events(answer.pieces()):
            if data == b"[DONE]":
                break
            text = self._assembled(assembly.feed, self._json(answer, data))
            if text:
                listener(text)
        listener.end()
        if not assembly.finished:
            raise ConnectionLost(self._name, "the stream ended before the answer did")
        return self._assembled(assembly.json)

    def _assembled(self, step: Callable[..., T], *event: Any) -> T:
        try:
            return step(*event)
        except (*MISREAD, ValueError) as error:
            raise self._malformed(f"an event of the stream is not one of the API: {error!r}") from None

    # --- answers

    def _json(self, answer: HttpResponse, content: bytes) -> Any:
        try:
            data = from_json(content)
        except ValueError:
            kind = answer.headers.get("content-type", "no content type")
            start = failures.redact(content.decode("utf-8", "replace"), self._secrets)[:_SHOWN]
            raise self._malformed(f"the answer is not JSON but {kind}: {start!r}") from None
        if isinstance(data, dict) and data.get("error") and not data.get("choices"):
            raise_answer(content)
            raise failures.from_error_object(
                self._name,
                data["error"],
                request_id=self._request_id(answer),
                secrets=self._secrets,
            )
        return data

    def _completion(self, data: Any, request_id: str | None) -> Completion:
        try:
            return self.decode(data, request_id)
        except ValueError as error:
            raise self._malformed(str(error), request_id) from None

    def _malformed(self, message: str, request_id: str | None = None) -> MalformedResponse:
        return MalformedResponse(self._name, failures.redact(message, self._secrets), request_id=request_id)

    def _request_id(self, answer: HttpResponse) -> str | None:
        return answer.headers.get(self.request_id_header)

    def _closed_meanwhile(self) -> BackendClosed:
        return BackendClosed(self._name, "the backend was closed while the request was under way")


class _Listener:
    """A caller's `on_token`, told the text without breaks in its control marks, and whether it was called."""

    def __init__(self, on_token: Callable[[str], None]) -> None:
        self._on_token = on_token
        self._text = PutTogether()
        self.heard = False

    def __call__(self, text: str) -> None:
        self.tell(self._text.feed(text))

    def end(self) -> None:
        """The text is over."""
        self.tell(self._text.end())

    def tell(self, text: str) -> None:
        """Text that is whole already."""
        if text:
            self.heard = True
            self._on_token(text)
