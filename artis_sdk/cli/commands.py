"""The subcommands of `artis`: a command's module is imported when it is the one that runs."""

from __future__ import annotations

import importlib
import shutil
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_group

COMMANDS = {
    "init": "Write artis.toml and a module with tools to begin from, after three questions.",
    "run": "Rehearse a task, show the plan, ask, and carry it out once for real.",
    "rehearse": "Attempt a task several times in simulation. Nothing real happens.",
    "plan": "Look at a saved plan, and approve it.",
    "logs": "Look at a call log, export it, import into it.",
    "recover": "List calls whose outcome is unknown after a crash, and reconcile those whose tool can.",
    "journal": "Look at the commit journal, and prune it.",
    "doctor": "Say what is installed, whether settings hold, which backends answer, which calls are open.",
    "eval": "Measure simulators.",
    "serve": "Serve a model, and simulator adapters beside it, until this command is interrupted.",
    "gateway": "Stand in front of MCP servers: calls that may change something wait for a person's approval.",
    "train": "Train models from your own logs.",
    "generate": "Make calls that fail in as many ways as the tools can, and log them as sandboxed rows.",
    "demo": "Rehearse a few tasks of a small bank, then carry each out once; then without, to compare.",
    "bench": "Measure methods of test-time scaling.",
}
"""The subcommands as they are listed, each with the first line of its help."""
_GROUPS = frozenset({"plan", "logs", "journal", "eval", "train", "bench"})
_TABLES = 120
"""Columns of the screen from which help is a table: in a narrower one rich cuts names of options."""


class Commands(TyperGroup):
    """A group whose commands are names and help, until one of them runs."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self._listed = set(COMMANDS)
        for name, help in COMMANDS.items():
            self.add_command(TyperCommand(name, help=help))

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and args[0] in self._listed:
            self._listed.remove(args[0])
            self.add_command(_loaded(args[0]), args[0])
        return super().resolve_command(ctx, args)


def _loaded(name: str) -> Any:
    module = importlib.import_module(f"artis_sdk.cli.{name}")
    narrow = shutil.get_terminal_size().columns < _TABLES
    parent = typer.Typer(rich_markup_mode=None if narrow else "rich")
    if name in _GROUPS:
        parent.add_typer(module.app, name=name)
    else:
        parent.command(name)(getattr(module, name))
    return get_group(parent).commands[name]
