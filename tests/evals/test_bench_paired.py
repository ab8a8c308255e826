"""Two cells on the same tasks."""

from __future__ import annotations

import pytest

from artis_sdk.evals.bench.cells import BenchCell
from artis_sdk.evals.bench.page import bench_page
from artis_sdk.evals.bench.paired import Pair, paired_table, pairs
from artis_sdk.evals.bench.rows import TaskRow

DIRECT, REHEARSED = BenchCell(method="direct", n=0), BenchCell(method="sequential", simulator="sandbox", n=3)


def row(cell: BenchCell, task: str, *, fulfilled: bool) -> TaskRow:
    return TaskRow(
        cell=cell,
        task=task,
        fulfilled=fulfilled,
        family="",
        hidden=False,
        usage={},
        calls=0,
        diverged=0,
        seconds=0.0,
    )


def pair(gained: int, lost: int) -> Pair:
    return Pair(REHEARSED, DIRECT, both=5, gained=gained, lost=lost, neither=5)


def test_only_tasks_of_both_count() -> None:
    rows = [row(DIRECT, task, fulfilled=task in "ab") for task in "abcd"]
    rows += [row(REHEARSED, task, fulfilled=task in "bce") for task in "abce"]
    assert pairs(rows, DIRECT) == [Pair(REHEARSED, DIRECT, both=1, gained=1, lost=1, neither=0)]
    assert "+0 of 3" in paired_table(pairs(rows, DIRECT))


def test_the_p_value_is_that_of_the_exact_test() -> None:
    """As `scipy.stats.binomtest(1, 9).pvalue` and its like give it."""
    assert pair(8, 1).p == pytest.approx(0.0390625)
    assert pair(0, 0).p == 1.0
    assert pair(3, 3).p == 1.0
    assert pair(10, 0).p == pytest.approx(2 / 2**10)


def test_without_the_other_cell_there_is_no_table() -> None:
    assert paired_table(pairs([row(REHEARSED, "a", fulfilled=True)], DIRECT)) != ""
    assert paired_table([]) == ""


def test_the_page_tells_where_they_differ_and_data_makes_no_element() -> None:
    hostile = "<script>alert(1)</script>"
    won = row(REHEARSED, "t1", fulfilled=True).model_copy(
        update={"query": hostile, "made": (f"pay() → {hostile}",)}
    )
    lost = row(DIRECT, "t1", fulfilled=False).model_copy(update={"problem": f"the books differ {hostile}"})
    same = [row(cell, "t2", fulfilled=True) for cell in (DIRECT, REHEARSED)]
    page = bench_page([lost, won, *same], "lamps, today", DIRECT)
    assert "<script" not in page
    assert page.count("<details>") == 1
    assert "the books differ" in page
    assert "<svg" in page
