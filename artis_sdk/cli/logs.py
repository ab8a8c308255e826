"""`artis logs`: look at a call log, export it, import into it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from artis_sdk.cli.failures import failures
from artis_sdk.cli.options import OnlyTool
from artis_sdk.cli.output import Json, console, next_step, note, print_json
from artis_sdk.errors import ConfigurationError
from artis_sdk.logs import CallStore, FileReport, Imported, open_call_log
from artis_sdk.logs.importers import FORMATS, import_file
from artis_sdk.logs.jsonl import export_jsonl, import_jsonl
from artis_sdk.records.brief import call_text
from artis_sdk.settings import load_settings
from artis_sdk.store_address import shown_address
from artis_sdk.view.live import outcome_text
from artis_sdk.view.text import plain

app = typer.Typer(help="Look at a call log, export it, import into it.", no_args_is_help=True)
app.command("failures")(failures)

Log = Annotated[
    str | None, typer.Option("--log", help="The call log, a file or a URL; by default ARTIS_LOG.")
]


@app.command("show")
def show(
    log: Log = None,
    tool: OnlyTool = None,
    last: Annotated[int, typer.Option(help="Number of records, the newest ones.", min=1)] = 20,
    as_json: Json = False,
) -> None:
    """The newest calls, oldest first."""
    with _open(log) as store:
        records = store.last(last, tool=tool)
    if as_json:
        print_json(records)
        return
    for record in records:
        console.print(plain(call_text(record.call)))
        console.print(outcome_text(record.outcome))
        if record.predicted is not None and record.predicted.content() != record.outcome.content():
            predicted = f"  ≠ predicted {record.predicted.type}: {record.predicted.text()}"
            console.print(plain(predicted, style="magenta"))
    next_step(f"artis logs counts{_named(log)}")


@app.command("counts")
def counts(log: Log = None, as_json: Json = False) -> None:
    """How often each tool succeeded and failed, by failure type, as the tools themselves say.

    A returned error such as {"error": ...} is a success here, unless the tool's failures= names it.
    `artis logs failures` counts it as a failure, and so does training.
    """
    with _open(log) as store:
        found = store.counts()
    if as_json:
        print_json([count._asdict() for count in found])
        return
    table = Table("tool", "outcome", "provenance", "records")
    for count in found:
        style = "green" if count.type == "success" else "red"
        type_ = plain(count.type, style=style)
        table.add_row(plain(count.tool), type_, count.provenance.value, plain(f"{count.records:,}"))
    console.print(table)
    given = "" if log is None else f" {shown_address(log)}"
    next_step(f"artis logs failures{given}, which counts returned errors as failures, too")


@app.command("export")
def export(
    target: Annotated[Path, typer.Argument(help="A .jsonl or .parquet file.")],
    log: Log = None,
    as_json: Json = False,
) -> None:
    """Write the whole log to a file; an existing file is replaced only when everything is written."""
    with _open(log) as store:
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
        console.print(plain(f"{written:,} records in {target}"))


_FORMATS = {"jsonl": "our schema", **{name: found.description for name, found in FORMATS.items()}}


def _format(name: str) -> str:
    if name not in _FORMATS:
        raise typer.BadParameter(f"{name!r} is not one of {', '.join(_FORMATS)}.")
    return name


@app.command("import")
def import_(
    source: Annotated[
        Path,
        typer.Argument(
            help="File in that format, or a folder of them: JSON lines, a JSON text, Parquet, or gzip."
        ),
    ],
    log: Log = None,
    format_: Annotated[
        str,
        typer.Option(
            "--format",
            parser=_format,
            metavar=f"[{'|'.join(_FORMATS)}]",
            help="; ".join(f"{name}: {description}" for name, description in _FORMATS.items()) + ".",
        ),
    ] = "jsonl",
    skip_corrupt: Annotated[bool, typer.Option(help="Leave corrupt lines out and count them.")] = False,
    as_json: Json = False,
) -> None:
    """Append the calls of a file. If a line is corrupt, nothing is imported."""
    with _open(log, create=True) as store:
        if format_ == "jsonl":
            done = import_jsonl(source, store, skip_corrupt=skip_corrupt)
        else:
            done = import_file(source, store, format_, skip_corrupt=skip_corrupt)
    if as_json:
        print_json(_as_json(done))
        return
    told = f", {done.repeated:,} of them there already" if done.repeated else ""
    console.print(plain(f"{done.records:,} records from {source}{told}"))
    for file in done.files:
        parts = f"{file.found:,} calls found, {file.imported:,} imported, {len(file.left_out):,} left out"
        console.print(plain(f"  {file.file}: {parts}"))
        for reason, places in _by_reason(file).items():
            note(f"  left out, {len(places):,}:", f"{reason}, such as {places[0]}")
    for line in done.skipped:
        note("not read:", str(line))
    next_step(f"artis logs counts{_named(log)}")


def _by_reason(file: FileReport) -> dict[str, list[str]]:
    """Places of the calls left out, by tool and reason."""
    found: dict[str, list[str]] = {}
    for item in file.left_out:
        found.setdefault(f"{item.tool or 'a tool'}: {item.reason}", []).append(item.place)
    return found


def _as_json(done: Imported) -> dict[str, object]:
    return {
        "records": done.records,
        "repeated": done.repeated,
        "skipped": [str(line) for line in done.skipped],
        "left_out": [item._asdict() for item in done.left_out],
        "files": [
            {"file": f.file, "found": f.found, "imported": f.imported, "left_out": len(f.left_out)}
            for f in done.files
        ],
    }


def _named(log: str | None) -> str:
    """The option that names the log again in the next command; nothing if settings name it."""
    return "" if log is None else f" --log {shown_address(log)}"


def _open(given: str | None, *, create: bool = False) -> CallStore:
    where = given or load_settings().log
    if where is None:
        raise ConfigurationError("which log? pass --log calls.db, or set ARTIS_LOG")
    return open_call_log(where, create=create)
