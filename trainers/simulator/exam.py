"""The held-out rows that a model answers: drawn by stratum (tool, outcome type), each with its share."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from artis_sdk.logs.codec import loads
from artis_sdk.records import Outcome, ToolCall
from artis_sdk.records.outcome_type import SUCCESS, outcome_type

K = TypeVar("K", bound=Hashable)


class Stratum(NamedTuple):
    """Rows of one tool with one type of outcome."""

    tool: str
    type: str


def recorded_strata(outcomes: Iterable[tuple[ToolCall, Outcome]]) -> list[Stratum]:
    """The stratum of each call with its outcome."""
    return [Stratum(call.tool, outcome_type(outcome, call)) for call, outcome in outcomes]


def strata(rows: Any) -> list[Stratum]:
    """The stratum of each row of a data set of tokens (`tokens.write_tokens`)."""
    calls = map(loads, rows["call"])
    return [Stratum(call["tool"], type_) for call, type_ in zip(calls, rows["type"], strict=True)]


def draw_exam(rows: Sequence[Stratum], limit: int, *, seed: int) -> list[int]:
    """Numbers of the drawn rows, ascending: half failures and half successes if there are enough.

    Within each half every stratum has seats in proportion to its rows, and at least one while there are
    enough, so that a rare failure and a new tool are in it.

    Args:
        rows: stratum of each row.
        limit: maximum number of rows.
        seed: seed of the draw.
    """
    order = list(range(len(rows)))
    random.Random(seed).shuffle(order)
    failures = {n: rows[n] for n in order if rows[n].type != SUCCESS}
    successes = {n: rows[n] for n in order if rows[n].type == SUCCESS}
    failing = min(len(failures), max(limit // 2, limit - len(successes)))
    return sorted([*_drawn(failures, failing), *_drawn(successes, limit - failing)])


def _drawn(rows: Mapping[int, Stratum], number: int) -> list[int]:
    """The first rows of each stratum, as many as it has seats."""
    left = seats(Counter(rows.values()), number)
    chosen = list[int]()
    for n, stratum in rows.items():
        if left[stratum]:
            left[stratum] -= 1
            chosen.append(n)
    return chosen


def seats(sizes: Mapping[K, int], number: int) -> dict[K, int]:
    """Seats of each stratum: one for each, the largest first, and then in proportion (Sainte-Laguë).

    Args:
        sizes: rows of each stratum; none gets more seats than it has rows.
        number: seats in all.
    """
    given = dict.fromkeys(sizes, 0)
    for _ in range(min(number, sum(sizes.values()))):
        open_ = (name for name in sizes if given[name] < sizes[name])
        best = max(open_, key=lambda name: (given[name] == 0, sizes[name] / (2 * given[name] + 1)))
        given[best] += 1
    return given


def exam_of(there: Sequence[Stratum], asked: Sequence[Stratum]) -> list[dict[str, Any]]:
    """How many rows of each stratum are `asked`, of how many `rows`, the largest stratum first.

    Args:
        there: strata of a split's rows.
        asked: strata of those that `draw_exam` took.
    """
    counts = Counter(asked)
    return [
        {"tool": stratum.tool, "type": stratum.type, "asked": counts[stratum], "rows": rows}
        for stratum, rows in sorted(Counter(there).items(), key=lambda item: (-item[1], item[0]))
    ]
