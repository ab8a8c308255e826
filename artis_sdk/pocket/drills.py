"""Drills in copying and looking up, from which a small model learns to do either with identifiers and names.

From the lessons alone it takes long to find out: few of their tokens are copied ones.
"""

from __future__ import annotations

import random

from artis_sdk.pocket.chat import Segment, segments
from artis_sdk.pocket.words import amount, name
from artis_sdk.records import Message


def drill(rng: random.Random) -> list[Segment]:
    """Things to say again, or rows of which some are asked for."""
    return _again(rng) if rng.random() < 0.5 else _looked_up(rng)


def _again(rng: random.Random) -> list[Segment]:
    said = " ".join(_thing(rng) for _ in range(rng.randint(4, 16)))
    return _asked(said, said)


def _looked_up(rng: random.Random) -> list[Segment]:
    keys = list(dict.fromkeys(_identifier(rng) for _ in range(rng.randint(2, 7))))
    rows = {key: _thing(rng) for key in keys}
    rng.shuffle(keys)
    shown = ",".join(f'"{key}":"{value}"' for key, value in rows.items())
    return _asked(f"{{{shown}}}\n{' '.join(keys)}", "\n".join(f"{key} {rows[key]}" for key in keys))


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
