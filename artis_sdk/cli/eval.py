"""`artis eval simulator`: how well a simulator predicts held-out calls, and which tools to trust it with."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import Annotated, Any, cast

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table

from artis_sdk.backends import resolve
from artis_sdk.cli.eval_data import HeldOut, Part, held_out, records_of
from artis_sdk.cli.output import console, errors, next_step, print_json
from artis_sdk.contracts import Simulator
from artis_sdk.errors import ConfigurationError
from artis_sdk.evals.fidelity.measurement import Stage, measure
from artis_sdk.evals.fidelity.records import Fidelity
from artis_sdk.evals.fidelity.report import Report, between, percent
from artis_sdk.evals.fidelity.trust import TrustRules, judge
from artis_sdk.pocket import play
from artis_sdk.pocket.weights import ADAPTERS
from artis_sdk.records import CallRecord
from artis_sdk.settings import load_object, load_settings
from artis_sdk.simulators import LLMSimulator, MajoritySimulator, ReplaySimulator, RetrievalSimulator

app = typer.Typer(help="Measure simulators.", no_args_is_help=True)

_RULES = TrustRules()
_BY_HEART: dict[str, Callable[[Iterator[CallRecord]], Simulator]] = {
    "majority": MajoritySimulator,
    "retrieval": RetrievalSimulator,
    "replay": ReplaySimulator,
}
_SHOWN = 12  # tools in the table


@app.command("simulator")
def simulator(
    data: Annotated[
        Path, typer.Argument(help="A call log, its export, or the --out of `artis train simulator`.")
    ],
    simulator: Annotated[
        str,
        typer.Option(
            help="A backend such as openai:MODEL; majority, retrieval or replay, which know the training "
            "split by heart (or retrieval:FILE another log); python:MODULE:NAME, a Simulator of your own; or "
            "pocket:failure_driven, of the model that ships with the package."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder for report, predictions and trust file.")],
    trained: Annotated[
        Path | None, typer.Option(help="Adapter folder: the backend is asked as this one was trained.")
    ] = None,
    adapter: Annotated[str | None, typer.Option(help="Name of the adapter at the backend.")] = None,
    split: Annotated[Part, typer.Option(help="Which rows.")] = "test",
    limit: Annotated[int, typer.Option(help="At most so many rows.", min=1)] = 20_000,
    tools: Annotated[
        str | None, typer.Option(help="The real tools, `module:name`, whose failures= rules read answers.")
    ] = None,
    samples: Annotated[
        int, typer.Option(help="Predictions a call for its failure probability; 0: log-probabilities.", min=0)
    ] = 0,
    similarity: Annotated[bool, typer.Option(help="Measure similarity, where the encoder is there.")] = True,
    concurrency: Annotated[int, typer.Option(help="Calls being predicted at once.", min=1)] = 8,
    min_rows: Annotated[
        int, typer.Option(help="Fewer held-out calls leave a tool unknown.")
    ] = _RULES.min_rows,
    failure_recall: Annotated[
        float, typer.Option(help="What a trusted tool needs, at the lower end.")
    ] = _RULES.failure_recall,
    fidelity: Annotated[
        float, typer.Option(help="HF ratio that a trusted tool needs, at the lower end.")
    ] = _RULES.fidelity,
    seed: Annotated[int, typer.Option(help="Of the split, the intervals and the samples.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Predict held-out calls, compare with what really came, and judge each tool.

    A run that was cut off goes on where it was when it is given the same --out.
    """
    rules = TrustRules(min_rows=min_rows, failure_recall=failure_recall, fidelity=fidelity)
    rows = held_out(data, split, limit=limit, seed=seed)
    name = simulator if trained is None else f"{simulator} + {trained}"

    async def run() -> Fidelity:
        async with AsyncExitStack() as stack:
            measured = _simulator(simulator, trained, adapter, rows, stack)
            with _watching(len(rows.records), shown=not as_json) as progress:
                return await measure(
                    measured,
                    rows.records,
                    name=name,
                    data=f"{data} ({split})",
                    tools=() if tools is None else load_object(tools),
                    folder=out,
                    similarity="auto" if similarity else None,
                    samples=samples,
                    concurrency=concurrency,
                    seed=seed,
                    progress=progress,
                )

    found = asyncio.run(run())
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
    console.print(f"report: {page}", highlight=False, soft_wrap=True)
    if beside is not None:
        console.print(f"trust:  {beside}", highlight=False, soft_wrap=True)
    if report.verdicts["trusted"]:
        next_step(f'Session(simulator=..., trust="{trained or out}") rehearses with the trusted tools only')
    else:
        next_step("artis generate more failures, then artis train simulator --failure-driven")


def _simulator(
    name: str, trained: Path | None, adapter: str | None, rows: HeldOut, stack: AsyncExitStack
) -> Simulator:
    """What is measured.

    Raises:
        ConfigurationError: there is no such simulator.
    """
    kind, _, rest = name.partition(":")
    if kind in _BY_HEART:
        return _BY_HEART[kind](records_of(Path(rest)) if rest else rows.training())
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
    return LLMSimulator(backend, adapter=adapter)


def _pocket(name: str, stack: AsyncExitStack) -> Simulator:
    """One of the shipped model's, on llama.cpp."""
    if name not in _POCKET:
        raise ConfigurationError(f"there is no pocket simulator {name!r}: {', '.join(_POCKET)}")
    backend = play.engine()
    stack.push_async_callback(backend.aclose)
    return play.simulator(cast(play.SimulatorName, name), backend)


def _own(where: str) -> Simulator:
    """A Simulator, or the class of one, behind `module:name`."""
    found: Any = load_object(where)
    simulator: Simulator = found() if isinstance(found, type) else found
    if not isinstance(simulator, Simulator):
        raise ConfigurationError(f"{where} is no Simulator: it needs `async def predict(...)`")
    return simulator


_POCKET = (*ADAPTERS, "untrained")
_SERVED = frozenset({"base_url", "adapters"})
"""Options with which a backend knows its adapters itself."""


def _print(report: Report, rows: HeldOut) -> None:
    fidelity = report.fidelity
    overall = fidelity.overall
    title = f"{fidelity.simulator}: {overall.rows:,} held-out calls"
    table = Table("", "percent", "95% interval", title=title)
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
        console.print(f"{rows.duplicates:,} held-out calls that training asks too were left out")
    if fidelity.encoder_missing is not None:
        console.print(f"[yellow]no similarity:[/yellow] {fidelity.encoder_missing}", highlight=False)


def _print_tools(report: Report) -> None:
    """Those that failures were seen of first."""
    styles = {"trusted": "green", "doubtful": "red", "unknown": "yellow"}
    counts = ", ".join(f"[{styles[name]}]{n} {name}[/]" for name, n in report.verdicts.items())
    table = Table("tool", "verdict", "calls", "failures", "failure recall", "why", title=f"tools: {counts}")
    for tool in report.tools[:_SHOWN]:
        verdict = report.trust.of(tool.tool)
        table.add_row(
            tool.tool,
            f"[{styles[verdict.verdict]}]{verdict.verdict}[/]",
            f"{tool.scores.rows:,}",
            f"{tool.scores.failures:,}",
            percent(tool.scores.failure_recall),
            "\n".join(verdict.reasons),
        )
    console.print(table)
    if len(report.tools) > _SHOWN:
        console.print(f"[dim]and {len(report.tools) - _SHOWN} more in the report[/dim]")


@contextmanager
def _watching(rows: int, *, shown: bool) -> Iterator[Stage | None]:
    if not shown:
        yield None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=errors, transient=True) as bar:
        tasks: dict[str, TaskID] = {}

        def progress(stage: str, done: int, total: int | None) -> None:
            if stage not in tasks:
                tasks[stage] = bar.add_task(stage, total=total or rows)
            bar.update(tasks[stage], completed=done)

        yield progress
