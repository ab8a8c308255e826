"""`artis init`: three questions, then settings and a module with tools to begin from."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Annotated

import typer

from artis_sdk.cli.ask import asked_on, typed
from artis_sdk.cli.output import Json, console, next_step, print_json
from artis_sdk.errors import ConfigurationError
from artis_sdk.view.text import plain

SETTINGS = Path("artis.toml")
_MODULE = re.compile(r"[a-z_][a-z0-9_]*", re.ASCII)
_TASK = "Send Bob 80 euros of Ann's money."
STARTER = '''"""Tools of an agent: guarded functions. Outside a session each is the plain function."""

from artis_sdk import Risk, Toolset, guarded_tool


class Bank:
    def __init__(self) -> None:
        self.balances = {"ann": 100, "bob": 0}

    @guarded_tool(risk=Risk.READ_ONLY)
    def balance(self, owner: str) -> int:
        """What an owner has."""
        return self.balances[owner]

    @guarded_tool(risk=Risk.IRREVERSIBLE, failures=ValueError)
    def pay(self, source: str, target: str, amount: int) -> dict[str, int]:
        """Send money.

        Args:
            source: who pays.
            target: who receives.
            amount: whole euros.
        """
        if self.balances[source] < amount:
            raise ValueError(f"{source} has only {self.balances[source]}")
        self.balances[source] -= amount
        self.balances[target] += amount
        return {"sent": amount}


tools = Toolset.from_object(Bank())
'''


def init(
    agent: Annotated[
        str | None,
        typer.Option(help="The model that acts, such as openai:gpt-5-mini."),
    ] = None,
    simulator: Annotated[
        str | None,
        typer.Option(help="What answers rehearsals: sandbox, or the backend of a model."),
    ] = None,
    module: Annotated[str | None, typer.Option(help="Name of the module with your tools.")] = None,
    as_json: Json = False,
) -> None:
    """Write artis.toml and a module with tools to begin from, after three questions.

    What is given as an option is not asked; without a terminal the rest gets its default. Files that exist
    are never overwritten.
    """
    if SETTINGS.exists():
        raise ConfigurationError(
            f"there is an {SETTINGS} here already: edit it, or run artis init in another folder"
        )
    agent, simulator, module = asyncio.run(_answers(agent, simulator, module))
    if not _MODULE.fullmatch(module):
        raise ConfigurationError(
            f"{module!r} is no name of a module: lower-case letters, digits and _, such as my_tools"
        )
    file = Path(f"{module}.py")
    made = [SETTINGS]
    if not file.exists():
        _write(file, STARTER)
        made.append(file)
    place = f"{module}:tools"
    lines = {"agent": agent, "simulator": simulator, "tools": place, "log": "calls.db"}
    _write(
        SETTINGS,
        "".join(f"{name} = {json.dumps(value, ensure_ascii=False)}\n" for name, value in lines.items()),
    )
    if as_json:
        print_json({"written": list(map(str, made)), **lines})
        return
    console.print(plain(f"written: {', '.join(map(str, made))}"))
    if file not in made:
        console.print(plain(f"{file} was there: it needs `tools`, a Toolset of its guarded functions"))
    next_step(f'artis doctor; then: artis rehearse "{_TASK}"')


def _write(file: Path, text: str) -> None:
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be written: {error.strerror}") from error


async def _answers(agent: str | None, simulator: str | None, module: str | None) -> tuple[str, str, str]:
    if asked_on() is not None:
        agent = agent or await typed("Which model acts?", "openai:gpt-5-mini")
        simulator = simulator or await typed("What answers rehearsals, sandbox or a model?", "sandbox")
        module = module or await typed("Which module has your tools?", "bank")
    return agent or "openai:gpt-5-mini", simulator or "sandbox", module or "bank"
