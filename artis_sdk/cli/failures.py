"""`artis logs failures`: the ways in which the tools can fail, and which of them the log has seen."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.progress import Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from artis_sdk.cli.output import console, errors, next_step, print_json
from artis_sdk.errors import ConfigurationError
from artis_sdk.logs import CallLog
from artis_sdk.records import CallRecord
from artis_sdk.session_parts import make_tools
from artis_sdk.settings import load_object, load_settings
from artis_sdk.tools import Toolset

if TYPE_CHECKING:
    from artis_sdk.trainers.failure_modes.seen import SeenTool
    from artis_sdk.trainers.generate.worlds import StartState

Tools = Annotated[str | None, typer.Option(help="The tools, as `module:name` or `module`.")]


def failures(
    log: Annotated[Path | None, typer.Argument(help="The call log; by default ARTIS_LOG.")] = None,
    tools: Tools = None,
    tool: Annotated[str | None, typer.Option(help="Only this tool.")] = None,
    unseen: Annotated[bool, typer.Option("--unseen", help="Only failure modes never seen.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Per tool: the failure modes in its source, how often each was seen, and those never seen.

    Without a log, or with an empty one, every mode counts as never seen.
    """
    from artis_sdk.trainers.failure_modes.seen import seen_failures
    from artis_sdk.trainers.failure_modes.taxonomy import Taxonomy

    every = {one.name: one for world in load_worlds(tools) for one in world.tools}
    if tool is not None and tool not in every:
        raise ConfigurationError(f"no tool is named {tool!r}; the tools are {', '.join(every)}")
    path = log or load_settings().log
    taxonomy = Taxonomy(every.values())
    found = seen_failures(_counted(_records(path, tool), shown=not as_json), taxonomy)
    found = [one for one in found if tool is None or one.tool == tool]
    known, hit = sum(len(t.modes) for t in found), sum(len(t.modes) - t.unseen for t in found)
    if as_json:
        print_json({"modes": known, "seen": hit, "tools": [one.as_json() for one in found]})
        return
    for one in found:
        _print(one, unseen)
    calls = sum(one.calls for one in found)
    console.print(f"{hit} of {known} failure modes seen in {calls:,} calls", highlight=False)
    where = tools or load_settings().tools
    if known > hit:
        logged = f" --log {path}" if path is not None else ""
        next_step(f"artis generate --tools {where} --out generated.db{logged}")
    else:
        next_step(f"artis train simulator {path or 'calls.db'} --base MODEL --out run")


def load_worlds(where: str | None) -> list[StartState]:
    """The object at `module:name`, or in the settings: tools, or a list of Toolsets or Worlds."""
    from artis_sdk.trainers.generate.worlds import StartState, worlds_of

    settings = load_settings({"tools": where} if where is not None else {})
    found = None if settings.tools is None else load_object(settings.tools)
    if (
        isinstance(found, list | tuple)
        and found
        and all(isinstance(one, Toolset | StartState) for one in found)
    ):
        return worlds_of(found)
    return [found if isinstance(found, StartState) else StartState(make_tools(found, settings))]


def _counted(records: Iterator[CallRecord], *, shown: bool) -> Iterator[CallRecord]:
    """Show the number of calls read so far."""
    columns = (TextColumn("{task.completed:,.0f} calls read"), TimeElapsedColumn())
    with Progress(*columns, console=errors, disable=not shown) as bar:
        task = bar.add_task("", total=None)
        for record in records:
            bar.advance(task)
            yield record


def _records(path: Path | None, tool: str | None) -> Iterator[CallRecord]:
    if path is not None:
        with CallLog(path, create=False) as log:
            yield from log.records(tool=tool)


def _print(found: SeenTool, unseen: bool) -> None:
    modes = [mode for mode in found.modes if not unseen or mode.seen == 0]
    title = f"{found.tool}: {found.calls:,} calls, {found.successes:,} successes"
    if modes or found.unlisted:
        table = Table("seen", "failure", "where", "when", title=title, title_justify="left")
        for mode in modes:
            site = mode.mode.site
            seen = "[red]never[/red]" if mode.seen == 0 else f"{'≤' if mode.shared else ''}{mode.seen:,}"
            table.add_row(seen, escape(mode.mode.label), mode.mode.where, escape(site.condition))
        for type_, count in sorted(found.unlisted.items()) if not unseen else ():
            table.add_row(f"{count:,}", escape(type_), "[dim]not in the source[/dim]", "")
        console.print(table)
    elif not unseen:
        console.print(f"{title}; no failure in its source", highlight=False)
    for note in found.notes:
        errors.print(f"[yellow]{found.tool}:[/yellow] {note}", highlight=False)
