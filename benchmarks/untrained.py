"""Untrained simulators on held-out calls: what a model sees of the tools' source, and `Checked` without one.

Two worlds: the pocket bank, and the environments of BFCL-v3 multi-turn (ground truth and generated calls of
the held-out tasks, made in a sandbox). The model sees half failures; `Checked` alone also takes every call.

    python benchmarks/untrained.py --out DIR                     # Checked alone: seconds
    python benchmarks/untrained.py --out DIR --model FILE.gguf   # and the model, on llama.cpp

What DIR holds already is not predicted again, so an interrupted run goes on where it stopped; --rows says how
many calls a world the model gets. With PYTHONHASHSEED=0, which this sets (BFCL's messages print sets), the
calls are the same on every day; the digests beside a world's name, of all of them and of the model's, say so.
Another version of hypothesis may draw others, and a machine of another speed, where a call takes a second.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import sys
import time
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from fidelity import play

from artis_sdk.backends import resolve
from artis_sdk.contracts import Backend, Simulator, Tool
from artis_sdk.errors import SimulationError
from artis_sdk.evals.bench.bfcl import HELD_OUT_EVERY, guard, load_tasks, restored
from artis_sdk.evals.intervals import share
from artis_sdk.logs import CallLog, Redactor, export_jsonl, read_jsonl
from artis_sdk.logs.codec import dumps
from artis_sdk.pocket.bank import Bank
from artis_sdk.pocket.desk import pocket_tools
from artis_sdk.pocket.oracle import desk_of
from artis_sdk.records import CallRecord, Completion, Outcome, Request, Role, Step, ToolCall
from artis_sdk.records.outcome_type import SUCCESS, outcome_type
from artis_sdk.simulators import Checked, Ladder, LLMSimulator, PromptForm
from artis_sdk.simulators.interpreter.world import Restore
from artis_sdk.trainers.generate import GenerationBudget, StartState, generate
from artis_sdk.trainers.pocket.log import records

PLAIN = PromptForm(documents="called", one_call=True, typed=True, max_characters=8000)
FORMS = {
    "documents": PLAIN,
    "modes": PLAIN.model_copy(update={"modes": True, "look_up": False}),
    "modes, look-up": PLAIN.model_copy(update={"modes": True, "focus": True}),
    "source, look-up": PLAIN.model_copy(update={"source": True, "look_up": True, "focus": True}),
}


@dataclass
class World:
    """Held-out calls with their tools, and the hook that makes their objects again."""

    name: str
    rows: list[CallRecord]
    tools: list[Tool]
    restore: Restore


@dataclass
class Counted:
    """A meter that counts tokens."""

    prompt: int = 0
    answer: int = 0

    async def complete(self, backend: Backend, role: Role, request: Request) -> Completion:
        done = await backend.complete(request)
        self.prompt += done.usage.prompt_tokens
        self.answer += done.usage.completion_tokens
        return done


@dataclass
class Score:
    """Counts over some calls. A failure is noticed if its type is predicted, as everywhere in the SDK."""

    right: dict[bool, int] = field(default_factory=lambda: {True: 0, False: 0})
    n: dict[bool, int] = field(default_factory=lambda: {True: 0, False: 0})
    noticed: int = 0
    alarms: int = 0
    unanswered: int = 0
    tokens: int = 0
    seconds: float = 0.0

    def add(self, record: CallRecord, found: Outcome | None, tokens: int, seconds: float) -> None:
        real = outcome_type(record.outcome, record.call)
        said = None if found is None else outcome_type(found, record.call)
        fails = real != SUCCESS
        self.n[fails] += 1
        self.tokens += tokens
        self.seconds += seconds
        self.unanswered += found is None
        same = found is not None and said == real and found.content() == record.outcome.content()
        self.right[fails] += same
        self.alarms += said not in (None, SUCCESS)
        self.noticed += fails and said == real

    def line(self, name: str) -> str:
        n = self.n[True] + self.n[False]
        shares = (
            share(self.right[False], self.n[False]),
            share(self.right[True], self.n[True]),
            share(self.noticed, self.n[True]),
            share(self.noticed, self.alarms),
        )
        return (
            f"| {name} | {n:,} | "
            + " | ".join(str(one) for one in shares)
            + f" | {self.unanswered / n:.1%} | {self.tokens / n:,.0f} | {self.seconds / n:.3f} |"
        )


HEAD = (
    "| simulator | calls | exact, successes | exact, failures | failure recall | failure precision |"
    " unanswered | tokens a call | CPU s a call |\n|---|---|---|---|---|---|---|---|---|"
)


async def bfcl_rows(calls: int) -> list[CallRecord]:
    """Calls of the held-out tasks: the ground truth, and generated ones."""
    tasks = load_tasks("base")[::HELD_OUT_EVERY]
    played = [record for task in tasks for record in play(task)]
    worlds = [StartState(guard(task.instances()), session=task.id) for task in tasks]
    with TemporaryDirectory() as folder, CallLog(Path(folder) / "c.db", redact=Redactor(names=())) as out:
        await generate(worlds, played, GenerationBudget(calls=calls), 1, out=out)
        return [without_chance(record) for record in (*played, *out.records())]


def without_chance(record: CallRecord) -> CallRecord:
    """A row without what differs from run to run: its time and process, durations, random ids of calls."""

    def call(made: ToolCall) -> ToolCall:
        return made.model_copy(update={"id": ""})

    def outcome(found: Outcome) -> Outcome:
        return found.model_copy(update={"duration": None})

    history = tuple(Step(call=call(step.call), outcome=outcome(step.outcome)) for step in record.history)
    same = {"call": call(record.call), "outcome": outcome(record.outcome), "history": history}
    return record.model_copy(update={"at": 0.0, "process": None, **same})


def digest(rows: Iterable[CallRecord]) -> str:
    """What is predicted, in eight digits."""
    made = sha256()
    for row in rows:
        made.update(dumps([row.id, row.call.tool, row.call.arguments, row.outcome.content()]).encode())
    return made.hexdigest()[:8]


def load(name: str, folder: Path, calls: int) -> World:
    """A world, whose calls are made once."""
    file = folder / f"{name}.jsonl"
    if not file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        made: Iterable[CallRecord] = (
            records("held_out", count=300, seed=18, failures=True)
            if name == "pocket"
            else asyncio.run(bfcl_rows(calls))
        )
        export_jsonl(made, file)
    rows = [record for record in read_jsonl(file) if isinstance(record, CallRecord)]
    if name == "pocket":
        return World(name, rows, list(pocket_tools(Bank())), desk_of)
    objects = {name: one for task in load_tasks("base") for name, one in task.instances().items()}
    return World(name, rows, list(guard(objects)), restored)


def half_failures(rows: Sequence[CallRecord], count: int, seed: int) -> Iterator[CallRecord]:
    """Successes and failures in turn, so that any number of them is half failures."""
    mixed = random.Random(seed).sample(rows, len(rows))
    failed = [r for r in mixed if outcome_type(r.outcome, r.call) != SUCCESS]
    went = [r for r in mixed if outcome_type(r.outcome, r.call) == SUCCESS]
    for one, other in zip(failed[: count // 2], went[: count // 2], strict=False):
        yield one
        yield other


def kept_in(file: Path | None, name: str) -> dict[str, dict[str, Any]]:
    """What a simulator has predicted already, by the call's identifier."""
    if file is None or not file.exists():
        return {}
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    return {line["id"]: line for line in lines if line["simulator"] == name}


class Predictions:
    """Predictions of one simulator, some at the same time, kept in a file as they come.

    A row's CPU seconds are those since the row before it came, so that their sum is the whole run's.
    """

    def __init__(self, simulator: Simulator, world: World, name: str, file: Path | None) -> None:
        self._simulator, self._world, self._name, self._file = simulator, world, name, file
        self._known = kept_in(file, name)
        self._since = time.process_time()
        self.score = Score()

    async def add(self, record: CallRecord, room: asyncio.Semaphore) -> None:
        """Predict a call unless the file knows it, and count it."""
        async with room:
            line = self._known.get(record.id) or await self._predicted(record)
        found = None if line["outcome"] is None else Outcome.model_validate(line["outcome"])
        self.score.add(record, found, line["tokens"], line["cpu_s"])

    async def _predicted(self, record: CallRecord) -> dict[str, Any]:
        meter = Counted()
        fork = self._simulator.fork(self._world.tools, meter)
        found: Outcome | None = None
        try:
            found = await fork.predict(record.call, record.state, record.history)
        except SimulationError:
            found = None
        before, self._since = self._since, time.process_time()
        line = {
            "simulator": self._name,
            "id": record.id,
            "outcome": None if found is None else found.model_dump(mode="json"),
            "tokens": meter.prompt + meter.answer,
            "cpu_s": self._since - before,
        }
        if self._file is not None:
            with self._file.open("a") as out:
                out.write(json.dumps(line) + "\n")
        return line


async def predict(
    simulator: Simulator,
    world: World,
    rows: Iterable[CallRecord],
    name: str,
    file: Path | None = None,
    concurrency: int = 1,
) -> Score:
    """Predict calls."""
    made, room = Predictions(simulator, world, name, file), asyncio.Semaphore(concurrency)
    await asyncio.gather(*(made.add(record, room) for record in rows))
    return made.score


async def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    options.add_argument("--out", type=Path, required=True, help="folder for calls and predictions")
    options.add_argument("--model", type=Path, help="a GGUF file for llama.cpp; without it, Checked alone")
    options.add_argument("--rows", type=int, default=120, help="calls a world for the model, half failures")
    options.add_argument("--calls", type=int, default=1000, help="generated calls of BFCL")
    options.add_argument("--threads", type=int, default=1, help="of llama.cpp")
    options.add_argument("--concurrency", type=int, default=8, help="calls predicted at the same time")
    options.add_argument("--worlds", nargs="+", default=["pocket", "bfcl"])
    options.add_argument("--forms", nargs="+", default=list(FORMS), help="of the model's prompts")
    given = options.parse_args()
    warnings.filterwarnings("ignore")  # of the environments' own code
    worlds = [await asyncio.to_thread(load, name, given.out, given.calls) for name in given.worlds]
    for world in worlds:
        # calls of one tool after another, since their prompts begin with the same document
        rows = sorted(half_failures(world.rows, given.rows, 0), key=lambda record: record.call.tool)
        print(f"\n{world.name}, {digest(world.rows)}, {digest(rows)}\n{HEAD}")
        checked = Checked(restore=world.restore)
        print((await predict(checked, world, world.rows, "")).line("Checked alone, every call"))
        print((await predict(checked, world, rows, "")).line("Checked alone"), flush=True)
        if given.model is None:
            continue
        backend = resolve(
            f"llama_cpp:{given.model}",
            n_ctx=6144,
            max_tokens=240,
            max_concurrency=given.concurrency,
            n_threads=given.threads,
        )
        file = given.out / f"{world.name}-predictions.jsonl"
        simulators: dict[str, Simulator] = {
            name: LLMSimulator(backend, form=FORMS[name]) for name in given.forms
        }
        below = LLMSimulator(backend, form=FORMS["modes, look-up"])
        simulators["Checked, then modes, look-up"] = Ladder([checked, below])
        for name, simulator in simulators.items():
            score = await predict(simulator, world, rows, name, file, given.concurrency)
            print(score.line(name), flush=True)
        await backend.aclose()


if __name__ == "__main__":
    if os.environ.get("PYTHONHASHSEED") != "0":
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, "PYTHONHASHSEED": "0"})
    asyncio.run(main())
