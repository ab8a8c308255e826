"""An approver: the questions of a commit, and their possible answers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from contextvars import Context, copy_context
from typing import Any, Literal, Protocol, TypeVar

from pydantic import BaseModel, Field

from artis_sdk.commit.approval import own_plan
from artis_sdk.commit.journal import JournaledCall
from artis_sdk.commit.waiting import is_cancelled
from artis_sdk.records import (
    CallKind,
    CommitMode,
    CommittedCall,
    ForeseenCall,
    Plan,
    Risk,
    ToolCall,
)
from artis_sdk.records.calls import FROZEN
from artis_sdk.records.fields import Json, JsonObject
from artis_sdk.traces.operations import asking


class PlanRequest(BaseModel):
    """May this plan be committed? Answers: `Approve`; `Reject`; `EditPlan`, after which the edited plan is
    asked about."""

    model_config = FROZEN

    plan: Plan
    """The plan, without secrets."""
    mode: CommitMode
    """How it will be committed."""


class CallRequest(BaseModel):
    """May this call be made, which may change something and is not foreseen? Answers: `Approve`; `Reject`,
    whose reason the agent sees; `Edit`."""

    model_config = FROZEN

    plan: Plan
    call: ToolCall
    """The call, without secrets."""
    risk: Risk
    kind: CallKind
    foreseen: ForeseenCall | None
    """The next foreseen call of the same tool; None after the last one."""
    nested: bool
    """Whether the body of another real tool makes the call, not the agent."""


class OutcomeRequest(BaseModel):
    """May the commit go on after this call, whose outcome diverged? Answers: `Approve`; `Reject`, which stops
    it."""

    model_config = FROZEN

    plan: Plan
    made: CommittedCall
    """The call, with predicted and real outcome, without secrets."""


class UnknownRequest(BaseModel):
    """Did this call of another plan take effect? The commit wants to make the same call. Answer: `Settle`."""

    model_config = FROZEN

    plan: Plan
    twin: JournaledCall


R = TypeVar("R", bound=BaseModel)
Request = PlanRequest | CallRequest | OutcomeRequest | UnknownRequest


class Approve(BaseModel):
    """Yes."""

    model_config = FROZEN

    by: str = ""
    """Name of the person who answers, for the journal; by default the name of the approver function."""


class Reject(BaseModel):
    """No."""

    model_config = FROZEN

    reason: str
    by: str = ""


class Edit(BaseModel):
    """The call with other arguments, which is made instead."""

    model_config = FROZEN

    arguments: JsonObject
    """All arguments; a placeholder of the request stands for its secret."""
    by: str = ""


class EditPlan(BaseModel):
    """The plan without some of its calls, or with other arguments in some; the others stay as they are."""

    model_config = FROZEN

    removed: tuple[int, ...] = ()
    """Indices in `Plan.foreseen` of calls that are not made."""
    arguments: dict[int, JsonObject] = Field(default_factory=dict)
    """All arguments of calls that are made otherwise, by their index there; a placeholder of the request
    stands for its secret."""
    by: str = ""


class Settle(BaseModel):
    """Whether an unknown call took effect. If it did, the same call is not made now."""

    model_config = FROZEN

    done: bool
    why: str
    """Evidence, for the journal."""
    value: Json = None
    """Return value of the call, with `done`."""
    by: str = ""


Answer = Approve | Reject | Edit | EditPlan | Settle


class Approver(Protocol):
    """A person, or a program that decides for one.

    It gets one question at a time. It calls no guarded tool: such a call is refused, which ends the
    commit, or with a model as agent it is real and in no journal.
    """

    def __call__(self, request: Any, /) -> Awaitable[Answer]:
        """Answer a `Request`."""


class Unanswered(BaseModel):
    """No answer: there is no approver, its time was up, or it failed."""

    model_config = FROZEN

    reason: str
    by: Literal["nobody"] = "nobody"


class Asking:
    """Asks an approver, one question at a time.

    Args:
        approve: the approver; None without one: every question stays unanswered.
        timeout: limit of an answer, in seconds; None to wait.
    """

    def __init__(self, approve: Approver | None, timeout: float | None = None) -> None:
        self._approve = approve
        self._timeout = timeout
        self._one_at_a_time = asyncio.Lock()
        self._context: Context = copy_context()

    @property
    def is_there(self) -> bool:
        """Whether there is an approver."""
        return self._approve is not None

    async def ask(self, request: Request, *allowed: type[BaseModel]) -> Answer | Unanswered:
        """The approver's answer, with its name filled in.

        Args:
            request: the question.
            allowed: types of its answers.
        """
        if self._approve is None:
            return Unanswered(
                reason="there is no approver to ask: pass approve=, or leave out --yes of artis run"
            )
        with asking(type(request).__name__, _tool_of(request)) as span:
            answer = await self._asked(self._approve, request, allowed)
            span.set("artis.approval.answer", type(answer).__name__)
        return answer

    async def _asked(
        self, approve: Approver, request: Request, allowed: tuple[type[BaseModel], ...]
    ) -> Answer | Unanswered:
        async with self._one_at_a_time:
            # In a context of its own: its guarded calls are not the agent's.
            asked = asyncio.get_running_loop().create_task(
                _answer(approve, _apart(request)), context=self._context.copy()
            )
            try:
                async with asyncio.timeout(self._timeout) as limit:
                    answer = await asked
            except TimeoutError:
                if not limit.expired():
                    raise
                return Unanswered(reason=f"nobody answered within {self._timeout:g} s")
            finally:
                asked.cancel()
        if isinstance(answer, Unanswered):
            return answer
        if not isinstance(answer, allowed):
            names = ", ".join(kind.__name__ for kind in allowed)
            return Unanswered(
                reason=f"the approver answered {type(answer).__name__} to a {type(request).__name__}, which "
                f"takes {names}"
            )
        return answer if answer.by.strip() else answer.model_copy(update={"by": _name(approve)})


def _apart(request: R) -> R:
    """The request with a plan and calls of the approver's own, which it may change."""
    fields = {name: getattr(request, name) for name in type(request).model_fields}
    return request.model_copy(
        update={
            name: _plan_apart(value) if isinstance(value, Plan) else value.model_copy(deep=True)
            for name, value in fields.items()
            if isinstance(value, BaseModel)
        }
    )


def _plan_apart(plan: Plan) -> Plan:
    """The plan with calls, edits and specs of the tools of its own."""
    own = own_plan(plan)
    specs = tuple([spec.model_copy(deep=True) for spec in own.task.tools])
    return own.model_copy(update={"task": own.task.model_copy(update={"tools": specs})})


async def _answer(approve: Approver, request: Request) -> Answer | Unanswered:
    try:
        return await approve(request)
    except asyncio.CancelledError:
        if is_cancelled():
            raise
        return Unanswered(reason="the approver failed: what it waited for was cancelled")
    except Exception as error:  # noqa: BLE001  whatever it was, there is no answer, and no is safe
        return Unanswered(reason=f"the approver failed: {type(error).__name__}: {error}")


def _tool_of(request: Request) -> str | None:
    if isinstance(request, CallRequest):
        return request.call.tool
    if isinstance(request, OutcomeRequest):
        return request.made.call.tool
    return request.twin.tool if isinstance(request, UnknownRequest) else None


def _name(approve: Approver) -> str:
    return str(getattr(approve, "__qualname__", type(approve).__qualname__))
