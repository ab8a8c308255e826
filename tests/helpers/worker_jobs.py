"""Jobs for workers in other processes, which leave traces in a folder."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from artis_sdk.backends import ScriptedBackend
from artis_sdk.contracts import Simulator
from artis_sdk.errors import SimulationError
from artis_sdk.evals.bench.runner import Players
from artis_sdk.evals.bench.world import BenchmarkTask, Split
from artis_sdk.records import History, Outcome, Provenance, Request, Result, Risk, State, ToolCall
from artis_sdk.tools import Toolset, guarded_tool
from artis_sdk.workers import Run


@asynccontextmanager
async def squares(folder: Path) -> AsyncIterator[Run[int, int]]:
    """Square numbers. 13 kills its worker the first time it comes, 99 every time; a negative one fails."""
    (folder / f"opened-{os.getpid()}").touch()

    async def run(number: int) -> int:
        with (folder / f"{number}").open("a", encoding="ascii") as file:
            file.write(f"{os.getpid()}\n")
        if number == 99 or (number == 13 and not (folder / "killed").exists()):
            (folder / "killed").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        if number < 0:
            raise SimulationError("square", f"{number} is negative")
        await asyncio.sleep(0.01)
        return number * number

    yield run
    (folder / f"closed-{os.getpid()}").touch()


@asynccontextmanager
async def meeting(folder: Path, together: int) -> AsyncIterator[Run[int, int]]:
    """Tasks that end when so many run at once."""
    running = 0
    met = asyncio.Event()

    async def run(number: int) -> int:
        nonlocal running
        running += 1
        if running == together:
            met.set()
        await asyncio.wait_for(met.wait(), 20)
        return os.getpid()

    yield run


@asynccontextmanager
async def unopened() -> AsyncIterator[Run[int, int]]:
    """A job that cannot be opened."""
    raise SimulationError("job", "there is no model")
    yield


# --- what commands give to workers ------------------------------------------------------------


def once(folder: Path) -> None:
    """End this process, unless one has been ended for this folder."""
    try:
        (folder / "killed").touch(exist_ok=False)
    except FileExistsError:
        return
    os.kill(os.getpid(), signal.SIGKILL)


class Deadly(Simulator):
    """Predicts what the arguments say; the fifth call kills its worker once."""

    async def predict(self, call: ToolCall, state: State, history: History) -> Outcome:
        n = call.arguments["n"]
        if n == 5:
            once(Path(str(call.arguments["folder"])))
        return Outcome.success(n, Provenance.SIMULATED)


class Lamp:
    def __init__(self, folder: Path, number: int) -> None:
        self.folder = folder
        self.number = number
        self.lit = False

    @guarded_tool(risk=Risk.REVERSIBLE)
    def light(self) -> str:
        """Switch the lamp on."""
        if self.number == 3:
            once(self.folder)
        self.lit = True
        return "it is lit"


class Room:
    """A task's instance."""

    def __init__(self, folder: Path, number: int) -> None:
        self.lamp = Lamp(folder, number)
        self.tools = Toolset.from_object(self.lamp)

    def state(self) -> State:
        return {}

    def check_turn(self, turn: int, result: Result) -> str | None:
        return None if self.lamp.lit else "it is dark"


@dataclass(frozen=True)
class LampWorld:
    """Lamps to be lit; the third one kills its worker once."""

    folder: Path
    name = "lamps"
    prompts = None
    max_steps = None

    def tasks(self, split: Split, *, seed: int = 0) -> Iterator[BenchmarkTask[Room]]:
        for n in range(8):
            yield BenchmarkTask(id=f"lamp-{n}", queries=("Light.",), start=partial(Room, self.folder, n))


@asynccontextmanager
async def lighting() -> AsyncIterator[Players]:
    """A model that lights a lamp and says so."""

    def answer(request: Request) -> ToolCall | str:
        return "done" if request.messages[-1].role == "tool" else ToolCall(tool="light")

    yield Players(ScriptedBackend(answer), None, lambda name: Deadly())
