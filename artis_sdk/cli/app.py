"""The `artis` command with all its subcommands."""

from __future__ import annotations

import logging
import os
import sys
import traceback
from typing import Annotated, Any, cast

import typer

from artis_sdk import __version__
from artis_sdk.cli.commands import Commands
from artis_sdk.cli.output import (
    INTERRUPTED,
    console,
    errors,
    keep_for_document,
    next_step,
    note,
    print_error,
    wants_json,
)
from artis_sdk.errors import ArtisError, UnknownOutcome
from artis_sdk.view.text import plain
from artis_sdk.visible import visible

_CommandLineError = cast(type[Exception], typer.BadParameter.__mro__[2])
"""Base of what typer raises about a command line; it exports only some of the classes."""

app = typer.Typer(
    name="artis",
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        console.print(plain(f"artis_sdk {__version__}"))
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Rehearse an agent's tool calls in simulation, then carry them out once for real."""


class _LogOnScreen(logging.Handler):
    """Warnings of libraries and of ours, for which a program of its own would have set up `logging`."""

    def emit(self, record: logging.LogRecord) -> None:
        note(f"{record.levelname.lower()}:", record.getMessage())


def run_app() -> None:
    """Run the command line.

    Exit codes: 0 done, 1 done with a finding, 2 an error that it names, 130 interrupted by Ctrl-C.
    """
    if sys.stdout is None:  # closed by the caller; a file opened later would get its number
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115  for the whole process
    logging.lastResort = _LogOnScreen(logging.WARNING)
    if wants_json() and sys.stdout is sys.__stdout__:  # whoever put another in its place keeps that
        keep_for_document()
    try:
        code = app(standalone_mode=False)
    except ArtisError as error:
        print_error(error)
        if isinstance(error, UnknownOutcome) and not wants_json():
            next_step("artis recover")
        code = 2
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except _CommandLineError as error:
        code = _print_usage_error(error)
    except Exception as error:  # noqa: BLE001  a defect, which ends the program; its text may be data
        errors.print(plain("".join(traceback.format_exception(error)), lines=True))
        code = 1
    if code == INTERRUPTED:
        errors.print("interrupted")
    raise SystemExit(code or 0)


def _print_usage_error(error: Any) -> int:
    for name, value in vars(error).items():
        if isinstance(value, str):
            setattr(error, name, visible(value, lines=True))
    from typer.rich_utils import rich_format_error  # with rich's Markdown, which only this takes

    rich_format_error(error)
    return int(error.exit_code)
