"""`artis bench pocket`: the paper's comparison, on the model and the world that ship with the package."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date
from functools import partial
from pathlib import Path
from typing import Annotated, cast, get_args

import typer

from artis_sdk.cli import bench_options
from artis_sdk.cli.bench_links import bench_links
from artis_sdk.cli.bench_options import asked_cells, known, print_lines, with_progress
from artis_sdk.cli.bench_report import bench_report
from artis_sdk.cli.bench_world import bench_world
from artis_sdk.cli.demo import EngineName
from artis_sdk.cli.options import Threads
from artis_sdk.cli.output import Json, console
from artis_sdk.cli.workers import OnRay, Workers, worker_pool
from artis_sdk.evals.bench.cells import METHODS
from artis_sdk.evals.bench.controls import control_cells
from artis_sdk.evals.bench.pocket import PocketWorld
from artis_sdk.evals.bench.report import commits, costs, families, kinds, lines, plot, table
from artis_sdk.evals.bench.rows import read, write_settings
from artis_sdk.evals.bench.runner import Players, asked, measure
from artis_sdk.pocket.oracle import Kind
from artis_sdk.pocket.play import SIMULATORS, AgentName, SimulatorName, agent, engine, simulator
from artis_sdk.pocket.play import EngineName as EngineNameValue
from artis_sdk.pocket.tasks import FamiliesName
from artis_sdk.prompts import Style
from artis_sdk.view.text import plain

_EVERY_METHOD = ",".join(METHODS)

app = typer.Typer(help="Measure methods of test-time scaling.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Measure methods of test-time scaling."""


app.command("links")(bench_links)
app.command("world")(bench_world)
app.command("report")(bench_report)


@app.command("pocket")
def pocket(
    out: Annotated[Path, typer.Option(help="Folder for rows, tables and plot; a run found there continues.")],
    methods: bench_options.Methods = _EVERY_METHOD,
    simulators: Annotated[str, typer.Option(help="Simulators, comma-separated.")] = ",".join(SIMULATORS),
    tries: bench_options.Tries = "0,1,3,5,8",
    without: bench_options.Without = "",
    modes: bench_options.Modes = "",
    retries: bench_options.Retries = "0,3",
    count: bench_options.Tasks = 300,
    of_kinds: Annotated[
        str,
        typer.Option("--kinds", help=f"Only tasks of these kinds, of {', '.join(get_args(Kind))}."),
    ] = "",
    engine_name: Annotated[
        EngineName, typer.Option("--engine", help="Engine that runs the model.")
    ] = EngineName.llama,
    threads: Threads = None,
    concurrency: bench_options.Concurrency = 16,
    workers: Workers = None,
    ray: OnRay = False,
    seed: bench_options.Seed = 0,
    played: Annotated[
        FamiliesName, typer.Option("--families", help="Tasks: the bank's, traps of other kinds, or in turn.")
    ] = "bank",
    agent_name: Annotated[
        AgentName,
        typer.Option("--agent", help="The model as it is, which reports a refusal, or one that goes on."),
    ] = "plain",
    style: Annotated[
        Style, typer.Option(help="Prompts and advice: the paper's, which the model was trained on, or ours.")
    ] = "paper",
    as_json: Json = False,
) -> None:
    """Play held-out tasks with every method, simulator and number of attempts, and check the final states.

    Beside them play an idle agent and calls that fulfil each task.
    An interrupted run continues where it stopped when it is started again with the same --out.
    """
    played_by = asked_cells(
        methods, known(simulators, SIMULATORS, "simulator"), tries, without, modes, retries
    )
    settings = {"seed": seed, "engine": engine_name.value}
    settings |= {"style": style} if style != "paper" else {}
    settings |= {"families": played} if played != "bank" else {}
    settings |= {"agent": agent_name} if agent_name != "plain" else {}
    write_settings(out, settings)
    path = out / "rows.jsonl"
    world = PocketWorld(style, played)
    only = known(of_kinds, get_args(Kind), "kind")
    tasks = list(asked(world, count, seed, only))
    ids = {task.id for task in tasks}
    wanted = [*control_cells(tasks), *played_by]
    sequences = max(8, concurrency + concurrency // 2)  # waiting sequences keep their prefix in memory
    play = partial(
        measure,
        world,
        None,
        wanted=wanted,
        path=path,
        count=count,
        seed=seed,
        kinds=only,
        concurrency=concurrency,
        opening=partial(_players, engine_name.value, agent_name, threads, sequences),
    )
    asyncio.run(with_progress(play, wanted, len(ids), worker_pool(workers, ray), shown=not as_json))
    # The folder may hold rows of other cells, or of more tasks.
    found = lines(row for row in read(path) if row.cell in wanted and row.task in ids)
    tables = "\n".join([table(found), kinds(found), commits(found), families(found), costs(found)])
    (out / "tables.md").write_text(tables, encoding="utf-8")
    said = f"{date.today()}, the pocket model on {engine_name.value}, artis bench pocket, seed {seed}"
    (out / "accuracy.svg").write_text(plot(found, said), encoding="utf-8")
    print_lines(found, as_json=as_json)
    if not as_json:
        console.print(plain(f"tables: {out / 'tables.md'}   plot: {out / 'accuracy.svg'}"))


@asynccontextmanager
async def _players(
    name: EngineNameValue, acting: AgentName, threads: int | None, sequences: int
) -> AsyncIterator[Players]:
    """A worker's model, and its simulators by name."""
    backend = engine(name, threads=threads, sequences=sequences)
    try:
        yield Players(
            agent(acting, backend), None, lambda name: simulator(cast(SimulatorName, name), backend)
        )
    finally:
        await backend.aclose()
