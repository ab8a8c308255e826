"""Toolsets for the tests of generation, and what those tests share."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from artis_sdk.records import Risk
from artis_sdk.tools import Toolset, guarded_tool
from artis_sdk.trainers.generate import Generated, GenerationBudget, generate


class Vault:
    """Real money: whoever touches this object, and not a copy of it, leaves a file.

    Args:
        alarm: a folder; a call on the object itself writes `real` there, one in the process that made
            it `here`.
    """

    def __init__(self, alarm: Path) -> None:
        self.alarm = alarm
        self.copied = False
        self.process = os.getpid()
        self.gold = 5

    def __deepcopy__(self, memo: dict[int, Any]) -> Vault:
        made = Vault(self.alarm)
        made.__dict__.update(self.__dict__, copied=True)
        return made

    def _touched(self) -> None:
        if not self.copied:
            (self.alarm / "real").touch()
        if os.getpid() == self.process:
            (self.alarm / "here").touch()

    @guarded_tool(risk=Risk.IRREVERSIBLE, failures=ValueError)
    def take(self, amount: int) -> int:
        """Take gold."""
        self._touched()
        if amount <= 0:
            raise ValueError("take something")
        if amount == amount + 1:
            raise ValueError("nobody gets here")  # so that generation goes on to the end of its budget
        if amount > self.gold:
            raise ValueError(f"{amount} is more than there is")
        self.gold -= amount
        return self.gold

    @guarded_tool(risk=Risk.IRREVERSIBLE)
    async def blow(self, fuse: str = "long") -> str:
        """Blow it open."""
        self._touched()
        if fuse == "short":
            raise RuntimeError("boom")
        self.gold = 0
        return "open"


class Trap:
    """Calls that do not come back."""

    def __init__(self) -> None:
        self.steps = 0

    @guarded_tool(risk=Risk.REVERSIBLE)
    def walk(self, far: bool = False) -> int:
        """Take a step."""
        self.steps += 1
        if self.steps > 10_000:
            raise ValueError("too tired")
        return self.steps

    @guarded_tool(risk=Risk.REVERSIBLE)
    def spin(self) -> None:
        """Never ends."""
        while True:
            self.steps += 1

    @guarded_tool(risk=Risk.REVERSIBLE)
    def sleep(self) -> None:
        """Ends after an hour."""
        time.sleep(3600)

    @guarded_tool(risk=Risk.REVERSIBLE)
    def die(self) -> None:
        """Ends its process."""
        os._exit(3)

    @guarded_tool(risk=Risk.REVERSIBLE)
    def swell(self) -> int:
        """Wants more memory than there is."""
        return len(bytearray(1 << 40))


def vault(folder: Path) -> Toolset:
    """Tools of one vault."""
    return Toolset.from_object(Vault(folder))


async def made(tools: Any, out: Path, calls: int = 150, **more: Any) -> Generated:
    """Generate into a new log, which is closed; its records are read anew."""
    found = await generate(tools, more.pop("log", None), GenerationBudget(calls=calls), out=out, **more)
    found.log.close()
    return found
