"""Drills in copying, looking up, comparing and taking away, with identifiers, names and numbers.

From the lessons alone it takes long to find out: few of their tokens are copied ones, and of a comparison
they show one bit.
"""

from __future__ import annotations

import random

from artis_sdk.pocket.chat import Segment, segments
from artis_sdk.pocket.thoughts import compared
from artis_sdk.pocket.words import amount, name
from artis_sdk.records import Message


def drill(rng: random.Random) -> list[Segment]:
    """Things to say again, rows of which some are asked for, or numbers to compare."""
    kind = rng.random()
    return _again(rng) if kind < 0.2 else _looked_up(rng) if kind < 0.4 else _compared(rng)


def _again(rng: random.Random) -> list[Segment]:
    said = " ".join(_thing(rng) for _ in range(rng.randint(4, 16)))
    return _asked(said, said)


def _looked_up(rng: random.Random) -> list[Segment]:
    keys = list(dict.fromkeys(_identifier(rng) for _ in range(rng.randint(2, 7))))
    rows = {key: _thing(rng) for key in keys}
    rng.shuffle(keys)
    shown = ",".join(f'"{key}":"{value}"' for key, value in rows.items())
    return _asked(f"{{{shown}}}\n{' '.join(keys)}", "\n".join(f"{key} {rows[key]}" for key in keys))


def _compared(rng: random.Random) -> list[Segment]:
    """Pairs of numbers: which is the greater, and what is left of the greater."""
    pairs = []
    for _ in range(rng.randint(3, 8)):
        one = _number(rng)
        near = max(0, one + 10 * rng.randint(-9, 9))
        pairs.append((one, one if rng.random() < 0.1 else near if rng.random() < 0.4 else _number(rng)))
    shown = "\n".join(f"{one} {other}" for one, other in pairs)
    return _asked(shown, "\n".join(compared(one, other) + f" {abs(one - other)}" for one, other in pairs))


def _number(rng: random.Random) -> int:
    if rng.random() < 0.7:
        return amount(rng, "train", 10, 1000)
    return 100 * rng.randint(0, 19) + rng.randint(1, 99)


def _thing(rng: random.Random) -> str:
    kind = rng.random()
    if kind < 0.5:
        return _identifier(rng)
    return name(rng, "train") if kind < 0.8 else str(amount(rng, "train"))


def _identifier(rng: random.Random) -> str:
    return f"{rng.choice('AATHS')}{rng.randint(100, 999)}"


def _asked(shown: str, told: str) -> list[Segment]:
    return segments(
        [
            Message(role="system", content="drill"),
            Message(role="user", content=shown),
            Message(role="assistant", content=told),
        ]
    )
