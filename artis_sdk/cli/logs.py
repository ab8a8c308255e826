"""`artis logs`: look at a call log, export it, import into it."""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.table import Table

from artis_sdk.cli.failures import failures
from artis_sdk.cli.output import console, errors, next_step, print_json
from artis_sdk.errors import ConfigurationError
from artis_sdk.logs import CallLog
from artis_sdk.logs.jsonl import export_jsonl, import_jsonl
from artis_sdk.settings import load_settings
from artis_sdk.view.live import outcome_text
from artis_sdk.view.text import call_text

app = typer.Typer(help="Look at a call log, export it, import into it.", no_args_is_help=True)
app.command("failures")(failures)

Log = Annotated[Path | None, typer.Option("--log", help="The call log; by default ARTIS_LOG.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


@app.command("show")
def show(
    log: Log = None,
    tool: Annotated[str | None, typer.Option(help="Only this tool.")] = None,
    last: Annotated[int, typer.Option(help="Number of records, the newest ones.", min=1)] = 20,
    as_json: Json = False,
) -> None:
    """The newest calls, oldest first."""
    with CallLog(_path(log), create=False) as store:
        records = deque(store.records(tool=tool), maxlen=last)
    if as_json:
        print_json(list(records))
        return
    for record in records:
        console.print(call_text(record.call), highlight=False)
        console.print(outcome_text(record.outcome))
        if record.predicted is not None and record.predicted.content() != record.outcome.content():
            console.print(
                f"  ≠ predicted {record.predicted.type}: {record.predicted.text()}", style="magenta"
            )
    next_step("artis logs counts")


@app.command("counts")
def counts(log: Log = None, as_json: Json = False) -> None:
    """How often each tool succeeded and failed, by failure type."""
    with CallLog(_path(log), create=False) as store:
        found = store.counts()
    if as_json:
        print_json([count._asdict() for count in found])
        return
    table = Table("tool", "outcome", "provenance", "records")
    for count in found:
        style = "green" if count.type == "success" else "red"
        table.add_row(count.tool, f"[{style}]{count.type}[/]", count.provenance.value, f"{count.records:,}")
    console.print(table)
    next_step("artis logs export calls.jsonl")


@app.command("export")
def export(
    target: Annotated[Path, typer.Argument(help="A .jsonl or .parquet file.")],
    log: Log = None,
    as_json: Json = False,
) -> None:
    """Write the whole log to a file; an existing file is replaced only when everything is written."""
    with CallLog(_path(log), create=False) as store:
        if target.suffix == ".jsonl":
            written = export_jsonl(store.records(), target)
        elif target.suffix == ".parquet":
            from artis_sdk.logs.parquet import export_parquet

            written = export_parquet(store.records(), target)
        else:
            raise ConfigurationError(
                f"{target}: its name must end in .jsonl or .parquet, which decides the format"
            )
    if as_json:
        print_json({"written": written, "file": str(target)})
    else:
        console.print(f"{written:,} records in {target}")


@app.command("import")
def import_(
    source: Annotated[Path, typer.Argument(help="File in that format: JSON lines, or one JSON text.")],
    log: Log = None,
    format_: Annotated[
        Literal["jsonl", "messages", "otel", "tau2"],
        typer.Option(
            "--format",
            help="jsonl: our schema; messages: OpenAI or Anthropic transcripts; otel: OpenTelemetry GenAI "
            "spans; tau2: results of tau2-bench.",
        ),
    ] = "jsonl",
    skip_corrupt: Annotated[bool, typer.Option(help="Leave corrupt lines out and count them.")] = False,
    as_json: Json = False,
) -> None:
    """Append the calls of a file. If a line is corrupt, nothing is imported."""
    with CallLog(_path(log)) as store:
        if format_ == "jsonl":
            done = import_jsonl(source, store, skip_corrupt=skip_corrupt)
        else:
            from artis_sdk.logs.importers import import_file

            done = import_file(source, store, format_, skip_corrupt=skip_corrupt)
    if as_json:
        skipped = [str(line) for line in done.skipped]
        print_json({"records": done.records, "skipped": skipped, "left_out": done.left_out})
        return
    console.print(f"{done.records:,} records from {source}")
    for line in done.skipped:
        errors.print(f"[yellow]left out:[/yellow] {line}", highlight=False)
    if done.left_out:
        errors.print(
            f"[yellow]{len(done.left_out):,} calls left out,[/yellow] such as {done.left_out[0]}",
            highlight=False,
        )
    next_step("artis logs counts")


def _path(given: Path | None) -> Path:
    path = given or load_settings().log
    if path is None:
        raise ConfigurationError("which log? pass --log calls.db, or set ARTIS_LOG")
    return path
