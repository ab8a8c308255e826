"""The held-out rows by which a run is judged: drawn from all of the log, by tool and type of outcome."""

from __future__ import annotations

from collections import Counter
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.engine
pytest.importorskip("torch")

from helpers.tiny_model import Shape, hf_model  # noqa: E402
from helpers.train import bank_log  # noqa: E402

from artis_sdk.records.outcome_type import SUCCESS  # noqa: E402
from artis_sdk.trainers.simulator.exam import Stratum, draw_exam, seats, strata  # noqa: E402
from artis_sdk.trainers.simulator.judge import validation_cases  # noqa: E402

SMALL = Shape(hidden=32, intermediate=64, layers=1, heads=2, kv_heads=1, head_dim=16)
TOOLS = ("get_account", "withdraw", "place_hold")


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Tokens of a log whose tools come one after the other: 120 calls of each, the newest tool last."""
    from datasets import Dataset
    from transformers import AutoTokenizer

    from artis_sdk.trainers.dataset.training_rows import RowMaker
    from artis_sdk.trainers.simulator.model import ChatEncoder
    from artis_sdk.trainers.simulator.tokens import write_tokens

    base = str(hf_model(SMALL))
    path: Path = tmp_path_factory.mktemp("tokens") / "rows.arrow"
    records = chain.from_iterable(
        bank_log(30, seed=n, failures=0.3, only=frozenset({tool})) for n, tool in enumerate(TOOLS)
    )
    encoder = ChatEncoder(AutoTokenizer.from_pretrained(base), base)
    write_tokens(
        records, ([1] for _ in range(360)), path, encoder=encoder, maker=RowMaker(), max_length=100_000
    )
    return Dataset.from_file(str(path))


def test_a_tool_that_came_later_is_asked_about_too(rows: Any) -> None:
    there = Counter(strata(rows))
    cases = validation_cases(rows, 40, seed=0)
    asked = Counter(Stratum(case.call.tool, case.type) for case in cases)
    assert set(asked) == set(there)  # fewer strata than rows to ask: none is left out
    assert sum(asked.values()) == 40
    assert sum(count for (_, type_), count in asked.items() if type_ != SUCCESS) == 20
    for tool in TOOLS:  # a third each of the successes, up to the rounding of one seat
        passed = {stratum: n for stratum, n in there.items() if stratum.type == SUCCESS}
        share = 20 * passed[Stratum(tool, SUCCESS)] / sum(passed.values())
        assert abs(asked[Stratum(tool, SUCCESS)] - share) <= 1


def test_the_draw_depends_on_the_seed_and_not_on_the_age_of_rows(rows: Any) -> None:
    def asked(seed: int) -> list[str]:
        return [case.call.id for case in validation_cases(rows, 40, seed=seed)]

    assert asked(1) == asked(1) != asked(2)
    found = draw_exam([Stratum("t", SUCCESS)] * 1000, 100, seed=0)
    assert len(set(found)) == 100
    assert 350 < sum(found) / 100 < 650  # the oldest hundred would be 49.5


def test_without_failures_and_with_few_rows_all_are_asked() -> None:
    only = [Stratum("t", SUCCESS)] * 3
    assert draw_exam(only, 10, seed=0) == [0, 1, 2]
    assert draw_exam([], 10, seed=0) == []
    mixed = [*only, Stratum("t", "E")]
    assert draw_exam(mixed, 10, seed=0) == [0, 1, 2, 3]
    assert 3 in draw_exam(mixed, 2, seed=0)


@pytest.mark.parametrize(
    ("sizes", "number", "expected"),
    [
        ({"a": 900, "b": 90, "c": 10}, 100, {"a": 89, "b": 9, "c": 2}),
        ({"a": 900, "b": 1, "c": 1}, 10, {"a": 8, "b": 1, "c": 1}),
        ({"a": 5, "b": 5}, 100, {"a": 5, "b": 5}),
        ({"a": 1, "b": 9, "c": 8}, 2, {"a": 0, "b": 1, "c": 1}),
        ({}, 3, {}),
    ],
)
def test_each_stratum_has_its_share(sizes: dict[str, int], number: int, expected: dict[str, int]) -> None:
    found = seats(sizes, number)
    assert sum(found.values()) == min(number, sum(sizes.values()))
    for name, count in expected.items():
        assert abs(found[name] - count) <= (number > 50)
        assert found[name] <= sizes[name]
