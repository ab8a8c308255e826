"""The `artis` command in a folder with tools, settings and a scripted server."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

from helpers.fault_server import Server, agent

BANK = '''
from pathlib import Path

from artis_sdk import Risk, Toolset, guarded_tool

FILE = Path("sent.txt")


class Desk:
    @guarded_tool(risk=Risk.IRREVERSIBLE)
    def pay(self, target: str, amount: int) -> dict:
        """Send money."""
        before = FILE.read_text() if FILE.exists() else ""
        FILE.write_text(f"{before}{target} {amount}\\n")
        return {"sent": amount}


tools = Toolset.from_object(Desk())
'''
SIMULATED = json.dumps({"outputs": [{"ok": True, "value": {"sent": 5}}]})


def write_settings(folder: Path, server: Server, **more: Any) -> None:
    settings = {
        "agent": "openai:scripted",
        "simulator": "openai:scripted",
        "tools": "cli_bank:tools",
        "attempts": 2,
        "log": "calls.db",
        **more,
    }
    lines = [f"{name} = {json.dumps(value)}" for name, value in settings.items()]
    lines += ['[backends."openai:scripted"]', f'base_url = "{server.base_url}"', 'api_key = "sk-secret"']
    (folder / "artis.toml").write_text("\n".join(lines) + "\n")


def paying() -> Any:
    return agent(1, "pay", {"target": "Bob", "amount": 5}, schema_reply=SIMULATED)


async def started(
    folder: Path, *arguments: str, stdin: int = asyncio.subprocess.DEVNULL
) -> asyncio.subprocess.Process:
    """The command, with pipes for what it prints."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ARTIS_")}
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "artis_sdk.cli",
        *arguments,
        cwd=folder,
        env=environment | {"COLUMNS": "200", "NO_COLOR": "1"},
        stdin=stdin,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def artis(folder: Path, *arguments: str, stdin: str | None = None) -> tuple[int, str, str]:
    """Exit code, standard output, standard error."""
    piped = asyncio.subprocess.DEVNULL if stdin is None else asyncio.subprocess.PIPE
    process = await started(folder, *arguments, stdin=piped)
    out, err = await asyncio.wait_for(process.communicate(stdin.encode() if stdin else None), 60)
    return process.returncode or 0, out.decode(), err.decode()


DESK = '''
import os
import time
from pathlib import Path

from artis_sdk import Risk, Toolset, guarded_tool


class Desk:
    """Its calls are real when they write a file."""

    def __init__(self, real: bool) -> None:
        self.real = real

    def __fork__(self) -> "Desk":
        return Desk(False)

    @guarded_tool(risk=Risk.READ_ONLY)
    def stock(self) -> int:
        """Count what is there."""
        return 3

    @guarded_tool(risk=Risk.REVERSIBLE)
    def reserve(self, item: str) -> dict:
        """Reserve one."""
        if self.real:
            self._write(f"reserved {item}")
            return {"reserved": item, "price": int(os.environ.get("PRICE", "5"))}
        return {"reserved": item, "price": 5}

    @guarded_tool(risk=Risk.IRREVERSIBLE)
    async def pay(self, amount: int) -> dict:
        """Send money."""
        if self.real:
            self._write(f"paid {amount}")
            while Path("hang").exists():
                await __import__("asyncio").sleep(0.05)
        return {"paid": amount}

    def _write(self, line: str) -> None:
        with Path("made.txt").open("a") as file:
            file.write(f"{line}\\n")


@guarded_tool
def send(text: str) -> str:
    """Send a message, which no sandbox can rehearse: it has no object."""
    with Path("made.txt").open("a") as file:
        file.write(f"sent {text}\\n")
    return "sent"


tools = Toolset.from_object(Desk(True))
functions = Toolset(send)


async def agent(task, *, tools, guidance):
    tools["stock"]()
    item = tools["reserve"]("lamp")
    await tools["pay"](item["price"])
    return "Paid."


async def sender(task, *, tools, guidance):
    tools["send"](task)
    return "Sent."
'''
"""A desk and its agent, a rehearsal of which needs no model. A file `hang` keeps its payment waiting."""


def write_desk(folder: Path, **more: Any) -> None:
    """The module `desk` and settings that rehearse its agent in a sandbox."""
    (folder / "desk.py").write_text(DESK)
    settings = {
        "agent": "desk:agent",
        "simulator": "sandbox",
        "tools": "desk:tools",
        "evaluate": False,
        "summarize": False,
        "attempts": 2,
        "journal": "journal.db",
        **more,
    }
    lines = [f"{name} = {json.dumps(value)}\n" for name, value in settings.items() if value is not None]
    (folder / "artis.toml").write_text("".join(lines))
