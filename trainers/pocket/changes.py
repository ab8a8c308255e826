"""Calls changed so that the bank may refuse them, each run by the bank's own code in its place."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any, Final

from artis_sdk.pocket.bank import Bank
from artis_sdk.pocket.oracle import Oracle
from artis_sdk.pocket.task import PlannedCall
from artis_sdk.records import History, Step
from artis_sdk.trainers.pocket.scenes import Scene

_BAD_AMOUNTS: Final = (0, -10, -50)
_DUPLICATE: Final = 0.15


def changed(
    oracle: Oracle, scene: Scene, rng: random.Random, *, twice: float = _DUPLICATE
) -> Iterator[tuple[Step, History]]:
    """Changed calls of every plan, each on the bank after the calls before it.

    Args:
        oracle: oracle that makes the calls.
        scene: scene of the plans.
        rng: source of the changes.
        twice: share of the successful transfers that are repeated.

    Yields:
        A call with its outcome, and the calls before it.
    """
    for way, played in scene.ways:
        place = min(rng.randrange(len(way.calls)), len(played.steps) - 1)
        before = way.calls[:place]
        call = _change(way.calls[place], scene.bank, rng)
        made = oracle.play(scene.bank, [*before, call])
        yield made.steps[-1], made.steps[:-1]
        if played.good and way.calls[-1].tool == "transfer" and rng.random() < twice:
            again = oracle.play(scene.bank, [*way.calls, way.calls[-1]])
            yield again.steps[-1], again.steps[:-1]


def _change(call: PlannedCall, bank: Bank, rng: random.Random) -> PlannedCall:
    """One argument replaced: by an identifier of something else or of nothing, or by a bad amount."""
    arguments: dict[str, Any] = dict(call.arguments)
    name = rng.choice(sorted(arguments))
    value = arguments[name]
    if call.tool == "get_rate":
        arguments[name] = "JPY"
    elif name == "amount":
        arguments[name] = rng.choice((*_BAD_AMOUNTS, value * 2, value + 500))
    elif name == "day":
        arguments[name] = bank.day - rng.randint(0, 5)
    elif name == "owner":
        arguments[name] = value[:-1] + rng.choice("aeiou")
    elif value[0] == "A" and rng.random() < 0.6:
        arguments[name] = rng.choice(sorted(bank.accounts))
    else:
        arguments[name] = f"{value[0]}{rng.randint(100, 499)}"
    return PlannedCall(call.tool, arguments)
