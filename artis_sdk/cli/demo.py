"""`artis demo`: the whole idea in a minute, with a model that ships with the package; no key, no download."""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import nullcontext
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.panel import Panel
from rich.rule import Rule
from rich.table import Table

from artis_sdk.cli.output import Json, console, next_step, print_json
from artis_sdk.evals.bench.pocket import PocketInstance, PocketWorld
from artis_sdk.evals.bench.runner import PlayedTask, play
from artis_sdk.evals.bench.world import BenchmarkTask
from artis_sdk.loop.strategies import Direct, Hybrid
from artis_sdk.pocket.oracle import state_of
from artis_sdk.pocket.play import engine, simulator
from artis_sdk.records.brief import call_text
from artis_sdk.view.live import LiveView, outcome_text
from artis_sdk.view.picture import picture as picture_of
from artis_sdk.view.text import plain

SHOWN = ("order", "extra", "two", "simple", "own", "pay", "payee", "back")
"""Families of tasks, in the order in which they are shown. All but `simple` have a hidden obstacle; in the
first three it can come after a step that cannot be taken back."""


Played = PlayedTask[PocketInstance]


class EngineName(StrEnum):
    llama = "llama.cpp"
    vllm = "vllm"


class Simulated(StrEnum):
    failure_driven = "failure_driven"
    normal = "normal"
    untrained = "untrained"
    perfect = "perfect"


def demo(
    engine_name: Annotated[
        EngineName, typer.Option("--engine", help="Engine that runs the model.")
    ] = EngineName.llama,
    simulated: Annotated[
        Simulated,
        typer.Option(
            "--simulator",
            help="Simulator: a trained model, or (perfect) the bank's own code on a copy.",
        ),
    ] = Simulated.failure_driven,
    count: Annotated[int, typer.Option("--tasks", help="Held-out tasks to play.", min=1)] = 4,
    attempts: Annotated[int, typer.Option(help="Attempts in each of the two rounds.", min=1)] = 3,
    seed: Annotated[int, typer.Option(help="Seed of the tasks and of sampling.")] = 0,
    save: Annotated[Path, typer.Option(help="Write the plan of the first task here.")] = Path(
        "demo-plan.json"
    ),
    picture: Annotated[Path | None, typer.Option(help="Write the screen here, as an SVG.")] = None,
    as_json: Json = False,
) -> None:
    """Rehearse a few tasks of a small bank, then carry each out once; then without, to compare.

    The tasks are held out: the model has seen neither their names nor their amounts nor their wording. They
    are the first of each family whose obvious plan the bank refuses, and of the one with simple requests,
    which need no rehearsal; none is picked by its result.
    """
    if engine_name is EngineName.vllm:  # each process of vLLM reads it when it imports vLLM
        os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
    console.record = picture is not None
    began = time.monotonic()
    played = asyncio.run(_played(engine_name, simulated, count, attempts, seed, quiet=as_json))
    if as_json:
        print_json([_row(direct, rehearsed) for direct, rehearsed in played])
        return
    _print(played, time.monotonic() - began)
    if picture is not None:
        picture.write_text(picture_of(console, "artis demo"))
    save.write_text(played[0][1].results[-1].plan.model_dump_json())
    next_step(f"artis plan show {save} --open, the page of the first task's plan")
    next_step("artis bench pocket, the same over many tasks")


async def _played(
    engine_name: EngineName, simulated: Simulated, count: int, attempts: int, seed: int, *, quiet: bool
) -> list[tuple[Played, Played]]:
    found: list[tuple[Played, Played]] = []
    world = PocketWorld()
    backend = engine(engine_name.value)
    try:
        with tempfile.TemporaryDirectory() as folder:
            journal = Path(folder) / "journal.db"
            rehearsing = simulator(simulated.value, backend)
            strategy = Hybrid(width=attempts, rounds=2)
            for number, task in enumerate(islice(chosen(world, seed), count), 1):
                if not quiet:
                    console.print(Rule(plain(f"task {number} of {count}")))
                    console.print(plain(task.queries[0], style="bold", lines=True))
                direct = await play(world, task, backend, None, Direct(), journal=journal, seed=seed)
                if not quiet:
                    console.print(_direct(direct))
                view = LiveView(console)
                with nullcontext() if quiet else view:
                    rehearsed = await play(
                        world,
                        task,
                        backend,
                        rehearsing,
                        strategy,
                        journal=journal,
                        seed=seed,
                        on_event=None if quiet else view.on_event,
                    )
                if not quiet:
                    console.print(_books(rehearsed))
                found.append((direct, rehearsed))
    finally:
        await backend.aclose()
    return found


def chosen(world: PocketWorld, seed: int) -> Iterator[BenchmarkTask[PocketInstance]]:
    """Held-out tasks, the first of each family, in turn, without end. In each but the simple one the obvious
    plan is refused."""
    while True:
        for family in SHOWN:
            for task in world.tasks("held_out", seed=seed):
                if task.family == family and len(task.queries) == 1 and task.hidden is (family != "simple"):
                    yield task
                    break
        seed += 1


def _direct(finished: Played) -> Panel:
    """The calls and the answer of the task carried out without rehearsal."""
    lines = plain()
    for result in finished.results:
        for made in result.calls:
            lines.append_text(plain(call_text(made.call))).append("\n")
            lines.append_text(outcome_text(made.outcome)).append("\n")
        lines.append_text(plain(result.answer or "", style="italic", lines=True))
    verdict = "as asked" if finished.fulfilled else "the books are not as asked"
    style = "green" if finished.fulfilled else "red"
    return Panel(lines, title="without rehearsal, for real", subtitle=plain(verdict), border_style=style)


def _books(finished: Played) -> Panel:
    """The rows of the final state that the task has changed."""
    table = Table("", "before", "after", box=None)
    old: Any = state_of(finished.instance.task.bank)
    new: Any = state_of(finished.instance.bank)
    for key in sorted({*old["rows"], *new["rows"]}):
        rows = [_told(key, state["rows"].get(key)) for state in (old, new)]
        if rows[0] != rows[1]:
            table.add_row(key, *rows)
    if not table.row_count:
        table.add_row("nothing has changed", "", "")
    verdict = "as asked" if finished.fulfilled else "not as asked"
    style = "green" if finished.fulfilled else "red"
    return Panel(table, title="final state of the books", subtitle=plain(verdict), border_style=style)


def _told(key: str, row: dict[str, str] | None) -> str:
    """A row of the books in words, see `state_of`."""
    if row is None:
        return ""
    numbers = row["is"].split()
    match key[0]:
        case "A":
            currency, status, free, limit, left = numbers
            return f"{row['of']}, {status}: {free} {currency}, may send {left} of {limit}"
        case "H":
            return f"{numbers[0]} held on {row['of']}"
        case _:
            return f"{numbers[0]} from {row['of']} to {row['to']}, {' '.join(numbers[1:])}"


def _print(played: list[tuple[Played, Played]], seconds: float) -> None:
    heads = ("task", "obvious plan", "without rehearsal", "with rehearsal")
    table = Table(*heads, title="The books at the end, each task carried out once for real")
    for direct, rehearsed in played:
        table.add_row(
            direct.task.queries[0],
            "is refused" if direct.task.hidden else "works",
            *("as asked" if done.fulfilled else "✗ not as asked" for done in (direct, rehearsed)),
        )
    reached = [sum(done.fulfilled for done in way) for way in zip(*played, strict=True)]
    counts = (
        f"as asked: {reached[0]} of {len(played)} without rehearsal, {reached[1]} of {len(played)} with it"
    )
    table.caption = plain(f"{counts}; {seconds:.0f} seconds in all")
    console.print(table)


def _row(direct: Played, rehearsed: Played) -> dict[str, Any]:
    return {
        "task": direct.task.id,
        "family": direct.task.family,
        "query": direct.task.queries[0],
        "direct": direct.fulfilled,
        "rehearsed": rehearsed.fulfilled,
        "recommendation": rehearsed.results[0].plan.guidance,
        "usage": {role.value: used for role, used in rehearsed.usage.items()},
    }
