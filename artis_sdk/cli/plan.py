"""`artis plan`: look at a saved plan, or at a saved result."""

from __future__ import annotations

import json
import os
import tempfile
import webbrowser
from pathlib import Path
from shlex import quote
from typing import Annotated, TypeVar

import typer
from pydantic import BaseModel, ValidationError

from artis_sdk.cli.moments import moment
from artis_sdk.cli.output import Json, console, errors, next_step, note, print_json
from artis_sdk.commit.approval import approved
from artis_sdk.errors import ConfigurationError
from artis_sdk.records import Plan, Result
from artis_sdk.records.brief import count
from artis_sdk.settings import load_settings
from artis_sdk.view.plan_page import page
from artis_sdk.view.plan_text import plan_view, result_view
from artis_sdk.view.text import plain

app = typer.Typer(help="Look at a saved plan, and approve it.", no_args_is_help=True)

M = TypeVar("M", bound=BaseModel)
File = Annotated[Path, typer.Argument(help="File of `artis rehearse --save`, or of `artis run --json`.")]


@app.callback()
def _group() -> None:
    """Look at a saved plan, and approve it."""


@app.command("show")
def show(
    file: File,
    html: Annotated[Path | None, typer.Option(help="Write a page for a browser here.")] = None,
    opened: Annotated[bool, typer.Option("--open", help="Open the page in a browser.")] = False,
    as_json: Json = False,
) -> None:
    """Show a plan: task, recommendation, calls, risks, predicted outcomes. Of a result, what was done."""
    shown = read_saved(file)
    if html is not None or opened:
        target = html or Path(tempfile.mkdtemp(prefix="artis-")) / f"{file.stem}.html"
        try:
            target.write_text(page(shown), encoding="utf-8")
        except OSError as error:
            raise ConfigurationError(f"{target} cannot be written: {error.strerror}") from error
        if as_json:
            print_json({"page": str(target)})
        else:
            console.print(plain(f"page: {target}"), soft_wrap=True)
        if opened:
            webbrowser.open(target.resolve().as_uri())
    elif as_json:
        print_json(shown)
    else:
        for part in result_view(shown) if isinstance(shown, Result) else plan_view(shown):
            console.print(part)
        next_step(f"artis plan show {quote(str(file))} --open shows the attempts, too")


@app.command("approve")
def approve(
    file: Annotated[Path, typer.Argument(help="File of `artis rehearse --save`; the approval goes into it.")],
    by: Annotated[str, typer.Option(help="Who approves it.")],
    expires: Annotated[
        str | None,
        typer.Option(help="When no commit may begin any more: in 12h, 90d or 8w, or a date and time."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Approve a plan as it is in this file; `artis run --plan FILE` then keeps to it.

    With ARTIS_APPROVAL_KEY the approval is signed.
    """
    key = load_settings().approval_key
    until = None if expires is None else moment(expires, "--expires", ahead=True)
    plan = approved(read_plan(file), by=by, expires=until, key=key)
    replace_text(file, plan.model_dump_json(indent=2))
    if as_json:
        print_json(plan.approvals[-1])
        return
    for part in plan_view(plan):
        console.print(part)
    if key is None:
        note(
            "note:",
            "not signed (ARTIS_APPROVAL_KEY): whoever can write this file can approve it",
        )
    next_step(f"artis run --plan {quote(str(file))}")


def check_writable(file: Path) -> None:
    """Check, before anything runs, that a file can be written.

    Raises:
        ConfigurationError: it cannot; says why.
    """
    folder = file.parent
    if file.is_dir():
        why = "it is a folder"
    elif not folder.is_dir():
        why = f"there is no folder {folder}"
    elif not os.access(file if file.exists() else folder, os.W_OK):
        why = "permission denied"
    else:
        return
    raise ConfigurationError(f"{file} cannot be written: {why}; --save names the file of the plan")


def save_plan(plan: Plan, file: Path, *, quiet: bool = False) -> None:
    """Write a plan, without its secrets, and say where it is.

    Args:
        plan: the plan from `Session.saved`.
        file: the file.
        quiet: whether nothing is said.

    Raises:
        ConfigurationError: the file cannot be written.
    """
    try:
        file.write_text(plan.model_dump_json(indent=2), encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be written: {error.strerror}") from error
    if quiet:
        return
    errors.print(plain(f"the plan is in {file}; artis plan show {quote(str(file))} --open shows it again"))
    if plan.withheld is not None and plan.withheld.sealed is None:
        missing = len(plan.withheld.places)
        said = (
            f"saved without {count(missing, 'secret')}; artis run asks for {'it' if missing == 1 else 'them'}"
        )
        errors.print(plain(said, style="dim"))


def replace_text(file: Path, text: str) -> None:
    """Write a file in one step: who reads it meanwhile has the old one or the new one, and nobody else may
    read the new one before it is in its place."""
    try:
        with tempfile.TemporaryDirectory(prefix=f".{file.name}.", dir=file.parent) as folder:  # for us alone
            new = Path(folder) / file.name
            new.write_text(text, encoding="utf-8")
            new.chmod(file.stat().st_mode)
            new.replace(file)
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be written: {error.strerror}") from error


def read_saved(file: Path) -> Plan | Result:
    """The plan or the result in a file.

    Raises:
        ConfigurationError: the file cannot be read, or has neither.
    """
    text = _read(file)
    try:
        kind: type[Plan] | type[Result] = Result if "plan" in json.loads(text) else Plan
    except (ValueError, TypeError, RecursionError):
        raise _not_saved(file, "it is not JSON") from None
    return _parsed(file, text, kind)


def read_plan(file: Path) -> Plan:
    """The plan in a file.

    Raises:
        ConfigurationError: the file cannot be read, or has no plan.
    """
    return _parsed(file, _read(file), Plan)


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be read: {error.strerror}") from error


def _parsed(file: Path, text: bytes, kind: type[M]) -> M:
    try:
        return kind.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"])) or "the whole"
        raise _not_saved(file, f"{place}: {first['msg']}") from None


def _not_saved(file: Path, why: str) -> ConfigurationError:
    return ConfigurationError(f"{file} is no plan of this version; artis rehearse --save writes one: {why}")
