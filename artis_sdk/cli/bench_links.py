"""`artis bench links`: where the loop loses what its attempts found."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from pathlib import Path
from typing import Annotated

import typer

from artis_sdk.backends import resolve
from artis_sdk.cli.bench_options import known
from artis_sdk.cli.options import Threads
from artis_sdk.cli.output import Json, console, errors, print_json
from artis_sdk.evals.bench.links import LINKS, Case, LinkRow, Links, cases, measure_links, read_rows
from artis_sdk.evals.bench.links_report import link_lines, link_table
from artis_sdk.evals.bench.rows import write_settings
from artis_sdk.pocket.chat import pocket_prompts
from artis_sdk.pocket.play import engine
from artis_sdk.prompts import Prompts, Style
from artis_sdk.records import Sampling
from artis_sdk.view.text import plain

_PROMPTS = 8
"""Sequences of llama.cpp beside the requests under way: the long prompts of the roles stay in memory."""


def bench_links(
    out: Annotated[Path, typer.Option(help="Folder for rows and table; a run found there continues.")],
    agent: Annotated[
        str, typer.Option(help="pocket, or the backend of another model, such as llama_cpp:FILE.")
    ] = "pocket",
    count: Annotated[int, typer.Option("--cases", help="Cases of each link.", min=1)] = 50,
    attempts: Annotated[int, typer.Option("--n", help="Rehearsals for pass@N.", min=1)] = 3,
    style: Annotated[
        Style | None, typer.Option(help="Style of judge and agent: paper for the pocket model, else ours.")
    ] = None,
    temperature: Annotated[float | None, typer.Option(help="Temperature of the agent.", min=0)] = None,
    top_p: Annotated[float | None, typer.Option(help="Share of the probability that is kept.", min=0)] = None,
    context: Annotated[int | None, typer.Option(help="Context of llama.cpp, in tokens.", min=1)] = None,
    threads: Threads = None,
    concurrency: Annotated[int, typer.Option(help="Cases under way at the same time.", min=1)] = 4,
    only: Annotated[
        str, typer.Option("--links", help=f"Only these links, comma-separated, of {', '.join(LINKS)}.")
    ] = ",".join(LINKS),
    seed: Annotated[int, typer.Option(help="Seed of the tasks.")] = 0,
    as_json: Json = False,
) -> None:
    """Measure each link of the loop by itself, on held-out tasks of the pocket bank, labelled by its oracle.

    Agent, judge, summary and commit each get what the link before it should have given, so that no competent
    agent is needed. An interrupted run continues where it stopped.
    """
    pocket = agent == "pocket"
    style = style or ("paper" if pocket else "ours")
    sampled = {"n": attempts, "temperature": temperature, "top_p": top_p}
    write_settings(out, {"agent": agent, "seed": seed, "style": style, **sampled})
    path = out / "rows.jsonl"
    wanted = list(cases(count, seed))
    chosen = known(only, LINKS, "link")
    sampling = Sampling(temperature=temperature, top_p=top_p)
    measured = _measure(agent, style, attempts, sampling, wanted, path, concurrency, threads, context, chosen)
    asyncio.run(measured)
    ids = {case.task.id for case in wanted}
    found = link_lines(row for row in read_rows(path) if row.task in ids)
    (out / "table.md").write_text(link_table(found), encoding="utf-8")
    if as_json:
        print_json([line._asdict() for line in found])
        return
    for line in found:
        console.print(plain(f"{line.name}: {line.hits} of {line.share.n}, {line.share}"))
    console.print(plain(f"table: {out / 'table.md'}"))


async def _measure(
    agent: str,
    style: Style,
    attempts: int,
    sampling: Sampling,
    wanted: list[Case],
    path: Path,
    concurrency: int,
    threads: int | None,
    context: int | None,
    chosen: Collection[str],
) -> None:
    sequences = concurrency * attempts + _PROMPTS
    given = {"n_threads": threads, "n_ctx": context, "max_concurrency": sequences}
    kept = given if agent.startswith("llama_cpp:") else {}
    options = {name: value for name, value in kept.items() if value is not None}
    backend = engine(threads=threads, sequences=sequences) if agent == "pocket" else resolve(agent, **options)
    prompts = pocket_prompts if agent == "pocket" else _ours

    def on_row(row: LinkRow) -> None:
        errors.print(plain(f"{row.task} {row.link}: {row.error or list(row.right)}"))

    links = Links(backend, prompts, style=style, attempts=attempts, options={"sampling": {"agent": sampling}})
    try:
        await measure_links(links, wanted, path, concurrency=concurrency, only=chosen, on_row=on_row)
    finally:
        await backend.aclose()


def _ours(style: Style) -> Prompts:
    return Prompts(style=style)
