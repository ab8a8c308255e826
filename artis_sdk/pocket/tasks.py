"""An endless stream of tasks for the payments desk."""

from __future__ import annotations

from collections.abc import Iterator

from artis_sdk.pocket.families import make
from artis_sdk.pocket.task import PocketTask
from artis_sdk.pocket.words import Part


def tasks(part: Part, *, seed: int = 0) -> Iterator[PocketTask]:
    """Tasks without end, the same ones for the same seed.

    Args:
        part: part of the tasks, for training or held out; see `words`.
        seed: seed of the tasks.
    """
    number = 0
    while True:
        yield make(f"{part}-{seed}-{number}", part)
        number += 1
