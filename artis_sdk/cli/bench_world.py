"""`artis bench world`: methods compared on any world, with any model in each role."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import date
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from artis_sdk.backends import resolve
from artis_sdk.cli import bench_options
from artis_sdk.cli.bench_options import asked_cells, known, print_lines, with_progress
from artis_sdk.cli.output import Json, console
from artis_sdk.cli.workers import OnRay, Workers, worker_pool
from artis_sdk.contracts import Backend
from artis_sdk.errors import ConfigurationError
from artis_sdk.evals.bench.cells import BenchCell
from artis_sdk.evals.bench.controls import control_cells
from artis_sdk.evals.bench.named_worlds import SIMULATORS, WORLDS, named_world, simulators_of
from artis_sdk.evals.bench.page import bench_page
from artis_sdk.evals.bench.paired import paired_table, pairs
from artis_sdk.evals.bench.report import commits, costs, families, kinds, lines, plot, table
from artis_sdk.evals.bench.rows import read, write_settings
from artis_sdk.evals.bench.runner import Players, asked, measure
from artis_sdk.settings import load_settings
from artis_sdk.view.text import plain


def bench_world(
    world: Annotated[str, typer.Argument(help=f"{', '.join(WORLDS)}, or package.module:object for yours.")],
    out: Annotated[Path, typer.Option(help="Folder for rows, tables and page; a run found there continues.")],
    agent: Annotated[
        str | None, typer.Option(help="Backend of the agent, as openai:gpt-5-mini; else the setting `agent`.")
    ] = None,
    judge: Annotated[
        str | None, typer.Option(help="Backend of judge and advisor; by default the agent's.")
    ] = None,
    simulator: Annotated[
        str | None, typer.Option(help="Backend of simulators that ask a model; by default the agent's.")
    ] = None,
    simulators: Annotated[str, typer.Option(help=f"Of {', '.join(SIMULATORS)}; several separated by ;.")] = (
        "sandbox"
    ),
    methods: bench_options.Methods = "direct,sequential",
    tries: bench_options.Tries = "3",
    without: bench_options.Without = "",
    modes: bench_options.Modes = "",
    retries: bench_options.Retries = "3",
    count: bench_options.Tasks = 40,
    concurrency: bench_options.Concurrency = 4,
    folder: Annotated[
        Path | None, typer.Option("--path", help="Checkout of ACEBench or tau2-bench, for their worlds.")
    ] = None,
    workers: Workers = None,
    ray: OnRay = False,
    seed: bench_options.Seed = 0,
    as_json: Json = False,
) -> None:
    """Compare methods on a world's held-out tasks, which its own check judges.

    Beside them play an idle agent and, where the world knows them, the calls that fulfil each task. Backends
    take their options from the setting `backends`, and roles their sampling from `sampling`. An
    interrupted run continues where it stopped when it is started again with the same --out.
    """
    model = agent or load_settings().agent
    if not isinstance(model, str) or ":" not in model:
        raise ConfigurationError("name the agent's backend: --agent openai:gpt-5-mini")
    methods_asked = asked_cells(
        methods, known(simulators, SIMULATORS, "simulator", separator=";"), tries, without, modes, retries
    )
    roles = {"agent": model, "judge": judge or model, "simulator": simulator or model}
    sampled = {role: one.model_dump(exclude_none=True) for role, one in load_settings().sampling.items()}
    settings = {"world": world, "seed": seed, **roles}
    write_settings(out, {**settings, "sampling": sampled} if sampled else settings)
    played = named_world(world, folder)
    tasks = list(asked(played, count, seed))
    ids = {task.id for task in tasks}
    wanted = [*control_cells(tasks), *methods_asked]
    path = out / "rows.jsonl"
    measuring = partial(
        measure,
        played,
        None,
        wanted=wanted,
        path=path,
        count=count,
        seed=seed,
        concurrency=concurrency,
        opening=partial(_players, world, roles),
    )
    pool = worker_pool(workers, ray)
    asyncio.run(with_progress(measuring, wanted, len(ids), pool, shown=not as_json))
    rows = [row for row in read(path) if row.cell in wanted and row.task in ids]
    found = lines(rows)
    against = _baseline(methods_asked)
    title = f"{world}: {model}, {date.today()}, seed {seed}"
    parts = [table(found), paired_table(pairs(rows, against)), kinds(found), commits(found)]
    tables = "\n".join([*parts, families(found), costs(found)])
    (out / "tables.md").write_text(tables, encoding="utf-8")
    (out / "accuracy.svg").write_text(plot(found, title), encoding="utf-8")
    (out / "page.html").write_text(bench_page(rows, title, against), encoding="utf-8")
    print_lines(found, as_json=as_json)
    if not as_json:
        console.print(plain(f"tables: {out / 'tables.md'}   page: {out / 'page.html'}"))


def _baseline(wanted: list[BenchCell]) -> BenchCell:
    """The direct setting with the most retries; without one the first setting."""
    direct = [cell for cell in wanted if cell.method == "direct"]
    return max(direct, key=lambda cell: cell.retries, default=wanted[0])


@asynccontextmanager
async def _players(world: str, roles: dict[str, str]) -> AsyncIterator[Players]:
    """A worker's models, each once, and its simulators by name."""
    options = load_settings().backends
    async with AsyncExitStack() as stack:
        made: dict[str, Backend] = {}
        for name in dict.fromkeys(roles.values()):
            made[name] = resolve(name, **options.get(name, {}))
            stack.push_async_callback(made[name].aclose)
        judge = None if roles["judge"] == roles["agent"] else made[roles["judge"]]
        yield Players(made[roles["agent"]], judge, simulators_of(world, made[roles["simulator"]]))
