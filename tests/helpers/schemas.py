"""Guarded tools made for their schemas, and types of their parameters."""

from __future__ import annotations

import enum
from typing import Annotated, Any

from pydantic import BaseModel, Field

from artis_sdk.records import ToolCall
from artis_sdk.tools import GuardedTool, Toolset, guarded_tool

Tool = GuardedTool[..., Any]


def tool(function: Any, **settings: Any) -> Tool:
    """The function as a tool; `settings` are those of `guarded_tool`."""
    return next(iter(Toolset(guarded_tool(**settings)(function))))


def parse(guarded: Tool, **arguments: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """What the function would be called with for a model's call."""
    invocation = guarded.parse(ToolCall(tool=guarded.name, arguments=arguments))
    return invocation.args, invocation.kwargs


class Currency(enum.Enum):
    EUR = "eur"
    USD = "usd"


class Address(BaseModel):
    city: str
    zip: Annotated[str, Field(pattern="^[0-9]{5}$")] = "00000"
