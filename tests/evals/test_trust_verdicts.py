"""Verdicts: from the lower end of the interval, and unknown where too little was measured."""

from __future__ import annotations

from typing import Any

import pytest
from helpers.fidelity import Letters, of_number, record

from artis_sdk.evals.fidelity.measurement import measure
from artis_sdk.evals.fidelity.similarity import Similarity
from artis_sdk.evals.fidelity.trust import TrustRules, judge
from artis_sdk.simulators.trust import ToolTrust


class Refused(Exception):
    pass


async def verdict(
    rows: list[tuple[Any, Any]],
    rules: TrustRules | None = None,
    similarity: Similarity | None = None,
    **more: Any,
) -> ToolTrust:
    """The verdict on a tool, from pairs of what really came and what was predicted."""
    records = [record(n, real, **more) for n, (real, _) in enumerate(rows)]
    found = await measure(of_number([said for _, said in rows]), records, name="s", similarity=similarity)
    return judge(found, rules).tools["pay"]


RIGHT, MISSED, FORETOLD = ("paid", "paid"), (Refused, "paid"), (Refused, Refused)


@pytest.mark.parametrize(
    ("rows", "expected", "reason"),
    [
        ([RIGHT] * 60 + [FORETOLD] * 20, "trusted", None),
        ([RIGHT] * 19, "unknown", "19 held-out calls, 20 needed"),
        ([RIGHT] * 60, "unknown", "0 held-out failures in 60 calls, 5 needed"),
        ([RIGHT] * 100, "trusted", None),  # at most 3.7 percent of its calls fail
        ([RIGHT] * 300 + [MISSED], "trusted", None),  # failures are rare enough to miss
        ([RIGHT] * 100 + [MISSED] * 4, "unknown", "4 held-out failures"),
        (
            [RIGHT] * 100 + [MISSED] * 10,
            "doubtful",
            "failure recall 0% of 10, at least 0%; 50% needed",
        ),
        ([RIGHT] * 100 + [FORETOLD] * 6 + [MISSED] * 4, "doubtful", "failure recall 60% of 10, at least 31%"),
        ([("paid", "lost")] * 60 + [FORETOLD] * 20, "doubtful", "exact match 25%"),
        ([("paid", None)] * 60 + [FORETOLD] * 20, "doubtful", "exact match 25%"),
    ],
)
async def test_a_verdict(rows: list[tuple[Any, Any]], expected: str, reason: str | None) -> None:
    found = await verdict(rows)
    assert found.verdict == expected
    assert ("; ".join(found.reasons) or None) == reason or reason in found.reasons[0]  # type: ignore[operator]


async def test_foretelling_failures_that_do_not_come_is_doubtful_too() -> None:
    found = await verdict([("paid", Refused)] * 60 + [FORETOLD] * 20)
    assert found.verdict == "doubtful"
    assert "exact match" in found.reasons[0]


async def test_more_rows_of_the_same_quality_can_only_help() -> None:
    order = {"unknown": 0, "doubtful": 0, "trusted": 1}
    ranks = [
        order[(await verdict(([RIGHT] * 9 + [FORETOLD] * 9 + [MISSED] * 2) * times)).verdict]
        for times in (1, 2, 4, 8)
    ]
    assert ranks == sorted(ranks)
    assert ranks[-1] == 1


async def test_high_fidelity_counts_where_it_was_measured_unless_exact_is_asked_for() -> None:
    rows = [("aaaaaaaaab", "aaaaaaaaaa")] * 60 + [FORETOLD] * 20
    near = Similarity(Letters())
    assert (await verdict(rows, similarity=near)).verdict == "trusted"
    assert (await verdict(rows, TrustRules(faithful="exact"), near)).verdict == "doubtful"
    assert (await verdict(rows)).verdict == "doubtful"


async def test_the_measured_source_goes_into_the_verdict() -> None:
    assert (await verdict([RIGHT] * 100, source_hash="a" * 64)).source_hash == "a" * 64


async def test_tools_that_were_not_measured_are_unknown() -> None:
    found = await measure(of_number(["paid"]), [record(0)], name="s", similarity=None)
    trust = judge(found)
    assert set(trust.tools) == {"pay"}
    assert trust.of("other").verdict == "unknown"
    assert trust.rules["min_rows"] == 20
