"""The live view of a run: data is text in it, and it ends in what was rehearsed."""

from __future__ import annotations

import io
import re

import pytest
from helpers.hostile import SAMPLES, texts
from helpers.plans import a_plan, a_result, approved, pay
from hypothesis import given, settings
from rich.panel import Panel

from artis_sdk.records import Attempt, Ending, Evaluation, Outcome, Plan, Provenance, Role, Usage
from artis_sdk.records import events as kinds
from artis_sdk.records.brief import call_text
from artis_sdk.view.live import LiveView, outcome_text
from artis_sdk.view.screen import Screen
from artis_sdk.visible import visible

OURS = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")  # colours, and the cursor, which the live view moves


def events(plan: Plan, text: str = "Paid.") -> list[kinds.Event]:
    """The events of this plan's rehearsal and commit."""
    found: list[kinds.Event] = [kinds.RehearsalStarted(task=plan.task, strategy=plan.strategy)]
    for attempt in plan.attempts:
        found.append(kinds.AttemptStarted(attempt=attempt.index))
        found += [
            kinds.CallSimulated(attempt=attempt.index, call=s.call, outcome=s.outcome) for s in attempt.steps
        ]
        found.append(kinds.AttemptFinished(attempt=attempt))
        if attempt.evaluation is not None:
            found.append(kinds.AttemptEvaluated(attempt=attempt.index, evaluation=attempt.evaluation))
    found.append(kinds.AttemptFinished(attempt=Attempt(index=len(plan.attempts), ended="error", error=text)))
    found.append(kinds.LimitHit(limit=text, used=1, allowed=1))
    if plan.recommendation is not None:
        found.append(kinds.Recommended(recommendation=plan.recommendation))
    found += [kinds.RehearsalFinished(plan=plan), kinds.CommitStarted(plan=plan.id)]
    return [*found, *(kinds.CallCommitted(committed=call) for call in a_result(plan, text).calls)]


def shown(plan: Plan, text: str = "Paid.", *, terminal: bool) -> str:
    screen = Screen(file=io.StringIO(), width=400, height=100, force_terminal=terminal)
    with LiveView(screen) as view:
        for event in events(plan, text):
            view.on_event(event)
    assert isinstance(screen.file, io.StringIO)
    return screen.file.getvalue()


def test_a_rehearsal_ends_in_a_line_about_its_plan() -> None:
    plan = approved(a_plan(pay(1), value={"ok": True}))
    for terminal in (True, False):
        assert repr(plan)[1:-1] in OURS.sub("", shown(plan, terminal=terminal))


def test_a_verdict_without_an_explanation_ends_without_a_colon() -> None:
    screen = Screen(file=io.StringIO(), width=100)
    view = LiveView(screen)
    view.on_event(kinds.AttemptStarted(attempt=0))
    for why in ("", "it paid eve"):
        verdict = Evaluation(correct=False, explanation=why)
        view.on_event(kinds.AttemptEvaluated(attempt=0, evaluation=verdict))
    assert isinstance(screen.file, io.StringIO)
    assert screen.file.getvalue().splitlines() == [
        "attempt 1: judged wrong",
        "attempt 1: judged wrong: it paid eve",
    ]


def test_the_last_line_says_phase_time_and_what_is_waited_for() -> None:
    plan = a_plan(pay(1), value={"ok": True})
    screen = Screen(file=io.StringIO(), width=400, force_terminal=True)
    view = LiveView(screen)
    said: list[str] = []
    asked = kinds.ModelAnswered(role=Role.ACTION, backend="b", usage=Usage(), attempt=0)
    begun = events(plan)[:2]
    for event in (*begun, asked, *events(plan)[2:], kinds.CommitFinished(result=a_result(plan, "Paid."))):
        view.on_event(event)
        with screen.capture() as last:
            screen.print(view.render())
        line = OURS.sub("", last.get()).splitlines()[-1].strip()
        if not said or said[-1] != line:
            said.append(line)
    first = ["waiting for the judge or the summary", "waiting for the agent (attempt 1)"]
    first += ["waiting for the simulator (attempt 1)"]
    assert said[:3] == [f"rehearsing, 0:00, {what}" for what in first]
    last_lines = ["rehearsed, 0:00", "committing, for real, 0:00, waiting for the agent and its tools"]
    assert said[-3:] == [*last_lines, "committed, 0:00"]


def _printed(*shown: kinds.Event, terminal: bool = False) -> list[str]:
    """The lines of a view after these events: of a terminal the last drawing, else all that was printed."""
    screen = Screen(file=io.StringIO(), width=100, height=40, force_terminal=terminal)
    view = LiveView(screen)
    for event in shown:
        view.on_event(event)
    if terminal:
        screen.file = io.StringIO()
        screen.print(view.render())
    assert isinstance(screen.file, io.StringIO)
    return [line.rstrip() for line in OURS.sub("", screen.file.getvalue()).splitlines()]


def _begun_and_ended() -> list[tuple[kinds.CallBegun, kinds.CallCommitted]]:
    made = a_result(a_plan(pay(1), pay(2), pay(3), value={"ok": True}), "Paid.").calls[2:4]
    named = [call.model_copy(update={"journal_id": f"p:{n}"}) for n, call in enumerate(made)]
    return [
        (
            kinds.CallBegun(call=call.call, risk=call.risk, journal_id=call.journal_id or ""),
            kinds.CallCommitted(committed=call),
        )
        for call in named
    ]


@pytest.mark.parametrize("terminal", [True, False])
def test_a_real_call_is_shown_from_when_it_begins(terminal: bool) -> None:
    (begun, ended), *_ = _begun_and_ended()
    line = f"{call_text(begun.call)}   ({begun.risk})"
    before = _printed(begun, terminal=terminal)
    after = _printed(begun, ended, terminal=terminal)
    assert line in before
    assert not any("→" in text for text in before)
    assert after.count(line) == 1
    assert after[after.index(line) + 1].strip().startswith("→")


@pytest.mark.parametrize("terminal", [True, False])
def test_outcomes_of_calls_at_the_same_time_stand_below_their_calls(terminal: bool) -> None:
    (one, first), (two, second) = _begun_and_ended()
    lines = _printed(one, two, second, first, terminal=terminal)
    for begun in (one, two):
        last = max(n for n, line in enumerate(lines) if line.startswith(call_text(begun.call)))
        assert lines[last + 1].strip().startswith("→")


def test_a_commit_that_was_stopped_is_not_called_committed() -> None:
    plan = a_plan(pay(1), value={"ok": True})
    endings: dict[Ending, str] = {"stopped": "stopped", "cut": "ended without an answer"}
    for ended, said in endings.items():
        result = a_result(plan, "Paid.").model_copy(update={"ended": ended, "answer": None})
        last = _printed(*events(plan), kinds.CommitFinished(result=result), terminal=True)[-1]
        assert last == f"{said}, 0:00"


@settings(max_examples=25)
@given(texts())
def test_hostile_events_are_text(text: str) -> None:
    plan = a_plan((text, {text: text}), query=text, advice=text, text=text, value=text)
    for terminal in (True, False):
        found = shown(plan, text, terminal=terminal)
        assert all(char.isprintable() or char in "\n\r" for char in OURS.sub("", found))
        assert "\x1b]" not in found


def test_each_sample_stands_in_the_lines_of_a_view_that_is_no_terminal() -> None:
    for sample in SAMPLES:
        plan = a_plan(("send", {"to": sample}), query=sample, value=sample)
        first = shown(plan, sample, terminal=False).splitlines()[0]
        assert first.rstrip() == f"task: {visible(sample)}  [hybrid]".rstrip()


def test_an_outcome_is_cut_within_a_frame_and_whole_alone() -> None:
    long = outcome_text(Outcome.success("x" * 500, Provenance.REAL))
    for part, found in ((Panel(long), False), (long, True)):
        screen = Screen(file=io.StringIO(), width=80)
        screen.print(part)
        assert isinstance(screen.file, io.StringIO)
        printed = screen.file.getvalue()
        assert (printed.count("x") == 500, "…" in printed) == (found, not found)
