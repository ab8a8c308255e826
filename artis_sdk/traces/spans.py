"""Spans, which are open in their context.

Spans of the application's code inside one, such as a tool's HTTP requests, are its children. Threads that
lack OpenTelemetry's context, such as a pool's, have ours (`artis_sdk.tools.carry`).
A span never holds an exception's text or traceback, which may hold a secret, unless content is on.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import ExitStack
from contextvars import ContextVar, Token
from dataclasses import dataclass, field
from importlib import import_module
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from pydantic import BaseModel

from artis_sdk.errors import MissingExtraError
from artis_sdk.records import Outcome, Step, ToolCall
from artis_sdk.simulators.seal import unsealed
from artis_sdk.simulators.veil import Veil
from artis_sdk.traces.attributes import ERROR, OPERATION, RESULTS, WORLD, Attributes

if TYPE_CHECKING:
    from opentelemetry.trace import TracerProvider

_LOGGER = logging.getLogger("artis_sdk.traces")
_LONGEST = 100  # characters of a failure type, which a simulator may have written
_LONGEST_MESSAGE = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Traces:
    """Turns on the OpenTelemetry spans of a session; needs `artis-sdk[traces]`.

    Span processors and exporters call no guarded tool.

    Args:
        content: whether spans also hold what models, tools and people wrote: messages, arguments, results,
            error texts. What the session knows to be secret by then is left out. Without, they hold names,
            counts, times and outcome types.
        tracer_provider: source of the tracer; None for OpenTelemetry's global one.
    """

    content: bool = False
    tracer_provider: TracerProvider | None = None


class Tracing:
    """What the spans of one session are made of.

    Args:
        given: the session's option.
        session: id of the session, the conversation of its spans.
        secrets: what takes the session's secrets out.

    Raises:
        MissingExtraError: OpenTelemetry's API is not installed.
    """

    def __init__(self, given: Traces, *, session: str, secrets: Veil) -> None:
        try:
            from opentelemetry import trace
        except ImportError as error:
            raise MissingExtraError("tracing", "traces") from error
        version = import_module("artis_sdk").__version__  # by name: the package imports this module
        self.tracer = trace.get_tracer("artis_sdk", version, given.tracer_provider)
        self.content = given.content
        self.session = session
        self.secrets = secrets

    def text(self, text: str, longest: int) -> str:
        """A text without secrets, cut to its first characters."""
        return str(self.secrets.shown_value(text, "trace"))[:longest]


class SessionSpan:
    """A span of no tracer: it takes everything and keeps nothing."""

    __slots__ = ()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return

    def result(self, value: BaseModel) -> None:
        """Take what the operation has led to, a record of one of the types in `RESULTS`."""

    def outcome(self, call: ToolCall, outcome: Outcome) -> None:
        """Take the outcome of the call that the span is of."""

    def set(self, name: str, value: str | None) -> None:
        """Take an attribute that is no content; None is left out."""


OFF = SessionSpan()
"""What every span is where tracing is off."""
open_span: ContextVar[OpenSpan | None] = ContextVar("artis_sdk_span", default=None)
"""The innermost span of ours in this context; None where tracing is off."""


@dataclass(eq=False, repr=False, slots=True)
class OpenSpan(SessionSpan):
    """A span of a tracer. Whatever fails in it is logged: a tracer ends no rehearsal and no commit, where a
    real call would be left without its outcome.

    Args:
        tracing: the tracing of the session.
        name: name of the span.
        attributes: attributes without content.
        content: function that makes the attributes with content; called where they are wanted.
        world: `real` or `simulated`; None for a span of both.
        shows: whether it and the spans inside have content.
    """

    tracing: Tracing
    name: str
    attributes: Attributes
    content: Callable[[], Attributes] | None = None
    world: str | None = field(kw_only=True)
    shows: bool = field(kw_only=True)
    _scope: ExitStack = field(default_factory=ExitStack, init=False)
    _span: Any = field(default=None, init=False)
    _token: Token[OpenSpan | None] | None = field(default=None, init=False)

    def child(
        self, name: str, attributes: Attributes, content: Callable[[], Attributes] | None = None
    ) -> OpenSpan:
        """A span for a part of this one's operation."""
        return OpenSpan(self.tracing, name, attributes, content, world=self.world, shows=self.shows)

    def __enter__(self) -> Self:
        outer = open_span.get()
        self._token = open_span.set(self)
        try:
            with unsealed():
                self._begin(outer)
        except Exception as error:  # noqa: BLE001  see the class
            _log(error)
        return self

    def _begin(self, outer: OpenSpan | None) -> None:
        from opentelemetry import trace

        inside = None  # the present span of this context, such as one of the application's own
        if outer is not None and not trace.get_current_span().get_span_context().is_valid:
            inside = trace.set_span_in_context(outer._span)
        given = {"gen_ai.conversation.id": self.tracing.session, **self.attributes}
        if self.world is not None:
            given[WORLD] = self.world
        kind = trace.SpanKind.CLIENT if given[OPERATION] == "chat" else trace.SpanKind.INTERNAL
        self._span = self.tracing.tracer.start_span(self.name, context=inside, kind=kind, attributes=given)
        using = trace.use_span(self._span, record_exception=False, set_status_on_exception=False)
        self._scope.enter_context(using)
        if self.content is not None and self.shows and self._span.is_recording():
            self._span.set_attributes(self.content())

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._token is not None
        try:
            with unsealed():  # an exporter may send at once
                try:
                    if error is not None and self._span is not None:
                        self._error(_name_of(type(error)), str(error))
                finally:
                    open_span.reset(self._token)
                    self._scope.close()
                    if self._span is not None:
                        self._span.end()
        except Exception as failure:  # noqa: BLE001  see the class
            _log(failure)

    def result(self, value: BaseModel) -> None:
        try:
            if self._span is not None and self._span.is_recording():
                always, content = RESULTS[type(value)]
                self._span.set_attributes(always(value))
                if self.shows:
                    self._span.set_attributes(content(self.tracing.secrets.shown(value)))
        except Exception as error:  # noqa: BLE001  see the class
            _log(error)

    def outcome(self, call: ToolCall, outcome: Outcome) -> None:
        try:
            if self._span is None or not self._span.is_recording():
                return
            kind = self.tracing.text(outcome.type, _LONGEST)
            self._span.set_attribute("artis.outcome.type", kind)
            self._span.set_attribute("artis.outcome.provenance", str(outcome.provenance))
            if not outcome.ok and self.world != "simulated":  # a predicted failure is no error of ours
                self._error(kind, outcome.message)
            if self.shows:
                step = self.tracing.secrets.shown(Step(call=call, outcome=outcome))
                self._span.set_attribute("gen_ai.tool.call.result", step.outcome.text())
        except Exception as error:  # noqa: BLE001  see the class
            _log(error)

    def set(self, name: str, value: str | None) -> None:
        try:
            if self._span is not None and value is not None:
                self._span.set_attribute(name, value)
        except Exception as error:  # noqa: BLE001  see the class
            _log(error)

    def event(self, name: str, attributes: Attributes) -> None:
        """Something that happened, and took no time."""
        try:
            if self._span is not None:
                self._span.add_event(name, attributes)
        except Exception as error:  # noqa: BLE001  see the class
            _log(error)

    def _error(self, kind: str, message: str | None) -> None:
        from opentelemetry.trace import Status, StatusCode

        told = self.tracing.text(message, _LONGEST_MESSAGE) if self.shows and message else None
        self._span.set_attribute(ERROR, kind)
        self._span.set_status(Status(StatusCode.ERROR, told))


def _name_of(error: type[BaseException]) -> str:
    name = error.__qualname__
    return name if error.__module__ == "builtins" else f"{error.__module__}.{name}"


def _log(error: Exception) -> None:
    # Its text may hold content.
    _LOGGER.warning("a span could not be written: %s", type(error).__name__)
