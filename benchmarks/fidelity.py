"""Held-out fidelity of simulators that need no model, on BFCL-v3 multi-turn tools: table 2's columns.

The log: the benchmark's ground truth, played on its environments, and generated tasks (mutation and
property-based calls) in a sandbox over the same code. Tasks are split by their index, so that nothing
held out shares an environment with what is known. Each simulator knows equally many rows of each kind of
data: the ground truth as it is (normal), ground truth and generated rows drawn as they are (generated), or
by equation 6 (failure-driven).

    python benchmarks/fidelity.py [--held-out 800] [--calls 5000] [--out DIR]

About two CPU minutes, of which half goes into the encoder. Set PYTHONHASHSEED=0 for the same rows twice, up
to what the environments draw at random: they iterate over sets. The rows of each kind go into DIR too, as
JSON lines, for a model to be trained on the same and measured by
`artis eval simulator DIR/held-out.jsonl --split all`.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import time
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from artis_sdk.contracts import Simulator
from artis_sdk.evals.bfcl import BFCLTask, guard, load_tasks, parse_ground_truth
from artis_sdk.evals.fidelity import measure
from artis_sdk.evals.fidelity_records import Fidelity
from artis_sdk.evals.intervals import Estimate
from artis_sdk.evals.report import Report
from artis_sdk.evals.similarity import Similarity
from artis_sdk.evals.trust import judge
from artis_sdk.logs import CallLog, export_jsonl
from artis_sdk.records import CallRecord, History, Provenance, Step
from artis_sdk.records.outcome_type import outcome_type
from artis_sdk.simulators import MajoritySimulator, ReplaySimulator, RetrievalSimulator
from artis_sdk.trainers.generate import Budget, World, generate
from artis_sdk.trainers.rebalance import Rebalance, distribute

EVERY = 5  # each fifth task is held out

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
    tools = guard(task.instances())
    state, history, rows = tools.state(), History(), list[CallRecord]()
    for number, text in enumerate(text for turn in task.ground_truth for text in turn):
        call = parse_ground_truth(text, tools)
        tool = tools[call.tool]
        made = tool.parse(call)
        try:
            value = getattr(tool.owner, tool.name)(*made.args, **made.kwargs)
            outcome = tool.outcome(value, Provenance.REAL)
        except Exception as error:  # noqa: BLE001 - whatever a tool raises is its outcome
            outcome = tool.outcome_of_error(error, Provenance.REAL)
        rows.append(
            CallRecord(
                id=f"{task.id}-{number}",
                at=float(number),
                session=task.id,
                spec=tool.spec,
                call=call,
                state=state,
                history=history,
                outcome=outcome,
            )
        )
        history = (*history, Step(call=call, outcome=outcome))
    return rows


async def logs(
    tasks: Sequence[BFCLTask], calls: int, seed: int, folder: Path
) -> tuple[list[CallRecord], list[CallRecord]]:
    """Ground truth and generated rows of some tasks."""
    played = [record for task in tasks for record in play(task)]
    worlds = [World(guard(task.instances()), session=task.id) for task in tasks]
    with CallLog(folder / f"{seed}.db") as out:
        done = await generate(worlds, played, Budget(calls=calls), seed, out=out)
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


async def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    options.add_argument("--held-out", type=int, default=800, help="rows to measure on")
    options.add_argument("--calls", type=int, default=5000, help="of generation, over both sides")
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--out", type=Path, help="folder for the reports")
    given = options.parse_args()
    warnings.filterwarnings("ignore")  # of the environments' own code
    began = time.process_time()
    tasks = load_tasks("base")
    with TemporaryDirectory() as folder:
        print("known:")
        learned = [task for n, task in enumerate(tasks) if n % EVERY]
        played, generated = await logs(learned, given.calls * 4 // 5, given.seed, Path(folder))
        print("held out:")
        others = await logs(tasks[::EVERY], given.calls // 5, given.seed + 1, Path(folder))
    both = [*others[0], *others[1]]
    held_out = random.Random(given.seed).sample(both, min(given.held_out, len(both)))
    data = {
        "normal": played,
        "generated": drawn([*played, *generated], len(played), 0.0, given.seed),
        "failure-driven": drawn([*played, *generated], len(played), 1.0, given.seed),
    }
    print(f"held out are {len(held_out):,} rows, {failing(held_out):.1%} of them failures")
    for kind, own in data.items():
        different = len(set(map(id, own)))
        print(f"{kind}: {len(own):,} rows, {different:,} different, {failing(own):.1%} failures")
    if given.out is not None:
        given.out.mkdir(parents=True, exist_ok=True)
        for kind, own in {**data, "held-out": held_out}.items():
            export_jsonl(own, given.out / f"{kind}.jsonl")
    print(f"{time.process_time() - began:.0f} s of CPU so far, without that of the sandbox's processes")
    similarity = Similarity()
    print(f"\npercent, with half of the 95% interval\n{HEAD}")
    found: dict[tuple[str, str], Fidelity] = {}
    for name, make in SIMULATORS.items():
        for kind, own in data.items():
            label = f"{name}, {kind}"
            one = await measure(make(own), held_out, name=label, data="BFCL-v3", similarity=similarity)
            found[name, kind] = one
            print(line(label, one), flush=True)
            if given.out is not None:
                Report(fidelity=one, trust=judge(one)).write(
                    given.out / label.replace(", ", "-").replace(" ", "-")
                )
    print()
    for name in SIMULATORS:
        before, after = (
            found[name, kind].overall.failure_recall.value or 0.0 for kind in ("normal", "failure-driven")
        )
        word = "up" if after > before else "down" if after < before else "as it was"
        print(f"{name}: failure recall {word} at equal budget, {before:.1%} to {after:.1%}")
    print(f"{time.process_time() - began:.0f} s of CPU")


if __name__ == "__main__":
    asyncio.run(main())
