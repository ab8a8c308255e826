"""Splits by session, never by row, by a digest of the session's id."""

from __future__ import annotations

import math
from collections.abc import Sequence
from hashlib import md5
from typing import Final, Literal

from pydantic import BaseModel, Field

from artis_sdk.errors import TrainingError
from artis_sdk.records.brief import count
from artis_sdk.records.calls import FROZEN

Split = Literal["train", "validation", "test"]
SPLITS: Final[tuple[Split, ...]] = ("train", "validation", "test")

_BITS: Final = 60  # of the digest; 15 hexadecimal digits


class Bounds(BaseModel):
    """Bounds of the splits between 0 and 1, the range of sessions' positions.

    A session stays in its split while the log grows, as long as seed and bounds are the same.
    """

    model_config = FROZEN

    seed: int = 0
    validation: float = Field(ge=0.0, le=1.0)
    """Upper bound of validation."""
    test: float = Field(ge=0.0, le=1.0)
    """Upper bound of the test; the rest is for training."""

    def split(self, session: str) -> Split:
        """The split of a session."""
        place = position(session, self.seed)
        return "validation" if place < self.validation else "test" if place < self.test else "train"


def position(session: str, seed: int) -> float:
    """Position of a session, 0 to 1; the same as `position_sql`."""
    return int(md5(f"{seed}:{session}".encode()).hexdigest()[:15], 16) / 2.0**_BITS


def position_sql(column: str, seed: int) -> str:
    """`position` as an expression of DuckDB."""
    return f"(('0x' || md5('{seed}:' || {column})[1:15])::UBIGINT / {2.0**_BITS!r})"


def by_rank(places: Sequence[float], validation: float, test: float, seed: int) -> Bounds:
    """Bounds by rank, for few sessions, when bounds by share would leave a split empty.

    Args:
        places: positions of all sessions, ascending.
        validation, test: shares of the sessions, 0 to 1; each split with a share gets a session.
        seed: seed of the digest.

    Raises:
        TrainingError: there are too few sessions.
    """
    held = [max(1, round(len(places) * share)) if share > 0 else 0 for share in (validation, test)]
    wanted = 1 + sum(1 for n in held if n)
    if len(places) < wanted:
        raise TrainingError(
            f"{count(len(places), 'session')} cannot be split into {wanted} parts that share none: log "
            "more, or put independent calls into separate tasks (capture(...).task())"
        )
    while sum(held) >= len(places):
        held[held.index(max(held))] -= 1
    first, second = (math.nextafter(places[n - 1], 1.0) if n else 0.0 for n in (held[0], sum(held)))
    return Bounds(seed=seed, validation=first, test=second)
