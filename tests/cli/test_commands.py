"""The list of commands: what it says, and what it does not import."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import typer
from typer.main import get_command
from typer.testing import CliRunner

from artis_sdk.cli.app import app
from artis_sdk.cli.commands import COMMANDS


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_says_what_the_command_says(name: str) -> None:
    commands = get_command(app)
    context = typer.Context(commands)
    found, command, rest = commands.resolve_command(context, [name, "--help"])  # type: ignore[attr-defined]
    assert (found, rest) == (name, ["--help"])
    assert " ".join(command.help.split("\n\n")[0].split()) == COMMANDS[name]
    assert commands.get_command(context, name) is command  # type: ignore[attr-defined]


def words(name: str, command: Any) -> Iterator[list[str]]:
    """Command lines of a command and of those within it."""
    yield [name]
    for below, found in getattr(command, "commands", {}).items():
        for more in words(below, found):
            yield [name, *more]


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("columns", ["60", "80", "120"])
def test_no_name_and_no_value_in_help_is_cut(
    name: str, columns: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    commands: Any = get_command(app)
    _, command, _ = commands.resolve_command(typer.Context(commands), [name])
    for line in words(name, command):
        shown = CliRunner().invoke(app, [*line, "--help"])
        assert shown.exit_code == 0
        assert "…" not in shown.output
        assert "--help" in shown.output


def test_help_loads_no_command() -> None:
    program = (
        "import sys\n"
        "from artis_sdk.cli.app import app\n"
        "app(['--help'], standalone_mode=False)\n"
        "print([name for name in sys.modules if name.startswith('artis_sdk.')])"
    )
    out = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    loaded = out.splitlines()[-1]
    assert "artis_sdk.cli.commands" in loaded
    for name in ("artis_sdk.session", "artis_sdk.loop", "artis_sdk.cli.run", "artis_sdk.evals"):
        assert f"'{name}'" not in loaded
