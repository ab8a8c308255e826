"""`artis logs failures`: the ways in which the tools can fail, and which of them the log has seen."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import Progress, TimeElapsedColumn
from rich.table import Table

from artis_sdk.cli.failure_rules import answers, write_answers
from artis_sdk.cli.options import OnlyTool, Tools
from artis_sdk.cli.output import Json, console, errors, next_step, note, print_json
from artis_sdk.errors import ConfigurationError
from artis_sdk.logs import open_call_log
from artis_sdk.records import CallRecord
from artis_sdk.session_tools import make_tools
from artis_sdk.settings import load_object, load_settings
from artis_sdk.store_address import shown_address
from artis_sdk.tools import Toolset
from artis_sdk.view.screen import label
from artis_sdk.view.text import plain

if TYPE_CHECKING:
    from artis_sdk.trainers.failure_modes.seen import SeenTool
    from artis_sdk.trainers.generate.worlds import StartState


def failures(
    log: Annotated[
        str | None, typer.Argument(help="The call log, a file or a URL; by default ARTIS_LOG.")
    ] = None,
    tools: Tools = None,
    tool: OnlyTool = None,
    unseen: Annotated[bool, typer.Option("--unseen", help="Only failure modes never seen.")] = False,
    failure: Annotated[
        list[str] | None,
        typer.Option(help="TOOL:RULE: a value on which this doubtful rule holds is a failure."),
    ] = None,
    success: Annotated[
        list[str] | None, typer.Option(help="TOOL:RULE: such a value is a success. TOOL may be *.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Per tool: the failure modes in its source, how often each was seen, and those never seen.

    Without a log, or with an empty one, every mode counts as never seen. Doubtful rules, by which a value may
    be taken for the wrong one, are shown; --failure and --success settle them, in artis.toml.
    """
    from artis_sdk.trainers.failure_modes.seen import seen_failures
    from artis_sdk.trainers.failure_modes.taxonomy import Taxonomy

    settled = answers(failure or (), success or ())
    if settled:
        note("settled in", str(write_answers(settled)))
    every = {one.name: one for world in load_worlds(tools) for one in world.tools}
    if tool is not None and tool not in every:
        raise ConfigurationError(f"no tool is named {tool!r}; the tools are {', '.join(every)}")
    where = log or load_settings().log
    taxonomy = Taxonomy(every.values())
    found = seen_failures(_counted(_records(where, tool), shown=not as_json), taxonomy)
    found = [one for one in found if tool is None or one.tool == tool]
    known, hit = sum(len(t.modes) for t in found), sum(len(t.modes) - t.unseen for t in found)
    if as_json:
        print_json({"modes": known, "seen": hit, "tools": [one.as_json() for one in found]})
        return
    for one in found:
        _print(one, unseen)
        _print_doubts(one)
    calls = sum(one.calls for one in found)
    console.print(plain(f"{hit} of {known} failure modes seen in {calls:,} calls"))
    named = tools or load_settings().tools
    if known > hit:
        logged = "" if where is None else f" --log {shown_address(where)}"
        next_step(f"artis generate --tools {named} --out generated.db{logged}")
    else:
        next_step(f"artis train simulator {shown_address(where or 'calls.db')} --base MODEL --out run")


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
    columns = (label("{task.completed:,.0f} calls read"), TimeElapsedColumn())
    with Progress(*columns, console=errors, disable=not shown) as bar:
        task = bar.add_task("", total=None)
        for record in records:
            bar.advance(task)
            yield record


def _records(where: str | Path | None, tool: str | None) -> Iterator[CallRecord]:
    if where is not None:
        with open_call_log(where, create=False) as log:
            yield from log.records(tool=tool)


def _print(found: SeenTool, unseen: bool) -> None:
    modes = [mode for mode in found.modes if not unseen or mode.seen == 0]
    title = f"{found.tool}: {found.calls:,} calls, {found.successes:,} successes"
    if modes or found.unlisted:
        table = Table("seen", "failure", "where", "when", title=plain(title), title_justify="left")
        for mode in modes:
            site = mode.mode.site
            count = f"{'≤' if mode.shared else ''}{mode.seen:,}"
            seen = plain(count if mode.seen else ("never", "red"))
            table.add_row(seen, plain(mode.mode.label), plain(mode.mode.where), plain(site.condition))
        for type_, times in sorted(found.unlisted.items()) if not unseen else ():
            table.add_row(plain(f"{times:,}"), plain(type_), plain("not in the source", style="dim"), "")
        console.print(table)
    elif not unseen:
        console.print(plain(f"{title}; no failure in its source"))
    for remark in found.notes:
        note(f"{found.tool}:", remark)


def _print_doubts(found: SeenTool) -> None:
    for doubt in found.doubts.values():
        counts, option = ("failures", "success") if doubt.failure else ("successes", "failure")
        note(
            f"{found.tool}: {doubt.seen:,} count as {counts} and may not be:",
            f"{doubt.why}, such as {doubt.sample}; if so, --{option} {found.tool}:{doubt.rule}",
        )
