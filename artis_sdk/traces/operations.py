"""The spans of what a session does. Where tracing is off, each costs a look at a context variable."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from types import MappingProxyType
from typing import Any, Protocol

from artis_sdk.contracts import Backend
from artis_sdk.records import Completion, Outcome, Request, Risk, Role, ToolCall
from artis_sdk.tools.reply import Reply
from artis_sdk.traces.attributes import (
    ERROR,
    OPERATION,
    Attributes,
    json_text,
    model_messages,
    model_request,
)
from artis_sdk.traces.spans import OFF, OpenSpan, SessionSpan, Tracing, open_span


def operation(tracing: Tracing | None, name: str, inside_attempt: Callable[[], bool]) -> SessionSpan:
    """One call of a session's method.

    A session without tracing inside one that has it, such as a sub-agent's, is traced with it, without
    content: its secrets are its own.

    Args:
        tracing: the session's tracing.
        name: name of the method.
        inside_attempt: tells whether it is called inside a rehearsed attempt, where a commit is none.
    """
    outer = open_span.get()
    if tracing is None and outer is None:
        return OFF
    kind = "invoke_agent" if name == "commit" else "invoke_workflow"
    about = "gen_ai.agent.name" if name == "commit" else "gen_ai.workflow.name"
    world = {"rehearse": "simulated", "commit": "real"}.get(name)
    if inside_attempt() or (outer is not None and outer.world == "simulated"):
        world = "simulated"
    given = {OPERATION: kind, about: name}
    if tracing is None:
        assert outer is not None
        return OpenSpan(outer.tracing, f"{kind} {name}", given, world=world, shows=False)
    return OpenSpan(tracing, f"{kind} {name}", given, world=world, shows=tracing.content)


def attempt(index: int) -> SessionSpan:
    """One attempt of a rehearsal, with its verdict."""
    here = open_span.get()
    if here is None:
        return OFF
    given = {OPERATION: "invoke_agent", "gen_ai.agent.name": "attempt", "artis.attempt.index": index}
    return here.child("invoke_agent attempt", given)


def judging(name: str, index: int) -> SessionSpan:
    """The judge's work on an attempt.

    Args:
        name: `evaluate`, or `suggest`.
        index: index of the attempt.
    """
    here = open_span.get()
    return OFF if here is None else here.child(name, {OPERATION: name, "artis.attempt.index": index})


def summarizing() -> SessionSpan:
    """The writing of the recommendation."""
    here = open_span.get()
    return OFF if here is None else here.child("summarize", {OPERATION: "summarize"})


def model_call(
    backend: Backend, role: Role, request: Request, *, on_token: Callable[[str], None] | None = None
) -> Awaitable[Completion]:
    """One request to a model: `backend.complete`."""
    here = open_span.get()
    if here is not None:
        return _asked(here, backend, role, request, on_token)
    return backend.complete(request) if on_token is None else backend.complete(request, on_token=on_token)


async def _asked(
    here: OpenSpan, backend: Backend, role: Role, request: Request, on_token: Callable[[str], None] | None
) -> Completion:
    given = model_request(backend, role, request)

    def content() -> Attributes:
        shown = here.tracing.secrets.shown
        return model_messages([shown(message) for message in request.messages], request)

    with here.child(f"chat {given['gen_ai.request.model']}", given, content) as span:
        completion = await backend.complete(request, on_token=on_token)
        span.result(completion)
    return completion


def simulating(calls: Sequence[ToolCall]) -> SessionSpan:
    """The prediction of one turn's calls: `simulate_tool`, as it is no `execute_tool`.

    With several calls it is a `simulate_turn`, in which `simulated` puts a span for each call.
    """
    here = open_span.get()
    if here is None:
        return OFF
    if len(calls) == 1:
        return _tool("simulate_tool", here, calls[0])
    return here.child("simulate_turn", {OPERATION: "simulate_turn", "artis.calls": len(calls)})


def simulated(span: SessionSpan, calls: Sequence[ToolCall], outcomes: Sequence[Outcome]) -> None:
    """Give the span of a turn the outcomes of its calls."""
    if not isinstance(span, OpenSpan):
        return
    if len(calls) == 1:
        span.outcome(calls[0], outcomes[0])
        return
    for call, outcome in zip(calls, outcomes, strict=True):
        with _tool("simulate_tool", span, call) as one:
            one.outcome(call, outcome)


def not_made(outcomes: Iterable[Outcome]) -> None:
    """A model's calls that cannot be made: they reach no world, and have no spans."""
    here = open_span.get()
    if here is not None:
        for outcome in outcomes:
            here.event("artis.call_not_made", {ERROR: outcome.type})


class JournaledIntent(Protocol):
    """A real call as the journal has it before it is made."""

    @property
    def id(self) -> str: ...

    @property
    def risk(self) -> Risk: ...


def executing(
    call: ToolCall, intent: JournaledIntent, carried_out: Coroutine[Any, Any, Reply]
) -> Awaitable[Reply]:
    """A real call, its journaling included.

    Args:
        call: the call.
        intent: the call, as the journal has it.
        carried_out: the coroutine that carries it out.
    """
    here = open_span.get()
    return carried_out if here is None else _executed(here, call, intent, carried_out)


async def _executed(
    here: OpenSpan, call: ToolCall, intent: JournaledIntent, carried_out: Coroutine[Any, Any, Reply]
) -> Reply:
    more = {"artis.tool.risk": str(intent.risk), "artis.journal.id": intent.id}
    with _tool("execute_tool", here, call, more) as span:
        reply = await carried_out
        span.outcome(call, reply.outcome)
    return reply


def _tool(kind: str, here: OpenSpan, call: ToolCall, more: Attributes = MappingProxyType({})) -> OpenSpan:
    given = {
        OPERATION: kind,
        "gen_ai.tool.name": call.tool,
        "gen_ai.tool.type": "function",
        "gen_ai.tool.call.id": call.id,
        **more,
    }

    def content() -> Attributes:
        shown = here.tracing.secrets.shown(call)
        return {"gen_ai.tool.call.arguments": json_text(shown.arguments)}

    return here.child(f"{kind} {call.tool}", given, content)


def asking(about: str, tool: str | None = None) -> SessionSpan:
    """A question to the approver, until it is answered.

    Args:
        about: name of the question's type.
        tool: name of the tool that it is about.
    """
    here = open_span.get()
    if here is None:
        return OFF
    given = {OPERATION: "approve", "artis.approval.about": about}
    return here.child("approve", given if tool is None else {**given, "gen_ai.tool.name": tool})
