"""A model as the agent: one turn after another until it answers in words (equations 1 to 4)."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Literal, Protocol

from artis_sdk.contracts import Backend, Meter
from artis_sdk.errors import BackendError, ContextOverflow
from artis_sdk.loop.actor import NO_BRIEFING, Briefing, Trajectory
from artis_sdk.loop.calls import Table, carry_out
from artis_sdk.loop.context import fit_attempts
from artis_sdk.loop.odd_answers import OddAnswer, odd_answer, only_marks
from artis_sdk.loop.tokens import count_tokens, message_tokens, tools_tokens
from artis_sdk.loop.views import calls_with_outcomes, trajectory
from artis_sdk.prompts import Data, Prompts, call_view, encode, encode_lines, result_message
from artis_sdk.records import (
    Completion,
    Ending,
    Message,
    Request,
    Role,
    Step,
    Task,
    ToolCall,
    ToolSpec,
)
from artis_sdk.records.action_text import format_actions, parse_actions
from artis_sdk.records.thinking import outside_thoughts
from artis_sdk.tools import Toolset
from artis_sdk.tools.world import World, entered

ToolFormat = Literal["auto", "native", "text"]

_NEXT_DRAW = 500_009  # from a seed to that of the second draw of a turn
_OWN_SHARE = 4  # a quarter of the context window stays free for the attempt's own steps


@dataclass(frozen=True, slots=True)
class ModelTurn:
    """The agent's next turn, to be decided."""

    task: Task
    request: Request
    """The request for the agent's next turn."""
    opening: int
    """Number of the request's messages before the agent's first turn; the last is the query."""
    backend: Backend
    meter: Meter
    actor: ModelActor

    @property
    def since(self) -> tuple[Message, ...]:
        """Messages since the query."""
        return self.request.messages[self.opening :]

    async def ask(self, request: Request) -> Completion:
        """Request a turn from the agent's model."""
        return await self.meter.complete(self.backend, Role.ACTION, request)

    def calls(self, completion: Completion) -> tuple[ToolCall, ...]:
        """The calls in an answer of the agent."""
        return self.actor.calls(completion)

    def showing(self, attempts: list[dict[str, Any]]) -> Request:
        """The request with attempts beside its query.

        Args:
            attempts: entries of the template's `attempts`.
        """
        query = self.actor.query(self.task, attempts, None)
        messages = self.request.messages
        return replace(
            self.request, messages=(*messages[: self.opening - 1], query, *messages[self.opening :])
        )


@dataclass(slots=True)
class _Course:
    """One trajectory under way."""

    messages: list[Message]
    opening: int
    """Number of messages before the agent's first turn."""
    steps: list[Step]
    answer: str | None = None
    ended: Ending = "steps"
    error: str | None = None
    failure: BackendError | None = None
    odd: OddAnswer | None = None
    """The defect of the turn, which the model gets once more."""
    notes: list[str] = field(default_factory=list)

    def trajectory(self, condensed: int) -> Trajectory:
        """The trajectory, which is over.

        Args:
            condensed: number of earlier attempts that were shown condensed.
        """
        return Trajectory(
            steps=tuple(self.steps),
            messages=tuple(self.messages[self.opening :]),
            answer=self.answer,
            ended=self.ended,
            condensed_attempts=condensed,
            error=self.error,
            failure=self.failure,
            notes=tuple(self.notes),
        )


class Decide(Protocol):
    """Chooses the agent's next turn; without a decider the model writes one turn."""

    async def __call__(self, turn: ModelTurn) -> Completion: ...


class ModelActor:
    """An agent that is a language model.

    Args:
        backend: the model.
        tools: tools that it may call if the task offers them.
        prompts: templates `action_system`, `action_user`, `action_results`.
        temperature: sampling temperature; None for that of the model card, else 1.0 as in the paper, so that
            attempts differ.
        top_p: share of the probability that is kept; None for that of the model card, else all.
        tool_format: `native` tool calling, the paper's `text` format, or by what the backend can do.
        max_steps: maximum model calls of one trajectory.
        max_tokens: maximum tokens of one answer; None for the backend's own limit.
        seed: seed from which every attempt and candidate derives its own.
        adapter: name of a LoRA adapter.
    """

    runs_code = False

    def __init__(
        self,
        backend: Backend,
        tools: Toolset,
        *,
        prompts: Prompts | None = None,
        temperature: float | None = None,
        top_p: float | None = None,
        tool_format: ToolFormat = "auto",
        max_steps: int = 20,
        max_tokens: int | None = None,
        seed: int | None = None,
        adapter: str | None = None,
    ) -> None:
        native = backend.capabilities.native_tools if tool_format == "auto" else tool_format == "native"
        self._backend = backend
        self._origin = backend.name
        self._tools = tools
        self._prompts = prompts or Prompts()
        self._native = native
        self._max_steps = max_steps
        self._settings = Request(
            messages=(),
            temperature=temperature,
            top_p=top_p,
            max_tokens=max_tokens,
            seed=seed,
            adapter=adapter,
        )
        self._decide: Decide | None = None
        self._system: tuple[tuple[ToolSpec, ...], Message] | None = None

    def deciding(self, decide: Decide) -> ModelActor:
        """The same actor with each turn chosen by `decide`: the baselines of appendix G."""
        other = copy.copy(self)
        other._decide = decide
        return other

    async def act(
        self, task: Task, world: World, meter: Meter, briefing: Briefing = NO_BRIEFING
    ) -> Trajectory:
        """See `Actor.act`. A turn without calls is the final answer, without the thoughts before it, unless
        it is odd: see `artis_sdk.loop.odd_answers`. An empty answer, and a call that could not be read, is
        asked for once more.

        What is done stands there as the agent's own first turn, with its results. While the briefing says
        that a call is due, the turn has to be one (`tool_choice="required"`): a small model reads advice
        aloud, or stops half way. Never so in the paper's style.
        """
        view = trajectory if self._prompts.style == "paper" else calls_with_outcomes
        views, condensed = fit_attempts(
            briefing.prior, self._room(task), partial(count_tokens, self._backend), view
        )
        messages = [self.system(task), *task.conversation, self.query(task, views, briefing.guidance)]
        opening = len(messages)
        course = _Course(messages, opening, list(briefing.done))
        messages += self._shown_as_done(course.steps)
        table = Table(self._tools, task.tools)
        may_hold = self._native and self._prompts.style == "ours"
        settings = self._settings.with_tools(task.tools) if self._native else self._settings
        with entered(world, self._tools):
            for _ in range(self._max_steps):
                due = may_hold and briefing.is_due()
                held = replace(settings, tool_choice="required") if due else settings
                completion = await self._turn(task, held, course, meter)
                if completion is None:
                    break
                calls = self.calls(completion)
                odd = odd_answer(completion, calls, table.names)
                if odd is not None:
                    if not self._ask_again(odd, completion, course):
                        break
                    continue
                course.odd = None
                messages.append(self._said(completion, calls))
                if not calls:
                    course.answer, course.ended = outside_thoughts(completion.text), "answer"
                    break
                done = await carry_out(calls, table, world)
                course.steps += done
                messages += self._results(done, self._origin)
        return course.trajectory(condensed)

    def system(self, task: Task) -> Message:
        """The system prompt: one message, shared by all attempts with the same tools."""
        if self._system is None or self._system[0] is not task.tools:
            functions = None if self._native else self._prompts.documents(task.tools)
            text = self._prompts.render("action_system", functions=functions)
            self._system = task.tools, Message(role="system", content=text)
        return self._system[1]

    def query(self, task: Task, attempts: list[dict[str, Any]], guidance: str | None) -> Message:
        """The user's query, with earlier attempts (equation 2) or the recommendation (equation 4)."""
        text = self._prompts.render(
            "action_user", query=task.query, attempts=attempts, recommendation=guidance
        )
        return Message(role="user", content=text)

    def calls(self, completion: Completion) -> tuple[ToolCall, ...]:
        """The calls in an answer, in the format that the model writes."""
        return completion.tool_calls if self._native else tuple(parse_actions(completion.text) or ())

    async def _turn(self, task: Task, settings: Request, course: _Course, meter: Meter) -> Completion | None:
        """The model's next turn; None if its backend failed after the first call.

        Raises:
            BackendError: there is no call that the error would take along.
        """
        request = settings.with_messages(tuple(course.messages))
        if course.odd is not None and request.seed is not None:  # the same seed would draw the same again
            request = replace(request, seed=(request.seed + _NEXT_DRAW) % 2**31)
        try:
            if self._decide is None:
                return await meter.complete(self._backend, Role.ACTION, request)
            return await self._decide(ModelTurn(task, request, course.opening, self._backend, meter, self))
        except BackendError as error:
            if not course.steps:
                raise
            course.failure, course.error = error, str(error)
            course.ended = "context" if isinstance(error, ContextOverflow) else "model_error"
            return None

    def _ask_again(self, odd: OddAnswer, completion: Completion, course: _Course) -> bool:
        """Whether the model gets the turn once more. Its text stands in the messages."""
        first = course.odd is None
        course.odd = odd
        if completion.text.strip() and not only_marks(completion.text):
            course.messages.append(self._said(completion, ()))
        if not odd.asked_again or not first:
            course.ended, course.error = odd.ended, odd.reason
            return False
        course.notes.append(f"{odd.reason}; it was asked once more")
        if odd.correction is not None and course.messages[-1].role == "assistant":
            course.messages.append(Message(role="user", content=odd.correction))
        return True

    def _shown_as_done(self, steps: list[Step]) -> list[Message]:
        if not steps:
            return []
        calls = tuple(step.call for step in steps)
        text = "" if self._native else format_actions(calls)
        said = Message(role="assistant", content=text, tool_calls=calls if self._native else ())
        return [said, *self._results(steps, None)]  # another backend may have made them

    def _said(self, completion: Completion, calls: tuple[ToolCall, ...]) -> Message:
        return Message(
            role="assistant",
            content=completion.text,
            tool_calls=calls if self._native else (),
            raw=completion.raw,
            origin=self._origin,
        )

    def _results(self, steps: list[Step], origin: str | None) -> list[Message]:
        if self._native:
            return list(map(partial(result_message, origin=origin), steps))
        text = self._prompts.render("action_results", results=encode_lines(map(_result, steps)))
        return [Message(role="user", content=text)]

    def _room(self, task: Task) -> int | None:
        """Tokens of the context window that earlier attempts may take; None if the window is not known."""
        window = self._backend.capabilities.context_window
        if window is None:
            return None
        taken = sum(map(message_tokens, (self.system(task), *task.conversation)))
        frame = self.query(task, [{"action": "", "evaluation": None, "suggestion": None}], None)
        taken += count_tokens(self._backend, frame.content) + (self._settings.max_tokens or 0)
        return window - window // _OWN_SHARE - taken - (tools_tokens(task.tools) if self._native else 0)


def _result(step: Step) -> Data:
    view = {"call": call_view(step.call), "return": step.outcome.content()}
    return encode(view if step.outcome.ok else {**view, "failed": step.outcome.type})
