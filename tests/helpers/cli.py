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


async def artis(folder: Path, *arguments: str, stdin: str | None = None) -> tuple[int, str, str]:
    """Exit code, standard output, standard error."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ARTIS_")}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "artis_sdk.cli",
        *arguments,
        cwd=folder,
        env=environment | {"COLUMNS": "200", "NO_COLOR": "1"},
        stdin=asyncio.subprocess.PIPE if stdin is not None else asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(stdin.encode() if stdin else None), 60)
    return process.returncode or 0, out.decode(), err.decode()
