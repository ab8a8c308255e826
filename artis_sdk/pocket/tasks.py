"""An endless stream of tasks for the payments desk."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from artis_sdk.pocket.families import FAMILIES, make
from artis_sdk.pocket.task import PocketTask
from artis_sdk.pocket.traps import TRAPS
from artis_sdk.pocket.words import Part

FamiliesName = Literal["bank", "traps"]


def tasks(part: Part, *, seed: int = 0, families: FamiliesName = "bank") -> Iterator[PocketTask]:
    """Tasks without end, the same ones for the same seed.

    Args:
        part: part of the tasks, for training or held out; see `words`.
        seed: seed of the tasks.
        families: those of the pocket model's own training, or traps of other kinds.
    """
    chosen, prefix = (FAMILIES, "") if families == "bank" else (TRAPS, "traps-")
    number = 0
    while True:
        yield make(f"{prefix}{part}-{seed}-{number}", part, chosen)
        number += 1
