"""Calls as lines of JSON that a person edits: in `$EDITOR`, or typed in without an editor."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import tempfile
from pathlib import Path
from typing import Any

from artis_sdk.cli.ask import typed_lines
from artis_sdk.commit.approver import EditPlan
from artis_sdk.errors import ConfigurationError
from artis_sdk.records import Plan, ToolCall

_PLAN_HELP = (
    "# One call a line. Change arguments; a call whose line is deleted is not made. The order stays.\n"
    "# Nothing runs now: the plan is shown again as it is then.\n"
)
_CALL_HELP = "# Change the arguments. The call is made with these, not with those of the request.\n"


def plan_lines(plan: Plan) -> str:
    """The foreseen calls of a plan, numbered as they are shown."""
    return _PLAN_HELP + "".join(
        _line(call=number, tool=one.call.tool, arguments=one.call.arguments)
        for number, one in enumerate(plan.foreseen, 1)
    )


def call_lines(call: ToolCall) -> str:
    """One call."""
    return _CALL_HELP + _line(tool=call.tool, arguments=call.arguments)


def read_plan_lines(plan: Plan, text: str, by: str) -> EditPlan:
    """The edit that these lines are.

    Args:
        plan: plan of `plan_lines`.
        text: the lines as the person left them.
        by: name of the person.

    Raises:
        ConfigurationError: a line is no call of the plan, or out of order; the message says which.
    """
    found: dict[int, dict[str, Any]] = {}
    for number, line in _lines(text):
        index = line.get("call")
        if type(index) is not int or not 1 <= index <= len(plan.foreseen):
            raise ConfigurationError(f"line {number}: `call` must be one of 1 to {len(plan.foreseen)}")
        if found and index <= max(found) + 1:
            raise ConfigurationError(f"line {number}: call {index} is out of order; the order stays as it is")
        found[index - 1] = _arguments(line, plan.foreseen[index - 1].call, number)
    removed = tuple(n for n in range(len(plan.foreseen)) if n not in found)
    changed = {n: new for n, new in found.items() if new != plan.foreseen[n].call.arguments}
    return EditPlan(removed=removed, arguments=changed, by=by)


def read_call_lines(call: ToolCall, text: str) -> dict[str, Any]:
    """The arguments in the line of a call.

    Raises:
        ConfigurationError: it is not one line for this call.
    """
    lines = list(_lines(text))
    if len(lines) != 1:
        raise ConfigurationError(f"{len(lines)} lines, and one call takes one")
    return _arguments(lines[0][1], call, lines[0][0])


async def edited_text(text: str) -> str | None:
    """The text as the person at the terminal leaves it, in $VISUAL or $EDITOR, or typed in.

    Returns:
        None at the end of the input.

    Raises:
        ConfigurationError: the editor cannot be started, or failed.
    """
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR")
    if not editor:
        return await typed_lines(text, "New lines, and an empty one at the end")
    with tempfile.TemporaryDirectory(prefix="artis-") as folder:  # its owner's alone
        file = Path(folder) / "calls.jsonl"
        _write(file, text)
        try:
            process = await asyncio.create_subprocess_exec(*shlex.split(editor), str(file))
        except OSError as error:
            raise ConfigurationError(f"$EDITOR ({editor}) cannot be started: {error.strerror}") from error
        code = await process.wait()
        if code != 0:
            raise ConfigurationError(f"$EDITOR ({editor}) ended with {code}; nothing was changed")
        return _read(file)


def _write(file: Path, text: str) -> None:
    file.write_text(text, encoding="utf-8")


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise ConfigurationError(f"$EDITOR left no file: {error.strerror}") from error


def _line(**fields: Any) -> str:
    """ASCII, so that nothing in it acts on the screen."""
    return json.dumps(fields) + "\n"


def _lines(text: str) -> list[tuple[int, dict[str, Any]]]:
    """The objects, each with the number of its line, without empty lines and remarks.

    Raises:
        ConfigurationError: a line is no JSON object.
    """
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise ConfigurationError(f"line {number} is not JSON: {error}") from error
        if not isinstance(value, dict):
            raise ConfigurationError(f"line {number} is no object: {{...}}")
        found.append((number, value))
    return found


def _arguments(line: dict[str, Any], call: ToolCall, number: int) -> dict[str, Any]:
    if unknown := sorted(line.keys() - {"call", "tool", "arguments"}):
        raise ConfigurationError(f"line {number} has {', '.join(unknown)}: arguments stand in `arguments`")
    if line.get("tool") != call.tool:
        raise ConfigurationError(f"line {number}: the tool is {call.tool}, and stays so")
    arguments = line.get("arguments")
    if not isinstance(arguments, dict):
        raise ConfigurationError(f"line {number}: `arguments` must be an object: {{...}}")
    return arguments
