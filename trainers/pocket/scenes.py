"""A turn of a task about to be played, with the results of each of its plans."""

from __future__ import annotations

from dataclasses import dataclass

from artis_sdk.pocket.bank import Bank
from artis_sdk.pocket.oracle import Played
from artis_sdk.pocket.task import PocketTask, TaskTurn, Way
from artis_sdk.records import Message


@dataclass(frozen=True)
class Scene:
    """A turn about to be played: the present bank, and the conversation before."""

    task: PocketTask
    turn: TaskTurn
    bank: Bank
    conversation: tuple[Message, ...]
    ways: tuple[tuple[Way, Played], ...]

    @property
    def good(self) -> list[Way]:
        return [way for way, played in self.ways if played.good]

    def played(self, way: Way | None) -> Played:
        if way is None:
            return Played((), self.bank)
        return next(played for known, played in self.ways if known is way)
