"""The calls of a plan and of its commit as rows, for the terminal and for pages."""

from __future__ import annotations

import json
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Literal

from pydantic import JsonValue

from artis_sdk.records import (
    Attempt,
    CommittedCall,
    ForeseenCall,
    JsonPath,
    Outcome,
    Plan,
    Result,
    Risk,
    ToolCall,
    plan_digest,
)
from artis_sdk.records.brief import call_text, count
from artis_sdk.records.places import path_text
from artis_sdk.records.same_call import canonical
from artis_sdk.records.state_change import Absent

Status = Literal[
    "foreseen", "as predicted", "edited", "diverged", "changed", "unforeseen", "not made", "missed"
]
ODD: frozenset[Status] = frozenset({"diverged", "changed", "unforeseen", "not made", "missed"})
"""What a person must look at after a commit."""


@dataclass(frozen=True)
class CallRow:
    """A call of a plan, of its commit, or of both."""

    call: ToolCall
    risk: Risk
    status: Status
    predicted: Outcome | None
    real: Outcome | None = None
    agreed: int = 0
    """Number of attempts that made the call, of `attempts`."""
    attempts: int = 0
    nested: bool = False
    notes: tuple[str, ...] = ()
    """Arguments that the commit fills in, predicted identifiers that the simulator made up, and the call that
    this one was before somebody edited it."""
    instead: ToolCall | None = None
    """The call that was approved in the place of a changed one, if it was not made."""
    reason: str = ""
    """Reason why the call was not made."""

    @property
    def odd(self) -> bool:
        return self.status in ODD

    @property
    def fails(self) -> bool:
        outcome = self.real or self.predicted
        return outcome is not None and not outcome.ok


@dataclass(frozen=True)
class SharedCall:
    """A call that at least one attempt made, and what came back."""

    call: ToolCall
    outcomes: tuple[tuple[Outcome, tuple[int, ...]], ...]
    """Different outcomes, each with the indices of the attempts that saw it, from 0."""

    @property
    def made(self) -> int:
        """Number of attempts that made the call."""
        return sum(len(attempts) for _, attempts in self.outcomes)


def plan_rows(plan: Plan) -> list[CallRow]:
    """The calls to be approved; of a plan that binds nothing, those of the attempt that it would follow."""
    if plan.digest is not None:
        return [_foreseen(one, "foreseen" if one.edited_from is None else "edited") for one in plan.foreseen]
    risks = {spec.name: spec.risk for spec in plan.task.tools}
    return [
        CallRow(step.call, risks.get(step.call.tool, Risk.IRREVERSIBLE), "foreseen", step.outcome)
        for step in plan.predicted
    ]


def result_rows(result: Result) -> list[CallRow]:
    """Real calls in their order, each beside its prediction; then the requested or foreseen ones that were
    not made."""
    approved: dict[str, list[ForeseenCall]] = defaultdict(list)
    for call in result.missed:
        approved[call.call.tool].append(call)
    made = [_committed(call, approved) for call in result.calls]
    refused = [
        CallRow(n.call, n.risk, "not made", None, nested=n.nested, reason=n.reason) for n in result.not_made
    ]
    return made + refused + [_foreseen(call, "missed") for call in result.missed]


def _committed(c: CommittedCall, approved: Mapping[str, list[ForeseenCall]]) -> CallRow:
    same = approved.get(c.call.tool) if c.kind == "changed" else None
    instead = same.pop(0).call if same else None
    predicted = c.expected or c.predicted
    notes = () if c.edited_from is None else (_edited(c.edited_from, c.approved_by),)
    return CallRow(
        c.call, c.risk, _status(c), predicted, c.outcome, nested=c.nested, instead=instead, notes=notes
    )


def _foreseen(f: ForeseenCall, status: Status) -> CallRow:
    filled = tuple(
        f"{_path(one.argument)} is {'made with ' if one.part else ''}the real {_path(one.outcome)} of call "
        f"{one.call + 1}"
        for one in f.references
    )
    made_up = tuple(f"{_path(place)} is made up, the real one differs" for place in f.made_up)
    notes = (*filled, *made_up) if f.edited_from is None else (_edited(f.edited_from, None), *filled)
    return CallRow(f.call, f.risk, status, f.prediction, None, f.agreed, f.attempts, f.nested, notes)


def _edited(before: ToolCall, by: str | None) -> str:
    return f"edited{f' by {by}' if by else ''}, it was {call_text(before)}"


def _path(path: JsonPath) -> str:
    return ".".join(map(str, path)) or "value"


def _status(made: CommittedCall) -> Status:
    if made.kind != "foreseen":
        return made.kind
    if made.edited_from is not None and not made.diverged:
        return "edited"
    return "diverged" if made.diverged else "as predicted"


def shared_calls(attempts: tuple[Attempt, ...]) -> list[SharedCall]:
    """What the attempts agree on: each call with its first outcome in each, those that most made first."""
    calls: dict[str, ToolCall] = {}
    seen: dict[str, dict[str, tuple[Outcome, list[int]]]] = {}
    for attempt in attempts:
        made: set[str] = set()
        for step in (*attempt.steps, *attempt.nested):
            key = canonical([step.call.tool, step.call.arguments])
            if key in made:
                continue
            made.add(key)
            calls.setdefault(key, step.call)
            what = canonical([step.outcome.type, step.outcome.content()])
            seen.setdefault(key, {}).setdefault(what, (step.outcome, []))[1].append(attempt.index)
    found = [
        SharedCall(call, tuple((outcome, tuple(where)) for outcome, where in seen[key].values()))
        for key, call in calls.items()
    ]
    return sorted(found, key=lambda shared: -shared.made)


@dataclass(frozen=True)
class ChangedPlace:
    """A place in the state of an attempt's world that the attempt changed."""

    place: str
    before: JsonValue | Absent
    after: JsonValue | Absent


def changed_places(attempt: Attempt) -> list[ChangedPlace] | None:
    """What an attempt changed in its world; None if no state was kept."""
    if attempt.change is None:
        return None
    return [ChangedPlace(path_text(path), before, after) for path, before, after in attempt.change.places()]


def part_text(part: JsonValue | Absent) -> str:
    """A value of the state as JSON, or a word for none."""
    return "(not there)" if isinstance(part, Absent) else json.dumps(part, ensure_ascii=False)


def verdicts(plan: Plan) -> str:
    """How many attempts were judged correct."""
    judged = [attempt.evaluation for attempt in plan.attempts if attempt.evaluation is not None]
    return f"{sum(one.correct for one in judged)} judged correct" if judged else "not judged"


def edit_lines(plan: Plan) -> list[str]:
    """Who edited the plan, and what they took out."""
    return [
        f"{edit.by} edited {count(len(edit.gone) - len(edit.removed), 'call')}"
        + ("" if not edit.removed else f" and removed {', '.join(map(call_text, edit.removed))}")
        for edit in plan.edits
    ]


def risk_counts(rows: list[CallRow]) -> dict[Risk, int]:
    """Number of calls of each risk, the strictest first."""
    counts = Counter(row.risk for row in rows)
    return {risk: counts[risk] for risk in reversed(Risk) if counts[risk]}


def date_of(seconds: float, zone: tzinfo | None = UTC) -> datetime | None:
    """A moment in a time zone, by default UTC, None for this machine's; None for one that no date says, as in
    a file that somebody has written."""
    try:
        return datetime.fromtimestamp(seconds, zone)
    except (ValueError, OverflowError, OSError):
        return None


def unrehearsed(plan: Plan) -> bool:
    """Whether every attempt ended early: the plan knows of nothing that was tried.

    One whose calls were judged right counts, though its last words were cut; one that called nothing and said
    nothing does not, whatever the judge says.
    """
    followed = plan.followed
    return (
        bool(plan.attempts)
        and (followed is None or not (followed.steps or followed.nested))
        and all(attempt.error is not None for attempt in plan.attempts)
    )


def problems(plan: Plan) -> Iterator[str]:
    """What a person must know before they read on: a plan of which nothing was rehearsed, that was changed or
    has ended, approvals of another one."""
    if unrehearsed(plan):
        yield f"Nothing was rehearsed: every attempt ended early, the first with: {plan.attempts[0].error}"
    if plan.digest is None:
        yield "The plan binds nothing: it was made without a session or by an earlier version."
        return
    if plan_digest(plan) != plan.digest:
        yield "The plan was changed since it was made: its digest does not fit. A commit refuses it."
    if plan.expires is not None and not plan.expires > time.time():
        yield "The plan holds no longer. A commit refuses it; rehearse again."
    for approval in plan.approvals:
        if approval.digest != plan.digest:
            yield f"The approval by {approval.by} is of another plan."
