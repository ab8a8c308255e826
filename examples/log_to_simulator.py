"""From a log of real calls to a simulator that was trained on it and measured.

Run it with `python examples/log_to_simulator.py BASE`, after `pip install "artis-sdk[train]"`. BASE is a
causal language model with a chat template, a folder or a hub id such as `Qwen/Qwen3-0.6B`; the small settings
are for a CPU and a few minutes.
"""

import random
import sys
from contextlib import suppress
from pathlib import Path
from tempfile import mkdtemp

import artis_sdk
from artis_sdk import Toolset, guarded_tool
from artis_sdk.trainers.dataset import DataSettings
from artis_sdk.trainers.simulator import SFTSettings, train_simulator


class Lockers:
    def __init__(self) -> None:
        self.taken: dict[str, str] = {"L1": "ann"}

    @guarded_tool(failures=KeyError)
    def open(self, locker: str, owner: str) -> str:
        """Open a locker for its owner."""
        if self.taken.get(locker) != owner:
            raise KeyError(f"{locker} is not {owner}'s")
        return f"{locker} is open"


def production(log: Path, sessions: int) -> None:
    """Real calls, as an application makes them all day: most succeed, a few fail."""
    chance = random.Random(3)
    with artis_sdk.capture(log) as captured:
        for _ in range(sessions):
            lockers = Lockers()
            lockers.taken[f"L{chance.randint(2, 4)}"] = "bob"
            (open_it,) = Toolset.from_object(lockers)
            with captured.task(state={"taken": dict(lockers.taken)}):
                for locker in ("L1", "L2"):
                    with suppress(KeyError):
                        open_it(locker, chance.choice(["ann", "bob"]))


def main(base: str) -> Path:
    """The folder of the trained adapter."""
    folder = Path(mkdtemp())
    production(folder / "calls.db", sessions=60)
    trained = train_simulator(
        folder / "calls.db",
        base,
        folder / "run",
        data=DataSettings(validation=0.1, test=0.1),
        settings=SFTSettings(epochs=1, batch=8, judged=8, evaluations=2),
        on_stage=print,
    )
    print(f"the adapter, with its card and its measures: {trained.adapter}")
    return trained.adapter


if __name__ == "__main__":
    main(sys.argv[1])
