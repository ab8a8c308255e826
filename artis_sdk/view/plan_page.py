"""A plan, or the result of its commit, as a page."""

from __future__ import annotations

import json
from pathlib import Path

from markupsafe import Markup
from pydantic import JsonValue

from artis_sdk.records import Outcome, Plan, Result
from artis_sdk.records.brief import call_text
from artis_sdk.records.state_change import Absent
from artis_sdk.view.page import page_template
from artis_sdk.view.plan_rows import (
    changed_places,
    date_of,
    edit_lines,
    plan_rows,
    problems,
    result_rows,
    risk_counts,
    shared_calls,
    verdicts,
)
from artis_sdk.visible import escaped

_TEMPLATE = Path(__file__).parent / "templates" / "plan.html.j2"
_SHOWN = 12
"""Calls of one attempt, and rows of the comparison, before the rest is folded."""
_LONG = 240
"""Characters of a value before it is folded."""
_PROSE = 4_000
"""Characters of a text before it is folded."""


def page(shown: Plan | Result, template: Path = _TEMPLATE, **more: object) -> str:
    """A plan or a result as one file, without scripts and without links to elsewhere.

    Args:
        shown: the plan or the result.
        template: file of a template, by default `plan.html.j2`; another one extends it.
        more: what the blocks of that template show.
    """
    result = shown if isinstance(shown, Result) else None
    plan = result.plan if result is not None else shown
    assert isinstance(plan, Plan)
    rows = plan_rows(plan) if result is None else result_rows(result)
    made = page_template(
        template, compact=compact, pretty=pretty, said=said, time=utc_time, call_text=call_text
    )
    return made.render(
        plan=plan,
        result=result,
        rows=rows,
        risks=risk_counts(rows),
        verdicts=verdicts(plan),
        shared=shared_calls(plan.attempts),
        problems=list(problems(plan)),
        edits=edit_lines(plan),
        changes={attempt.index: changed_places(attempt) for attempt in plan.attempts},
        is_there=lambda part: not isinstance(part, Absent),
        SHOWN=_SHOWN,
        LONG=_LONG,
        PROSE=_PROSE,
        **more,
    )


def notebook_cell(shown: Plan | Result) -> str:
    """The page in a frame of its own, in which no script runs, so that it leaves the notebook as it is."""
    frame = '<iframe srcdoc="{}" sandbox style="width: 100%; height: 40rem; border: 0"></iframe>'
    return Markup(frame).format(page(shown))


def compact(value: JsonValue) -> str:
    """JSON in one line."""
    return escaped(json.dumps(value, ensure_ascii=False), as_json=True)


def pretty(value: JsonValue) -> str:
    """JSON with a line for each item."""
    return escaped(json.dumps(value, ensure_ascii=False, indent=2), "\n", as_json=True)


def said(outcome: Outcome) -> JsonValue:
    """What an outcome says: its value, or the message of its failure."""
    return outcome.value if outcome.ok else (outcome.message or outcome.content())


def utc_time(seconds: float) -> str:
    """`2026-01-31 12:00 UTC`."""
    at = date_of(seconds)
    return f"{seconds:g} seconds after 1970" if at is None else at.strftime("%Y-%m-%d %H:%M UTC")
