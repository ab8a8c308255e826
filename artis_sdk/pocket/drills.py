"""Drills in copying, looking up, comparing, adding and taking away, with identifiers, names and numbers.

From the lessons alone it takes long to find out: few of their tokens are copied ones, and of a comparison
they show one bit.
"""

from __future__ import annotations

import random

from artis_sdk.pocket.chat import Segment, segments
from artis_sdk.pocket.thoughts import added, compared
from artis_sdk.pocket.words import name
from artis_sdk.records import Message


def drill(rng: random.Random) -> list[Segment]:
    """Things to say again, rows of which some are asked for, or numbers to compare or to add up."""
    kind = rng.random()
    if kind < 0.15:
        return _again(rng)
    if kind < 0.3:
        return _looked_up(rng)
    return _compared(rng) if kind < 0.55 else _changed(rng)


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
    """Pairs of numbers: which is the greater."""
    pairs = []
    for _ in range(rng.randint(3, 8)):
        one = _number(rng)
        near = max(0, one + 10 * rng.randint(-9, 9))
        pairs.append((one, one if rng.random() < 0.1 else near if rng.random() < 0.4 else _number(rng)))
    shown = "\n".join(f"{one} {other}" for one, other in pairs)
    return _asked(shown, "\n".join(compared(one, other) for one, other in pairs))


def _changed(rng: random.Random) -> list[Segment]:
    """Numbers, and what is taken from them or added to them: as `thoughts` writes it."""
    changes = []
    for _ in range(rng.randint(3, 8)):
        start, change = _number(rng), _number(rng) // rng.choice((1, 2, 4))
        kind = rng.random()
        changes.append((start, change if kind < 0.3 else -change if kind < 0.45 else -min(start, change)))
    shown = "\n".join(f"{start} {change:+}" for start, change in changes)
    return _asked(shown, "\n".join(added(start, change) for start, change in changes))


def _number(rng: random.Random) -> int:
    """Like an amount or a balance; numbers are not held out, only amounts of tasks are."""
    return 10 * rng.randint(0, 100) if rng.random() < 0.7 else rng.randint(1, 1000)


def _thing(rng: random.Random) -> str:
    kind = rng.random()
    if kind < 0.35:
        return _identifier(rng)
    if kind < 0.75:
        return name(rng, "train") if kind < 0.5 else _letters(rng)
    return str(_number(rng))


def _letters(rng: random.Random) -> str:
    """A word that is none: pieces of words that names seldom have get their turn."""
    return "".join(rng.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(rng.randint(2, 7))).capitalize()


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
