"""An endless stream of tasks for the payments desk."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Final, Literal

from artis_sdk.pocket.families import FAMILIES, Families, make
from artis_sdk.pocket.task import PocketTask
from artis_sdk.pocket.traps import TRAPS
from artis_sdk.pocket.words import Part

FamiliesName = Literal["bank", "traps", "both"]
_BANK: Final[tuple[str, Families]] = ("", FAMILIES)
_TRAPS: Final[tuple[str, Families]] = ("traps-", TRAPS)
_CHOSEN: Final = {"bank": (_BANK,), "traps": (_TRAPS,), "both": (_BANK, _TRAPS)}
"""Prefixes of the tasks' identifiers, with their families."""


def tasks(part: Part, *, seed: int = 0, families: FamiliesName = "bank") -> Iterator[PocketTask]:
    """Tasks without end, the same ones for the same seed.

    Args:
        part: part of the tasks, for training or held out; see `words`.
        seed: seed of the tasks.
        families: those of the pocket model's own training, traps of other kinds, or a task of each in turn.
    """
    for number in count():
        for prefix, chosen in _CHOSEN[families]:
            yield make(f"{prefix}{part}-{seed}-{number}", part, chosen)
