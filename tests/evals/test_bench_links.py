"""The links of the loop: cases that the oracle labels, and what a known model makes of them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from artis_sdk.backends import ScriptedBackend
from artis_sdk.errors import BackendClosed
from artis_sdk.evals.bench.links import Case, LinkRow, Links, cases, measure_links, read_rows
from artis_sdk.evals.bench.links_report import link_lines, link_table
from artis_sdk.pocket.oracle import Oracle, fulfilled
from artis_sdk.pocket.task import PlannedCall
from artis_sdk.prompts import Prompts, Style
from artis_sdk.records import Attempt, Request, ToolCall

CALL = re.compile(r"(\w+)\((.*)\)$")


def ours(style: Style) -> Prompts:
    return Prompts(style=style)


def books_fulfil(case: Case, attempt: Attempt) -> bool:
    oracle = Oracle()
    calls = [PlannedCall(step.call.tool, step.call.arguments) for step in attempt.steps]
    return fulfilled(case.task, oracle.play(case.task.bank, calls).bank, oracle)


def test_cases_are_what_their_labels_say() -> None:
    found = list(cases(30))
    assert [case.task.id for case in found] == [case.task.id for case in cases(30)]
    for case in found:
        assert books_fulfil(case, case.right)
        assert case.right.evaluation is not None
        assert case.right.evaluation.correct
        if case.refused is not None:
            assert not case.refused.steps[-1].outcome.ok
        if case.silent is not None:
            assert all(step.outcome.ok for step in case.silent.steps)
            assert not books_fulfil(case, case.silent)
        assert case.wrong.evaluation is not None
        assert not case.wrong.evaluation.correct
    assert sum(case.refused is not None for case in found) > 10
    assert sum(case.silent is not None for case in found) > 20


def follower(request: Request) -> Any:
    """Makes the calls of the advice one by one, and nothing without; judges everything right."""
    wanted = json.dumps(request.schema or {})
    if "correct" in wanted:
        return '{"correct": true}'
    if "attempt" in wanted:
        return '{"attempt": 1, "note": ""}'
    if "recommendation" in wanted:
        return '{"recommendation": "Take care.", "rationale": ""}'
    text = request.messages[1].content
    advised = re.search(r"<Recommendation>(.*)</Recommendation>", text)
    lines = json.loads(advised[1]).splitlines() if advised else []
    calls = [match for line in lines if (match := CALL.match(line.partition(". ")[2]))]
    made = sum(message.role == "tool" for message in request.messages)
    if made == len(calls):
        return "done"
    arguments = dict(re.findall(r'(\w+)=("[^"]*"|\d+)', calls[made][2]))
    return ToolCall(tool=calls[made][1], arguments={k: json.loads(v) for k, v in arguments.items()})


async def test_each_link_is_measured_by_itself_and_rows_are_kept(tmp_path: Path) -> None:
    path, wanted = tmp_path / "rows.jsonl", list(cases(4))
    backend = ScriptedBackend(follower)
    await measure_links(Links(backend, ours, attempts=2), wanted, path)
    lines = {line.name: (line.hits, line.share.n) for line in link_lines(read_rows(path))}
    assert lines["agent: pass@N"] == (0, 4)
    assert lines["judge: right attempts judged right"] == (4, 4)
    assert lines["judge: silent failures judged right"] == (4, 4)
    assert lines["commit without advice: fulfilled"] == (0, 4)
    assert lines["right attempt known, the model's summary: fulfilled"] == (0, 4)
    assert lines["right attempt known, its calls verbatim: fulfilled"] == (4, 4)
    assert lines["right attempt known, replayed: fulfilled"] == (4, 4)
    assert lines["right without advice, broken by calls verbatim"] == (0, 0)
    asked = len(backend.requests)
    await measure_links(Links(backend, ours, attempts=2), wanted, path)
    assert len(backend.requests) == asked, "rows in the file are not run again"
    assert "| agent: pass@1 | 0 of 4 |" in link_table(link_lines(read_rows(path)))


async def test_an_unreadable_verdict_is_a_row_and_a_dead_engine_ends_the_run(tmp_path: Path) -> None:
    path, (case,) = tmp_path / "rows.jsonl", cases(1)
    await measure_links(Links(ScriptedBackend(lambda request: "Well."), ours), [case], path)
    rows = {row.link: row for row in read_rows(path)}
    assert rows["judge right"].right == (False,)
    assert "no readable verdict" in (rows["judge right"].error or "")
    closed = ScriptedBackend(lambda request: BackendClosed("scripted", "closed"))
    with pytest.raises(BackendClosed):
        await measure_links(Links(closed, ours), [case], tmp_path / "other.jsonl")


def test_advice_that_broke_a_task_is_counted() -> None:
    rows = [
        LinkRow(task=task, link=link, right=(right,))  # type: ignore[arg-type]
        for task, link, right in (
            ("a", "direct", True), ("a", "verbatim", False), ("b", "direct", True), ("b", "verbatim", True),
            ("c", "direct", False), ("c", "verbatim", False), ("d", "verbatim", False),
        )
    ]  # fmt: skip
    (line,) = [line for line in link_lines(rows) if line.name.endswith("broken by calls verbatim")]
    assert (line.hits, line.share.n) == (1, 2)
