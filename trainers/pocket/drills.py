"""Drills in copying, looking up, comparing, adding and subtracting, with identifiers, names and numbers.

Lessons alone teach this slowly: few of their tokens are copied, and a comparison shows one bit.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Final

from artis_sdk.pocket.chat import Segment, segments
from artis_sdk.pocket.words import name
from artis_sdk.records import Message
from artis_sdk.trainers.pocket.thoughts import added, alike, compared


def drill(rng: random.Random) -> list[Segment]:
    """Things to repeat or distinguish, rows of which some are to be picked, numbers to compare or add up."""
    (write,) = rng.choices(list(_SHARES), list(_SHARES.values()))
    return write(rng)


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


def _told_apart(rng: random.Random) -> list[Segment]:
    """Pairs of things: whether they are the same; many that are not differ in one character."""
    pairs = []
    for _ in range(rng.randint(3, 8)):
        one = _thing(rng)
        kind = rng.random()
        pairs.append((one, one if kind < 0.5 else _near(rng, one) if kind < 0.75 else _thing(rng)))
    return _asked("\n".join(map(" ".join, pairs)), "\n".join(alike(*pair) for pair in pairs))


def _near(rng: random.Random, one: str) -> str:
    at = rng.randrange(1, len(one)) if len(one) > 1 else 0
    return one[:at] + rng.choice("0123456789" if one[at].isdigit() else "aeioubdgklmnrst") + one[at + 1 :]


def _reckoned(rng: random.Random) -> list[Segment]:
    """An amount, and a number with what becomes of it: whether the amount is in what comes out."""
    rows, told = [], []
    for _ in range(rng.randint(2, 4)):
        start = total = _number(rng)
        changes, reasons = [], []
        for _ in range(rng.randint(1, 2)):
            size = _number(rng) // rng.choice((1, 2, 4))
            changes.append(size if rng.random() < 0.5 else -min(total, size))
            reasons.append(added(total, changes[-1]))
            total += changes[-1]
        wanted = max(0, total + 10 * rng.randint(-9, 9)) if rng.random() < 0.5 else _number(rng)
        rows.append(f"{wanted}: {start} {' '.join(f'{change:+}' for change in changes)}")
        told.append("; ".join([*reasons, compared(wanted, total)]))
    return _asked("\n".join(rows), "\n".join(told))


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
    """A made-up word, with pieces of words that are rare in names."""
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


_SHARES: Final[dict[Callable[[random.Random], list[Segment]], float]] = {
    _again: 0.12, _looked_up: 0.12, _told_apart: 0.12, _compared: 0.2, _changed: 0.24, _reckoned: 0.2,
}  # fmt: skip
