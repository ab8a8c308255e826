"""The calls that people took out of a plan: none of them is made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import JsonValue

from artis_sdk.commit.alike import ParsingTool, may_be_one
from artis_sdk.records import ForeseenCall, JsonPath, Plan, ToolCall
from artis_sdk.records.places import replaced, value_at


@dataclass(frozen=True, slots=True)
class _Gone:
    call: ToolCall
    filled: tuple[JsonPath, ...]
    """Arguments that a real outcome would have filled in: any value there is the same call."""
    by: str


class EditedOut:
    """The calls that were edited out, before the commit or during it.

    Args:
        plan: plan being committed.
    """

    def __init__(self, plan: Plan) -> None:
        self._gone: list[_Gone] = []
        for edit in plan.edits:
            for call in edit.gone:
                self.add(call, edit.by)

    def add(self, call: ForeseenCall | ToolCall, by: str) -> None:
        """Take a call out.

        Args:
            call: the call, with or without its references.
            by: who edited it.
        """
        if isinstance(call, ToolCall):
            self._gone.append(_Gone(call, (), by))
        else:
            filled = tuple(reference.argument for reference in call.references)
            self._gone.append(_Gone(call.call, filled, by))

    def by(self, tool: ParsingTool, arguments: Mapping[str, JsonValue]) -> str | None:
        """Who took this call out; None if nobody did. See `may_be_one`."""
        for gone in self._gone:
            if gone.call.tool != tool.name:
                continue
            given = dict(arguments)
            for place in gone.filled:
                given = _as_there(given, gone.call.arguments, place)
            if may_be_one(tool, gone.call.arguments, given):
                return gone.by
        return None


def _as_there(given: dict[str, JsonValue], wanted: dict[str, JsonValue], place: JsonPath) -> Any:
    """The given arguments with what the wanted ones have at a place, if both have it."""
    try:
        value_at(given, place)
        return replaced(given, place, value_at(wanted, place))
    except LookupError:
        return given
