"""Checked by mypy, not run: guarded functions keep their types."""

from __future__ import annotations

from typing import Any, assert_type

from helpers.decorated import Base

from artis_sdk.records import Risk
from artis_sdk.tools import GuardedTool, Toolset, guarded_tool


@guarded_tool
def bare(n: int, *, text: str = "") -> list[str]:
    return [text] * n


@guarded_tool(risk=Risk.READ_ONLY, timeout=1.5, failures=[ValueError, lambda result: None])
async def with_settings(n: int) -> str:
    return str(n)


class Renamed(Base):
    @guarded_tool(name="later")
    async def slow(self, n: int) -> int:
        return n


assert_type(bare(3, text="x"), list[str])
assert_type(Base().method(3), int)
assert_type(Base.static_outside(3), int)
assert_type(Base.static_inside(3), int)
assert_type(Base.class_outside(3), int)

assert_type(Toolset(bare, Base().method)["bare"], GuardedTool[..., Any])


async def asynchronous() -> None:
    assert_type(await with_settings(3), str)
    assert_type(await Base().slow(3), int)
    assert_type(await Renamed().slow(3), int)


def generic(tool: GuardedTool[[int], str]) -> None:
    assert_type(tool(3), str)
    tool("3")  # type: ignore[arg-type]


# Each call below is an error; in strict mode an ignore that is not needed is one too.
bare("3")  # type: ignore[arg-type]
bare(3, "x")  # type: ignore[call-arg]
Base().method("3")  # type: ignore[arg-type]
guarded_tool(risk="mild")  # type: ignore[call-overload]
guarded_tool(timeout="1s")  # type: ignore[call-overload]
