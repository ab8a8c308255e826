"""Lamps to switch on: the tools of the benchmark worlds that tests bring along."""

from __future__ import annotations

from artis_sdk import Risk, guarded_tool


class Lamps:
    """Some are broken, which is not seen before they are switched."""

    def __init__(self, broken: str) -> None:
        self.broken = broken
        self.lit: list[str] = []

    @guarded_tool(risk=Risk.REVERSIBLE)
    def light(self, lamp: str) -> str:
        """Switch a lamp on."""
        if lamp == self.broken:
            raise RuntimeError(f"{lamp} is broken")
        self.lit.append(lamp)
        return f"{lamp} is lit"
