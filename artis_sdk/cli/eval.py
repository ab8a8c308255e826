"""`artis eval simulator`: how well a simulator predicts held-out calls, and which tools to trust it with."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, Any, cast

import typer
from pydantic import JsonValue
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TimeRemainingColumn
from rich.table import Table

from artis_sdk.backends import resolve
from artis_sdk.cli.eval_data import HeldOut, Part, Records, held_out, records_of, training_records
from artis_sdk.cli.output import Json, console, errors, next_step, print_json
from artis_sdk.cli.workers import OnRay, Workers, worker_pool
from artis_sdk.contracts import Simulator, Tool
from artis_sdk.errors import ConfigurationError
from artis_sdk.evals.fidelity.measurement import Stage, measure
from artis_sdk.evals.fidelity.records import Fidelity
from artis_sdk.evals.fidelity.report import Report, between, percent
from artis_sdk.evals.fidelity.trust import TrustRules, judge
from artis_sdk.pocket import play
from artis_sdk.pocket.weights import ADAPTERS
from artis_sdk.settings import load_object, load_settings
from artis_sdk.simulators import FROM_LOG, Checked, Ladder, LLMSimulator, PromptForm
from artis_sdk.simulators.form import FORM_PARTS, named_form
from artis_sdk.simulators.named import is_registered, registered_simulator
from artis_sdk.store_address import log_address, shown_address
from artis_sdk.view.screen import label
from artis_sdk.view.text import plain

app = typer.Typer(help="Measure simulators.", no_args_is_help=True)

_RULES = TrustRules()
_SHOWN = 12  # tools in the table


@app.command("simulator")
def simulator(
    data: Annotated[
        str,
        typer.Argument(
            help="A call log, a file or a URL; its export; or the --out folder of `artis train simulator`."
        ),
    ],
    simulator: Annotated[
        str,
        typer.Option(
            help=f"A backend such as openai:MODEL; {', '.join(FROM_LOG)}, which look calls up in the "
            "training split (retrieval:FILE: in another log); checked, which computes from the source of "
            "--tools (checked:MODULE:NAME: with a restore hook), also before another: checked,openai:MODEL; "
            "python:MODULE:NAME, your own Simulator; or "
            "pocket:failure_driven, from the model that ships with the package."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder for report, predictions and trust file.")],
    trained: Annotated[Path | None, typer.Option(help="Adapter folder, whose prompt form is used.")] = None,
    adapter: Annotated[str | None, typer.Option(help="Adapter's name at the backend.")] = None,
    form: Annotated[
        str | None,
        typer.Option(
            help=f"What an untrained model's prompt shows: {', '.join(FORM_PARTS)}, joined by commas. "
            "modes and source need --tools."
        ),
    ] = None,
    split: Annotated[Part, typer.Option(help="Split to measure on.")] = "test",
    limit: Annotated[int, typer.Option(help="Maximum number of rows.", min=1)] = 20_000,
    tools: Annotated[
        str | None,
        typer.Option(help="The real tools, as `module:name`; their failures= rules classify answers."),
    ] = None,
    samples: Annotated[
        int,
        typer.Option(
            help="Predictions per call for its failure probability; 0: log-probabilities.",
            min=0,
        ),
    ] = 0,
    similarity: Annotated[bool, typer.Option(help="Measure similarity if its encoder is installed.")] = True,
    concurrency: Annotated[
        int, typer.Option(help="Calls predicted at the same time, by each worker.", min=1)
    ] = 8,
    workers: Workers = None,
    ray: OnRay = False,
    min_rows: Annotated[
        int, typer.Option(help="Least held-out calls of a tool for a verdict.")
    ] = _RULES.min_rows,
    failure_recall: Annotated[
        float, typer.Option(help="Lower bound of a trusted tool's failure recall.")
    ] = _RULES.failure_recall,
    fidelity: Annotated[
        float, typer.Option(help="Lower bound of a trusted tool's HF ratio.")
    ] = _RULES.fidelity,
    seed: Annotated[int, typer.Option(help="Seed of the split, the intervals and the samples.")] = 0,
    as_json: Json = False,
) -> None:
    """Predict held-out calls, compare with their real outcomes, and judge each tool.

    An interrupted run continues where it stopped when it is started again in the same way.
    """
    rules = TrustRules(min_rows=min_rows, failure_recall=failure_recall, fidelity=fidelity)
    rows = held_out(data, split, limit=limit, seed=seed)
    name = simulator if trained is None else f"{simulator} + {trained}"
    if form is not None:
        if trained is not None:
            raise ConfigurationError("--form is for untrained models: a trained one keeps its own form")
        name = f"{name} ({form})"
    if tools is None and simulator.split(",")[0].split(":")[0] == "checked":
        raise ConfigurationError("checked computes from the tools' source: pass --tools MODULE:NAME")
    shown = None if form is None else named_form(form)

    where = log_address(data)
    setting: dict[str, JsonValue] = {
        "data": shown_address(where.resolve() if isinstance(where, Path) else where),
        "split": split,
        "limit": limit,
        "tools": tools,
        "adapter": adapter,
    }
    made = (simulator, trained, adapter, shown)
    training = partial(training_records, data, split, limit=limit, seed=seed)

    async def run() -> Fidelity:
        async with AsyncExitStack() as stack:
            measured = _simulator(simulator, trained, adapter, shown, rows.training, stack)
            pool = await stack.enter_async_context(worker_pool(workers, ray))
            with _watching(len(rows.records), shown=not as_json) as progress:
                return await measure(
                    measured,
                    rows.records,
                    name=name,
                    data=f"{shown_address(data)} ({split})",
                    tools=() if tools is None else load_object(tools),
                    folder=out,
                    similarity="auto" if similarity else None,
                    samples=samples,
                    concurrency=concurrency,
                    seed=seed,
                    setting=setting,
                    progress=progress,
                    pool=pool,
                    opening=None if pool is None else partial(_opened, made, training, tools),
                )

    found = asyncio.run(run())
    found.require_answers()
    report = Report(fidelity=found, trust=judge(found, rules))
    page = report.write(out)
    beside = None if trained is None else report.trust.write(trained)
    if as_json:
        print_json(
            {
                "report": str(page),
                "duplicates": rows.duplicates,
                "verdicts": report.verdicts,
                "trust": report.trust,
                "fidelity": found,
            }
        )
        return
    _print(report, rows)
    console.print(plain(f"report: {page}"), soft_wrap=True)
    if beside is not None:
        console.print(plain(f"trust:  {beside}"), soft_wrap=True)
    if report.verdicts["trusted"]:
        next_step(f'Session(simulator=..., trust="{trained or out}") rehearses with the trusted tools only')
    else:
        next_step(
            "train it on more failures: artis generate makes them, artis train simulator draws them often"
        )


@asynccontextmanager
async def _opened(
    made: tuple[str, Path | None, str | None, PromptForm | None], training: Records, tools: str | None
) -> AsyncIterator[tuple[Simulator, Iterable[Tool]]]:
    """A worker's simulator, and the real tools."""
    load_settings()  # it says what counts as a failure
    async with AsyncExitStack() as stack:
        yield _simulator(*made, training, stack), () if tools is None else load_object(tools)


def _simulator(
    name: str,
    trained: Path | None,
    adapter: str | None,
    form: PromptForm | None,
    training: Records,
    stack: AsyncExitStack,
) -> Simulator:
    """The simulator to measure.

    Raises:
        ConfigurationError: no simulator has this name.
    """
    first, _, below = name.partition(",")
    kind, _, rest = first.partition(":")
    if kind == "checked":
        rung = Checked(restore=load_object(rest) if rest else None)
        return Ladder([rung, _simulator(below, trained, adapter, form, training, stack)]) if below else rung
    kind, _, rest = name.partition(":")
    if kind in FROM_LOG:
        return FROM_LOG[kind](records_of(rest) if rest else training())
    if is_registered(name):
        return registered_simulator(name)
    if kind == "python":
        return _own(rest)
    if kind == "pocket":
        return _pocket(rest, stack)
    options: dict[str, Any] = dict(load_settings().backends.get(name, {}))
    if kind == "vllm" and trained is not None and adapter is not None and not options.keys() & _SERVED:
        options["adapters"] = {adapter: trained}
    backend = resolve(name, **options)
    stack.push_async_callback(backend.aclose)
    if trained is not None:
        return LLMSimulator.trained(trained, backend, adapter=adapter)
    return LLMSimulator(backend, adapter=adapter, form=form)


def _pocket(name: str, stack: AsyncExitStack) -> Simulator:
    """A simulator of the shipped model, on llama.cpp."""
    if name not in _POCKET:
        raise ConfigurationError(f"unknown pocket simulator {name!r}; choose from {', '.join(_POCKET)}")
    backend = play.engine()
    stack.push_async_callback(backend.aclose)
    return play.simulator(cast(play.SimulatorName, name), backend)


def _own(where: str) -> Simulator:
    """The Simulator at `module:name`, which may also be its class."""
    found: Any = load_object(where)
    simulator: Simulator = found() if isinstance(found, type) else found
    if not isinstance(simulator, Simulator):
        raise ConfigurationError(f"{where} is not a Simulator: it needs `async def predict(...)`")
    return simulator


_POCKET = (*ADAPTERS, "untrained")
_SERVED = frozenset({"base_url", "adapters"})
"""Options that already say which adapters the backend serves."""


def _print(report: Report, rows: HeldOut) -> None:
    fidelity = report.fidelity
    overall = fidelity.overall
    title = f"{fidelity.simulator}: {overall.rows:,} held-out calls"
    table = Table("", "percent", "95% interval", title=plain(title))
    for name, found in (
        ("failure recall", overall.failure_recall),
        ("failure precision", overall.failure_precision),
        ("exact match", overall.exact),
        ("right outcome type", overall.type_accuracy),
        ("HF ratio", overall.high_fidelity),
        ("similarity", overall.similarity),
        ("answered", overall.answered),
    ):
        table.add_row(name, percent(found), between(found))
    if fidelity.calibration is not None:
        error = fidelity.calibration.expected_error
        table.add_row("calibration error", percent(error), between(error))
    console.print(table)
    _print_tools(report)
    if rows.duplicates:
        console.print(
            plain(f"{rows.duplicates:,} held-out calls that are also in the training split were left out")
        )
    if fidelity.encoder_missing is not None:
        console.print(plain(("no similarity: ", "yellow"), fidelity.encoder_missing))


def _print_tools(report: Report) -> None:
    """Print the table of tools; those with failures in the log come first."""
    styles = {"trusted": "green", "doubtful": "red", "unknown": "yellow"}
    counts = [(f" {n} {name}", styles[name]) for name, n in report.verdicts.items()]
    table = Table(
        "tool", "verdict", "calls", "failures", "failure recall", "why", title=plain("tools:", *counts)
    )
    for tool in report.tools[:_SHOWN]:
        verdict = report.trust.of(tool.tool)
        table.add_row(
            tool.tool,
            plain(verdict.verdict, style=styles[verdict.verdict]),
            f"{tool.scores.rows:,}",
            f"{tool.scores.failures:,}",
            percent(tool.scores.failure_recall),
            plain("\n".join(verdict.reasons), lines=True),
        )
    console.print(table)
    if len(report.tools) > _SHOWN:
        console.print(plain(f"and {len(report.tools) - _SHOWN} more in the report", style="dim"))


@contextmanager
def _watching(rows: int, *, shown: bool) -> Iterator[Stage | None]:
    if not shown:
        yield None
        return
    columns = (
        label("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=errors, transient=True) as bar:
        tasks: dict[str, TaskID] = {}

        def progress(stage: str, done: int, total: int | None) -> None:
            if stage not in tasks:
                tasks[stage] = bar.add_task(stage, total=total or rows)
            bar.update(tasks[stage], completed=done)

        yield progress
