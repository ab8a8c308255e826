"""The results of a rehearsal and a commit, as values."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from artis_sdk.records.calls import FROZEN, History, Outcome, Risk, State, Step, ToolCall, ToolSpec, new_id
from artis_sdk.records.chat import Message, Role, Usage


class Task(BaseModel):
    """The agent's input at one turn (section 4.1): query, conversation so far, tools, state."""

    model_config = FROZEN

    id: str = Field(default_factory=new_id)
    query: str
    conversation: tuple[Message, ...] = ()
    """Earlier turns of the same session, without this query: the paper's H_0."""
    tools: tuple[ToolSpec, ...] = ()
    state: State = None
    history: History = ()
    """Real calls made since the state was taken; empty if the state is fresh."""


class Evaluation(BaseModel):
    """The judge's verdict on one attempt."""

    model_config = FROZEN

    correct: bool
    explanation: str = ""
    suggestion: str = ""
    score: int | None = None
    """Score, 1 to 10, set only by the baselines of appendix G."""
    raw: str = ""


Ending = Literal["answer", "steps", "limit", "context", "simulation_error", "error", "refused"]
"""`context`: the agent's prompt outgrew the model's context; `error`: the caller's own agent failed;
`refused`: the firewall refused a guarded call of the attempt."""


class Attempt(BaseModel):
    """One whole simulated trajectory for a task."""

    model_config = FROZEN

    index: int
    steps: tuple[Step, ...] = ()
    messages: tuple[Message, ...] = ()
    """The agent's messages and the outcomes that it saw, after the query."""
    answer: str | None = None
    ended: Ending = "answer"
    error: str | None = None
    """Reason why the attempt ended early. An attempt ended by a limit, the simulator or the firewall is
    not evaluated."""
    evaluation: Evaluation | None = None
    condensed_attempts: int = 0
    """Number of earlier attempts condensed to fit this attempt's context."""


class Recommendation(BaseModel):
    """The one piece of guidance distilled from all attempts: the paper's S."""

    model_config = FROZEN

    recommendation: str
    rationale: str = ""
    raw: str = ""


class Withheld(BaseModel):
    """The secrets that a saved plan leaves out."""

    model_config = FROZEN

    places: dict[str, tuple[str, ...]]
    """Paths in the plan, such as `task.query`, by placeholder."""
    sealed: str | None = None
    """The plan with its secrets, encrypted under `ARTIS_PLAN_KEY`."""


class Plan(BaseModel):
    """The result of `Session.rehearse`; `Session.commit` takes it once."""

    model_config = FROZEN

    id: str = Field(default_factory=new_id)
    task: Task
    strategy: str
    attempts: tuple[Attempt, ...] = ()
    recommendation: Recommendation | None = None
    guidance: str | None = None
    """Guidance for the committing agent: the recommendation, or with summaries off the attempts."""
    journal: str | None = None
    """Name of the only journal that it can be committed in; None for a plan made without a session."""
    usage: dict[Role, Usage] = Field(default_factory=dict)
    stopped_by: str | None = None
    """The limit that ended the rehearsal early, if any."""
    notes: tuple[str, ...] = ()
    """Notes on the rehearsal, such as attempts condensed for context."""
    withheld: Withheld | None = None
    """Secrets missing from a plan of `Session.saved`, which its commit needs."""

    @property
    def predicted(self) -> tuple[Step, ...]:
        """The steps of the attempt to compare the commit with: the last one judged correct, else the last
        one."""
        correct = [a for a in self.attempts if a.evaluation is not None and a.evaluation.correct]
        chosen = (correct or [a for a in self.attempts if a.error is None])[-1:]
        return chosen[0].steps if chosen else ()


class CommittedCall(BaseModel):
    """A real call, beside the rehearsal's prediction."""

    model_config = FROZEN

    call: ToolCall
    outcome: Outcome
    risk: Risk
    predicted: Outcome | None = None
    journal_id: str | None = None
    nested: bool = False
    """Whether the body of another real tool made the call, not the agent."""

    @property
    def diverged(self) -> bool:
        """Whether the real outcome differs from the rehearsal's prediction."""
        return self.predicted is not None and (
            self.predicted.type != self.outcome.type or self.predicted.content() != self.outcome.content()
        )


class Result(BaseModel):
    """The result of `Session.commit` and `Session.run`."""

    model_config = FROZEN

    plan: Plan
    answer: str | None
    calls: tuple[CommittedCall, ...] = ()
    messages: tuple[Message, ...] = ()
    usage: dict[Role, Usage] = Field(default_factory=dict)
    """Usage by role, rehearsal and commit together."""
    ended: Ending = "answer"
    notes: tuple[str, ...] = ()
    """Notes on the commit, such as a limit that it exceeded."""

    @property
    def divergences(self) -> tuple[CommittedCall, ...]:
        return tuple(call for call in self.calls if call.diverged)
