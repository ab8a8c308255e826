"""The results of a rehearsal and a commit, as values."""

from __future__ import annotations

from importlib import import_module
from typing import Literal

from pydantic import BaseModel, Field

from artis_sdk.records.brief import call_line, count, quoted, step_line
from artis_sdk.records.calls import FROZEN, History, Outcome, Risk, State, Step, ToolCall, ToolSpec, new_id
from artis_sdk.records.chat import Message, Role, Usage
from artis_sdk.records.foreseen import Approval, BoundTool, CallKind, CommitMode, ForeseenCall, PlanEdit
from artis_sdk.records.same_call import same_outcome
from artis_sdk.records.state_change import StateChange
from artis_sdk.visible import visible

_VIEW = "artis_sdk.view.plan_page"
"""Looked up by name when a page is drawn: records import nothing that shows them."""


class Task(BaseModel):
    """The agent's input at one turn (section 4.1): query, conversation so far, tools, state."""

    model_config = FROZEN

    id: str = Field(default_factory=new_id)
    """Its id."""
    query: str
    """What the user wants."""
    conversation: tuple[Message, ...] = ()
    """Earlier turns of the same session, without this query: the paper's H_0."""
    tools: tuple[ToolSpec, ...] = ()
    """The tools as models see them."""
    state: State = None
    """State of the environment before the first call, as JSON; None if there is none."""
    history: History = ()
    """Real calls made since the state was taken; empty if the state is fresh."""


class Evaluation(BaseModel):
    """The judge's verdict on one attempt."""

    model_config = FROZEN

    correct: bool
    """Whether the attempt carries out the task."""
    explanation: str = ""
    """Reason of the verdict."""
    suggestion: str = ""
    """Advice for the next attempt."""
    score: int | None = None
    """Score, 1 to 10, set only by the baselines of appendix G."""
    raw: str = ""
    """The judge's own words."""


Ending = Literal[
    "answer",
    "steps",
    "limit",
    "context",
    "simulation_error",
    "error",
    "refused",
    "stopped",
    "empty",
    "cut",
    "filtered",
    "declined",
    "unread_call",
    "made_up",
    "model_error",
]
"""`context`: the agent's prompt outgrew the model's context; `error`: the caller's own agent failed;
`refused`: the firewall refused a guarded call of the attempt; `stopped`: the commit met a call or an outcome
that its plan does not foresee, and nobody allowed it.

The last seven are of a model that gave no answer. `empty`: nothing but thoughts, twice; `cut`: its last words
were cut at the limit of tokens; `filtered`: the server's filter took them; `declined`: the model declined;
`unread_call`: twice, what it wrote was a call that could not be read; `made_up`: twice, it wrote a tool's
result itself; `model_error`: its backend failed."""


class Attempt(BaseModel):
    """One whole simulated trajectory for a task."""

    model_config = FROZEN

    index: int
    """Its number, from 0 on."""
    steps: tuple[Step, ...] = ()
    """The agent's calls with their outcomes, oldest first."""
    nested: tuple[Step, ...] = ()
    """Guarded calls that the bodies of sandboxed tools made, oldest first; `steps` has the agent's own."""
    messages: tuple[Message, ...] = ()
    """The agent's messages and the outcomes that it saw, after the query."""
    answer: str | None = None
    """The last words of the agent; None if it gave none."""
    ended: Ending = "answer"
    """The way in which it ended."""
    error: str | None = None
    """Reason why the attempt ended early. An attempt ended by a limit, the simulator, the firewall or a
    failed backend is not evaluated."""
    evaluation: Evaluation | None = None
    """The verdict; None if it was not judged."""
    condensed_attempts: int = 0
    """Number of earlier attempts condensed to fit this attempt's context."""
    change: StateChange | None = None
    """What it changed in its world; None where the simulator keeps no state, or nobody asked for it."""

    def __repr__(self) -> str:
        return f"<Attempt {self.index + 1}: {count(len(self.steps), 'call')}, {self.verdict}>"

    def __str__(self) -> str:
        made = [f"  {step_line(step.call, step.outcome)}" for step in self.steps]
        answer = [] if self.answer is None else [f"  {visible(self.answer, lines=True)}"]
        return "\n".join([f"attempt {self.index + 1}, {self.verdict}", *made, *answer])

    @property
    def verdict(self) -> str:
        """The verdict in words, or the way in which the attempt ended without one."""
        if self.evaluation is not None:
            return "judged correct" if self.evaluation.correct else "judged wrong"
        return "not judged" if self.ended == "answer" else f"ended by {self.ended.replace('_', ' ')}"


class Recommendation(BaseModel):
    """The one piece of guidance distilled from all attempts: the paper's S."""

    model_config = FROZEN

    recommendation: str
    """The advice, as the agent gets it."""
    rationale: str = ""
    """Reason for it."""
    attempt: int | None = None
    """Index of the attempt whose calls it repeats; None for prose."""
    raw: str = ""
    """The summarizing model's own words."""

    def __repr__(self) -> str:
        return f"<Recommendation {quoted(self.recommendation)}>"

    def __str__(self) -> str:
        """The text, for people; `recommendation` is the exact one."""
        return visible(self.recommendation, lines=True)


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
    """Its id; a journal commits each id once."""
    task: Task
    """The task that was rehearsed."""
    strategy: str
    """Name of the strategy."""
    attempts: tuple[Attempt, ...] = ()
    """The attempts, in the order of their numbers."""
    recommendation: Recommendation | None = None
    """The advice; None without a summary."""
    guidance: str | None = None
    """Guidance for the committing agent: the recommendation, or with summaries off the attempts."""
    journal: str | None = None
    """Name of the only journal that it can be committed in; None for a plan made without a session."""
    usage: dict[Role, Usage] = Field(default_factory=dict)
    """Tokens of the rehearsal, by role."""
    stopped_by: str | None = None
    """The limit that ended the rehearsal early, if any."""
    notes: tuple[str, ...] = ()
    """Notes on the rehearsal, such as attempts condensed for context."""
    withheld: Withheld | None = None
    """Secrets missing from a plan of `Session.saved`, which its commit needs."""
    follows: int | None = None
    """Index of the attempt that the plan follows; None if it follows none."""
    foreseen: tuple[ForeseenCall, ...] = ()
    """The calls of that attempt that reached its world, in their order, then those within tools' bodies."""
    tools: tuple[BoundTool, ...] = ()
    """The tools that the plan was made with; a commit with others is refused."""
    digest: str | None = None
    """SHA-256 over all that the plan binds (`plan_digest`); None for a plan that binds nothing."""
    approvals: tuple[Approval, ...] = ()
    """Approvals of this plan; not part of the digest."""
    edits: tuple[PlanEdit, ...] = ()
    """What people changed in the foreseen calls, oldest first."""
    expires: float | None = None
    """Seconds since the epoch, by the clock of the machine that commits, from which on no commit begins or
    goes on; None without an end."""

    def __repr__(self) -> str:
        attempts, calls = count(len(self.attempts), "attempt"), count(len(self.foreseen), "foreseen call")
        by = ", ".join(visible(approval.by) for approval in self.approvals)
        approved = f"approved by {by}" if by else "not approved"
        return f"<Plan {self.id[:8]} {quoted(self.task.query)}: {attempts}, {calls}, {approved}>"

    def __str__(self) -> str:
        lines = [repr(self)[1:-1], *map(repr, self.attempts)]
        if self.recommendation is not None:
            lines += ["recommendation:", str(self.recommendation)]
        lines += [f"{n}. {one}" for n, one in enumerate(self.foreseen, 1)]
        return "\n".join(lines)

    def to_html(self) -> str:
        """The plan as a page of one file, without scripts and without links to elsewhere.

        It shows the values that the plan has; `session.shown(plan).to_html()` leaves secrets out.
        """
        return _page(self)

    def _repr_html_(self) -> str:
        return _in_notebook(self)

    @property
    def followed(self) -> Attempt | None:
        """The attempt to compare the commit with: the one whose calls the recommendation repeats, else the
        last one judged correct, else the last one without an error that nobody judged."""
        if self.recommendation is not None and self.recommendation.attempt is not None:
            chosen = [a for a in self.attempts if a.index == self.recommendation.attempt]
        else:
            correct = [a for a in self.attempts if a.evaluation is not None and a.evaluation.correct]
            chosen = correct or [a for a in self.attempts if a.error is None and a.evaluation is None]
        return chosen[-1] if chosen else None

    @property
    def predicted(self) -> tuple[Step, ...]:
        """The steps of the followed attempt."""
        followed = self.followed
        return () if followed is None else followed.steps


class CommittedCall(BaseModel):
    """A real call, beside the rehearsal's prediction."""

    model_config = FROZEN

    call: ToolCall
    """The call as it was made."""
    outcome: Outcome
    """The real outcome."""
    risk: Risk
    """The tool's declared risk."""
    kind: CallKind = "unforeseen"
    predicted: Outcome | None = None
    """Predicted outcome; None unless the call is foreseen. Nothing was predicted for an edited call: it has
    that of the call before if one is a success and the other a failure."""
    expected: Outcome | None = None
    """Predicted outcome with the real identifiers in the places of those that the simulator made up; None if
    it made up none."""
    approved_by: str | None = None
    """Who approved this call by itself, during the commit."""
    edited_from: ToolCall | None = None
    """The call in whose place an approver put this one."""
    journal_id: str | None = None
    """The call's id in the journal; None if it has none."""
    nested: bool = False
    """Whether the body of another real tool made the call, not the agent."""

    @property
    def diverged(self) -> bool | None:
        """Whether the real outcome differs from the predicted one, but for made-up identifiers. None where
        nothing was predicted: the outcome is neither as predicted nor otherwise."""
        expected = self.expected or self.predicted
        return None if expected is None else not same_outcome(expected, self.outcome)

    @property
    def verdict(self) -> str:
        """The call beside the plan, in words."""
        told = {None: "", True: ", diverged", False: ", as predicted"}[self.diverged]
        return f"{self.kind if self.edited_from is None else 'edited'}{told}"

    def __repr__(self) -> str:
        return f"<CommittedCall {self}>"

    def __str__(self) -> str:
        return f"{step_line(self.call, self.outcome)}  ({self.risk}, {self.verdict})"


class NotMade(BaseModel):
    """A call that was requested in a commit and not made."""

    model_config = FROZEN

    call: ToolCall
    """The call that was requested."""
    risk: Risk
    """The tool's declared risk."""
    kind: CallKind
    reason: str
    """Reason, and who decided."""
    nested: bool = False
    """Whether the body of another real tool requested it, not the agent."""


class Result(BaseModel):
    """The result of `Session.commit` and `Session.run`."""

    model_config = FROZEN

    plan: Plan
    """The plan that was committed."""
    answer: str | None
    """The last words of the agent; None if it gave none."""
    calls: tuple[CommittedCall, ...] = ()
    """The real calls, oldest first."""
    messages: tuple[Message, ...] = ()
    """The agent's messages and the outcomes that it saw, after the query."""
    usage: dict[Role, Usage] = Field(default_factory=dict)
    """Usage by role, rehearsal and commit together."""
    ended: Ending = "answer"
    """The way in which the commit ended."""
    error: str | None = None
    """Reason why the model gave no answer."""
    notes: tuple[str, ...] = ()
    """Notes on the commit, such as a limit that it exceeded."""
    mode: CommitMode = "guided"
    """How the plan was committed."""
    not_made: tuple[NotMade, ...] = ()
    """Requested calls that were not made: stopped, rejected, or replaced by an edited call."""
    missed: tuple[ForeseenCall, ...] = ()
    """Foreseen calls that may change something and were not made."""

    def __repr__(self) -> str:
        counts = [count(len(self.calls), "call")]
        counts += [f"{len(self.unforeseen)} unforeseen"] if self.unforeseen else []
        counts += [f"{len(self.divergences)} diverged"] if self.divergences else []
        counts += [f"{len(self.missed)} missed"] if self.missed else []
        answer = "no answer" if self.answer is None else quoted(self.answer)
        return f"<Result of plan {self.plan.id[:8]}: {', '.join(counts)}; {answer}>"

    def __str__(self) -> str:
        lines = [repr(self)[1:-1], *(f"{n}. {call}" for n, call in enumerate(self.calls, 1))]
        lines += [f"not made: {call_line(one.call)}: {visible(one.reason)}" for one in self.not_made]
        lines += [f"missed: {call_line(one.call)}" for one in self.missed]
        return "\n".join([*lines, *(f"note: {visible(note)}" for note in self.notes)])

    def to_html(self) -> str:
        """The result as a page of one file, predicted beside real; see `Plan.to_html`."""
        return _page(self)

    def _repr_html_(self) -> str:
        return _in_notebook(self)

    @property
    def divergences(self) -> tuple[CommittedCall, ...]:
        """Calls whose real outcome differs from the predicted one."""
        return tuple(call for call in self.calls if call.diverged)

    @property
    def unforeseen(self) -> tuple[CommittedCall, ...]:
        """Calls that may have changed something and that the plan does not foresee, or not with these
        arguments."""
        return tuple(c for c in self.calls if c.kind != "foreseen" and c.risk is not Risk.READ_ONLY)


def _page(shown: Plan | Result) -> str:
    page: str = import_module(_VIEW).page(shown)
    return page


def _in_notebook(shown: Plan | Result) -> str:
    cell: str = import_module(_VIEW).notebook_cell(shown)
    return cell
