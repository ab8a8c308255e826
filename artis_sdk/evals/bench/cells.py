"""The settings that a benchmark compares: methods, simulators, numbers of attempts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, get_args

from pydantic import BaseModel

from artis_sdk.loop.strategies import (
    Direct,
    Hybrid,
    Parallel,
    Sequential,
    SequentialRevision,
    Strategy,
    WeightedBestOfN,
)
from artis_sdk.records import CommitMode
from artis_sdk.records.calls import FROZEN

Method = Literal["direct", "best_of_n", "revision", "parallel", "sequential", "hybrid"]
METHODS: Final[tuple[Method, ...]] = get_args(Method)
Control = Literal["idle", "truth"]
"""What no model plays, for comparison: an agent that makes no call, and one that knows the right calls."""
CONTROLS: Final[tuple[Control, ...]] = get_args(Control)
SIMULATING: Final = frozenset({"parallel", "sequential", "hybrid"})
Stage = Literal["evaluation", "summary", "both"]
STAGES: Final[tuple[Stage, ...]] = get_args(Stage)
NUMBERS: Final = (0, 1, 3, 5, 8)


class BenchCell(BaseModel):
    """One setting of the benchmark."""

    model_config = FROZEN

    method: Method | Control
    simulator: str | None = None
    """Name of the simulator; None for methods that do not simulate."""
    n: int
    """Number of attempts, or of candidates per step; a hybrid makes two rounds of n // 2."""
    without: Stage | None = None
    """A stage that is switched off (the paper's figure 4)."""
    mode: CommitMode | None = None
    """How plans are committed; None for the session's default, `guided`."""
    retries: int = 0
    """Maximum further real tries of direct execution, see `Direct`."""

    @property
    def curve(self) -> str:
        """The cell's name without its number of attempts."""
        left_out = self.without and f"without {self.without}"
        tries = f"{self.retries} retries" if self.retries else None
        return ", ".join(filter(None, (self.method, self.simulator, left_out, self.mode, tries)))


def cells(
    methods: Sequence[Method] = METHODS,
    simulators: Sequence[str] = (),
    numbers: Sequence[int] = NUMBERS,
    without: Sequence[Stage] = (),
    modes: Sequence[CommitMode | None] = (None,),
    retries: Sequence[int] = (0,),
) -> list[BenchCell]:
    """The selected settings, each once; n = 0 is direct execution for every method.

    Args:
        methods: methods, as in the paper's table 1.
        simulators: names of simulators, for the methods that simulate.
        numbers: numbers of attempts.
        without: stages to leave out of sequential rehearsal, beside the whole of it (figure 4).
        modes: ways to commit, for the methods that simulate.
        retries: numbers of further real tries of direct execution; 0 is the paper's.
    """
    found: dict[BenchCell, None] = {}
    if "direct" in methods or 0 in numbers:
        for more in retries if "direct" in methods else (0,):
            found[BenchCell(method="direct", n=0, retries=more)] = None
    for n in (n for n in numbers if n):
        for method in (m for m in methods if m != "direct"):
            for name in simulators if method in SIMULATING else (None,):
                for stage in (None, *without) if method == "sequential" else (None,):
                    for mode in modes if method in SIMULATING else (None,):
                        cell = BenchCell(method=method, simulator=name, n=n, without=stage, mode=mode)
                        found[cell] = None
    return list(found)


def strategy(cell: BenchCell) -> Strategy:
    """Options of a cell's Session."""
    match cell.method:
        case "best_of_n":
            return WeightedBestOfN(cell.n)
        case "revision":
            return SequentialRevision(cell.n)
        case "parallel":
            return Parallel(cell.n)
        case "sequential":
            return Sequential(cell.n)
        case "hybrid":
            return Hybrid(width=max(1, cell.n // 2), rounds=2 if cell.n > 1 else 1)
        case _:
            return Direct(cell.retries)
