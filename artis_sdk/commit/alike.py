"""Calls that may be one and the same, though their arguments are written otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from pydantic import JsonValue

from artis_sdk.errors import InvalidArguments
from artis_sdk.records import ToolCall, ToolSpec
from artis_sdk.records.redacted import may_be_same
from artis_sdk.records.same_call import with_defaults
from artis_sdk.tools.guarded import Invocation

Arguments = Mapping[str, JsonValue]


class ParsingTool(Protocol):
    """A tool, as far as its calls are compared."""

    @property
    def name(self) -> str: ...

    @property
    def spec(self) -> ToolSpec: ...

    def parse(self, call: ToolCall) -> Invocation: ...

    def named(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]: ...


def may_be_one(tool: ParsingTool, one: Arguments, other: Arguments) -> bool:
    """Whether two calls of a tool may be the same: a placeholder stands for any value, an argument that is
    left out for its default, and what the tool takes for one value, such as `"8"` and 8, is one.

    Args:
        tool: the tool.
        one: arguments of a call, by name.
        other: those of another.
    """
    first, second = with_defaults(tool.spec, one), with_defaults(tool.spec, other)
    if may_be_same(first, second):
        return True
    if first.keys() != second.keys():
        return False
    first_got, second_got = _got(tool, one), _got(tool, other)
    return all(
        may_be_same(first[name], second[name])
        or may_be_same(first_got.get(name, first[name]), second_got.get(name, second[name]))
        for name in first
    )


def _got(tool: ParsingTool, arguments: Arguments) -> dict[str, Any]:
    """The arguments as the tool's body gets them; empty where they do not fit, as a placeholder may not."""
    try:
        made = tool.parse(ToolCall(tool=tool.name, arguments=dict(arguments)))
    except InvalidArguments:
        return {}
    return tool.named(made.args, made.kwargs)
