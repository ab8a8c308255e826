"""A plan and a result on the terminal: what a person decides on, and what was done."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from rich.console import RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from artis_sdk.records import Plan, Result, Risk
from artis_sdk.records.brief import call_text, count, outcome_line
from artis_sdk.view.plan_rows import (
    CallRow,
    changed_places,
    date_of,
    edit_lines,
    part_text,
    plan_rows,
    problems,
    result_rows,
    risk_counts,
    verdicts,
)
from artis_sdk.view.text import plain
from artis_sdk.visible import visible

RISK_STYLES = {Risk.IRREVERSIBLE: "bold red", Risk.REVERSIBLE: "yellow", Risk.READ_ONLY: "dim"}
_PLACES = 20  # places of the state that differ, before the rest is counted
_UNCHANGED = "nothing that its objects and forks show"
_LONG = 4_000  # characters of a call or an outcome; a page has the whole


def plan_view(plan: Plan) -> Iterator[RenderableType]:
    """Task, recommendation, notes and problems, the calls with risk and predicted outcome."""
    yield _framed("task", plan.task.query)
    yield plain(("attempts: ", "dim"), _attempts(plan))
    if plan.recommendation is not None:
        yield _framed("recommendation", plan.recommendation.recommendation, "cyan")
    for note in plan.notes:
        yield plain(("note: ", "yellow"), note)
    yield _calls("If it goes as rehearsed", plan_rows(plan))
    for line in edit_lines(plan):
        yield plain(("edited: ", "yellow"), line)
    yield from _changes(plan)
    yield from _approvals(plan)
    if plan.expires is not None:
        yield plain(("holds until: ", "dim"), _time(plan.expires))
    for problem in problems(plan):
        yield plain(("! ", "bold red"), problem)


def result_view(result: Result) -> Iterator[RenderableType]:
    """Task, the real calls beside their predictions, answer and notes."""
    yield _framed("task", result.plan.task.query)
    yield _calls(f"As it went ({result.mode})", result_rows(result), real=True)
    if result.answer:
        yield _framed("answer", result.answer)
    for note in (*result.plan.notes, *result.notes):
        yield plain(("note: ", "yellow"), note)


def _framed(title: str, text: str, style: str = "none") -> Panel:
    """A text of several lines. None of them can be taken for a line of ours, such as a question."""
    return Panel(plain(text, lines=True), title=plain(title), title_align="left", border_style=style)


def _attempts(plan: Plan) -> str:
    said = f"{len(plan.attempts)} ({plan.strategy}), {verdicts(plan)}"
    return said if plan.stopped_by is None else f"{said}; ended early by the limit on {plan.stopped_by}"


def _calls(title: str, rows: list[CallRow], *, real: bool = False) -> Table:
    statuses = Counter(row.status for row in rows if row.odd)
    told = [f"{number} {risk.value}" for risk, number in risk_counts(rows).items()]
    counts = ", ".join([*told, *(f"{number} {status}" for status, number in statuses.items())])
    heads = ("#", "call", "risk", "predicted outcome", "real outcome" if real else "attempts")
    table = Table(*heads, title=plain(title), caption=plain(f"{count(len(rows), 'call')}: {counts}"))
    if not rows:
        table.caption = plain("no calls")
    for number, row in enumerate(rows, 1):
        last = _real(row) if real else plain(f"{row.agreed} of {row.attempts}" if row.attempts else "")
        predicted = plain(_cut(_predicted(row)))
        risk = plain(row.risk.value, style=RISK_STYLES[row.risk])
        table.add_row(plain(str(number)), _call(row), risk, predicted, last)
    return table


def _predicted(row: CallRow) -> str:
    if row.instead is not None:
        return f"approved was {call_text(row.instead)}"
    return "nothing" if row.predicted is None else outcome_line(row.predicted)


def _call(row: CallRow) -> Text:
    within = (" (within another tool)", "dim") if row.nested else ""
    notes = [(f"\n{visible(note)}", "dim") for note in row.notes]
    return plain(visible(_cut(call_text(row.call))), within, *notes, lines=True)


def _real(row: CallRow) -> Text:
    style = "bold red" if row.odd else "green"
    told = row.reason if row.real is None else outcome_line(row.real)
    said = f"\n{visible(_cut(told))}" if told else ""
    return plain((f"{'! ' if row.odd else ''}{row.status}", style), said, lines=True)


def _approvals(plan: Plan) -> Iterator[RenderableType]:
    for approval in plan.approvals:
        until = "" if approval.expires is None else f", until {_time(approval.expires)}"
        yield plain(("approved: ", "dim"), f"by {approval.by}, {_time(approval.at)}{until}")


def _changes(plan: Plan) -> Iterator[RenderableType]:
    """What the followed attempt changed in its world."""
    attempt = next((one for one in plan.attempts if one.index == plan.follows), None)
    if attempt is None:
        return
    places = changed_places(attempt)
    title = f"What attempt {attempt.index + 1} changed"
    if not places:
        yield plain((f"{title}: ", "dim"), "no state kept" if places is None else _UNCHANGED)
        return
    table = Table("place", "before", "after", title=plain(title))
    for one in places[:_PLACES]:
        table.add_row(plain(one.place), plain(_cut(part_text(one.before))), plain(_cut(part_text(one.after))))
    assert attempt.change is not None
    more = len(places[_PLACES:]) + attempt.change.left_out
    if more:
        table.caption = plain(f"and {count(more, 'more place')}: artis plan show FILE --open")
    yield table


def _time(seconds: float) -> str:
    at = date_of(seconds, None)
    return f"{seconds:g} seconds after 1970" if at is None else at.isoformat(" ", "minutes")


def _cut(text: str) -> str:
    """The text, or of a very long one both ends and the length of what is left out."""
    if len(text) <= _LONG:
        return text
    left_out = f" … {len(text) - _LONG:,} characters: artis plan show FILE --html PAGE has them … "
    return text[: _LONG // 2] + left_out + text[-_LONG // 2 :]
