"""Held-out fidelity on BFCL-v3 multi-turn tools: table 2's columns, for simulators without and with a model.

The log: the benchmark's ground truth, played on its environments, and generated tasks (mutation and
property-based calls) in a sandbox over the same code. Tasks are split by their index, so that nothing
held out shares an environment with what is known. Each simulator knows equally many rows of each kind of
data: the ground truth as it is (normal), ground truth and generated rows drawn as they are (generated), or
by equation 6 (failure-driven).

    python benchmarks/fidelity.py --out DIR [--held-out 800] [--calls 5000] [--model]

About three CPU minutes, of which most goes into the encoder; with --model about sixty. Set PYTHONHASHSEED=0
for the same rows twice, up to what the environments draw at random: they iterate over sets. What DIR holds
already, rows, models and predictions, is not made again.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import time
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from contextlib import aclosing
from pathlib import Path
from tempfile import TemporaryDirectory

from ground_truth import made_calls

from artis_sdk.contracts import Simulator
from artis_sdk.evals.bench.bfcl import HELD_OUT_EVERY, BFCLTask, guard, load_tasks
from artis_sdk.evals.fidelity.measurement import measure
from artis_sdk.evals.fidelity.records import Fidelity
from artis_sdk.evals.fidelity.report import Report
from artis_sdk.evals.fidelity.similarity import Similarity
from artis_sdk.evals.fidelity.trust import judge
from artis_sdk.evals.intervals import Estimate
from artis_sdk.logs import CallLog, export_jsonl, read_jsonl
from artis_sdk.records import CallRecord, Provenance
from artis_sdk.records.outcome_type import outcome_type
from artis_sdk.simulators import LLMSimulator, MajoritySimulator, ReplaySimulator, RetrievalSimulator
from artis_sdk.trainers.dataset.rebalance import Rebalance, distribute
from artis_sdk.trainers.generate import GenerationBudget, StartState, generate

KINDS = ("normal", "generated", "failure-driven")
HELD_OUT = "held-out"

SIMULATORS: dict[str, Callable[[Iterable[CallRecord]], Simulator]] = {
    "majority": MajoritySimulator,
    "nearest neighbour": RetrievalSimulator,
    "replay": lambda rows: ReplaySimulator(map(as_real, rows)),
}


def as_real(record: CallRecord) -> CallRecord:
    """A sandboxed row as a real one: here the sandboxed code is all the reality there is, and a replay
    takes in real rows only."""
    outcome = record.outcome.model_copy(update={"provenance": Provenance.REAL})
    return record.model_copy(update={"outcome": outcome})


def play(task: BFCLTask) -> list[CallRecord]:
    """The task's ground truth, really called."""
    return [
        CallRecord(
            id=f"{task.id}-{number}",
            at=float(number),
            session=task.id,
            spec=made.tool.spec,
            call=made.call,
            state=made.state,
            history=made.history,
            outcome=made.outcome,
        )
        for number, made in enumerate(made_calls(task))
    ]


async def logs(
    tasks: Sequence[BFCLTask], calls: int, seed: int, folder: Path
) -> tuple[list[CallRecord], list[CallRecord]]:
    """Ground truth and generated rows of some tasks."""
    played = [record for task in tasks for record in play(task)]
    worlds = [StartState(guard(task.instances()), session=task.id) for task in tasks]
    with CallLog(folder / f"{seed}.db") as out:
        done = await generate(worlds, played, GenerationBudget(calls=calls), seed, out=out)
        print(f"  {len(played):,} calls of ground truth, {failing(played):.1%} of them failures")
        print(f"  {done.rows:,} generated, which reach {done.coverage.share:.0%} of the known failure modes")
        return played, list(out.records())


def drawn(rows: Sequence[CallRecord], count: int, exponent: float, seed: int) -> list[CallRecord]:
    """`count` rows drawn from a pool by equation 6; exponent 0 draws them as they are."""
    cells: dict[tuple[str, str], list[CallRecord]] = defaultdict(list)
    for row in rows:
        cells[row.call.tool, outcome_type(row.outcome, row.call)].append(row)
    counts = [(tool, type_, len(own)) for (tool, type_), own in cells.items()]
    settings = Rebalance(exponent=exponent, target=count)
    choice = random.Random(seed)
    found: list[CallRecord] = []
    for cell in distribute(counts, settings).cells:
        own = cells[cell.tool, cell.type]
        whole, part = divmod(cell.draws, 1.0)
        draws = int(whole) + (choice.random() < part)
        times, left = divmod(draws, len(own))
        found += own * times + choice.sample(own, left)
    return found


def failing(rows: Sequence[CallRecord]) -> float:
    return sum(outcome_type(row.outcome, row.call) != "success" for row in rows) / len(rows)


HEAD = f"{'':34}" + "".join(
    f"{name:>15}"
    for name in ("similarity", "HF ratio", "exact", "fail. recall", "precision", "cells: HF", "cells: exact")
)


def line(name: str, found: Fidelity) -> str:
    overall, cells = found.overall, found.cells
    columns = (
        overall.similarity,
        overall.high_fidelity,
        overall.exact,
        overall.failure_recall,
        overall.failure_precision,
        cells.high_fidelity,
        cells.exact,
    )
    return f"{name:34}" + "".join(f"{cell(one):>15}" for one in columns)


def cell(found: Estimate) -> str:
    if found.value is None or found.low is None or found.high is None:
        return "-"
    return f"{found.value * 100:.1f} ±{(found.high - found.low) * 50:.1f}"


async def make(calls: int, seed: int, held_out: int) -> dict[str, list[CallRecord]]:
    """The rows of each kind, and those to measure on."""
    began = time.process_time()
    tasks = load_tasks("base")
    with TemporaryDirectory() as folder:
        print("known:")
        learned = [task for n, task in enumerate(tasks) if n % HELD_OUT_EVERY]
        played, generated = await logs(learned, calls * 4 // 5, seed, Path(folder))
        print("held out:")
        others = await logs(tasks[::HELD_OUT_EVERY], calls // 5, seed + 1, Path(folder))
    both = [*others[0], *others[1]]
    print(f"{time.process_time() - began:.0f} s of CPU, without that of the sandbox's processes")
    return {
        "normal": played,
        "generated": drawn([*played, *generated], len(played), 0.0, seed),
        "failure-driven": drawn([*played, *generated], len(played), 1.0, seed),
        HELD_OUT: random.Random(seed).sample(both, min(held_out, len(both))),
    }


def made(folder: Path, calls: int, seed: int, held_out: int) -> dict[str, list[CallRecord]]:
    """The rows, from the folder where they are there."""
    files = {kind: folder / f"{kind}.jsonl" for kind in (*KINDS, HELD_OUT)}
    if not all(file.exists() for file in files.values()):
        folder.mkdir(parents=True, exist_ok=True)
        for kind, rows in asyncio.run(make(calls, seed, held_out)).items():
            export_jsonl(rows, files[kind])
    return {kind: [r for r in read_jsonl(f) if isinstance(r, CallRecord)] for kind, f in files.items()}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    options.add_argument("--held-out", type=int, default=800, help="rows to measure on")
    options.add_argument("--calls", type=int, default=5000, help="of generation, over both sides")
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--out", type=Path, required=True, help="folder for rows, reports and models")
    options.add_argument("--model", action="store_true", help="also train a model on each kind")
    options.add_argument("--steps", type=int, default=400, help="of its base, of 4,096 tokens")
    options.add_argument("--epochs", type=int, default=6, help="of its adapters")
    options.add_argument("--rate", type=float, default=3e-3, help="learning rate of its adapters")
    given = options.parse_args()
    warnings.filterwarnings("ignore")  # of the environments' own code
    data = made(given.out, given.calls, given.seed, given.held_out)
    held_out = data.pop(HELD_OUT)
    print(f"held out are {len(held_out):,} rows, {failing(held_out):.1%} of them failures")
    for kind, own in data.items():
        different = len({row.id for row in own})
        print(f"{kind}: {len(own):,} rows, {different:,} different, {failing(own):.1%} failures")
    asyncio.run(compare(given, data, held_out))


async def compare(
    given: argparse.Namespace, data: dict[str, list[CallRecord]], held_out: list[CallRecord]
) -> None:
    """Measure every simulator with every kind of data, and print a line for each."""
    similarity = Similarity()
    print(f"\npercent, with half of the 95% interval\n{HEAD}")
    found: dict[tuple[str, str], Fidelity] = {}

    async def show(name: str, kind: str, simulator: Simulator) -> None:
        label = f"{name}, {kind}"
        folder = given.out / label.replace(", ", "-").replace(" ", "-")
        one = await measure(
            simulator, held_out, name=label, data="BFCL-v3", folder=folder, similarity=similarity
        )
        found[name, kind] = one
        print(line(label, one), flush=True)
        Report(fidelity=one, trust=judge(one)).write(folder)

    for name, learn in SIMULATORS.items():
        for kind, own in data.items():
            await show(name, kind, learn(own))
    if given.model:
        import fidelity_model as small
        from fidelity_base import make_base

        owners = [type(tool.owner) for task in load_tasks("base") for tool in guard(task.instances())]
        base = make_base(
            given.out / "base",
            data["normal"],
            list(dict.fromkeys(owners)),
            small.maker(),
            given.steps,
            given.seed,
        )
        for kind in ("normal", "failure-driven"):
            folder = given.out / f"model-{kind}"
            adapter = small.train(base, data[kind], folder, given.epochs, given.rate, given.seed)
            async with aclosing(small.backend(adapter, folder)) as backend:
                await show("trained model", kind, LLMSimulator.trained(adapter, backend, max_tokens=96))
    print()
    for name in dict.fromkeys(name for name, _ in found):
        before, after = (
            found[name, kind].overall.failure_recall.value or 0.0 for kind in ("normal", "failure-driven")
        )
        word = "up" if after > before else "down" if after < before else "as it was"
        print(f"{name}: failure recall {word} at equal budget, {before:.1%} to {after:.1%}")


if __name__ == "__main__":
    main()
