"""The calls that people took out of a plan: none of them is made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import JsonValue

from artis_sdk.records import ForeseenCall, JsonPath, Plan, ToolCall, ToolSpec
from artis_sdk.records.places import replaced, value_at
from artis_sdk.records.redacted import may_be_same
from artis_sdk.records.same_call import with_defaults


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

    def by(self, tool: str, spec: ToolSpec | None, arguments: Mapping[str, JsonValue]) -> str | None:
        """Who took this call out; None if nobody did. A placeholder for a secret stands for any value."""
        for gone in self._gone:
            if gone.call.tool != tool:
                continue
            wanted: JsonValue = with_defaults(spec, gone.call.arguments)
            given: JsonValue = with_defaults(spec, arguments)
            for place in gone.filled:
                wanted, given = _blank(wanted, place), _blank(given, place)
            if may_be_same(wanted, given):
                return gone.by
        return None


def _blank(value: JsonValue, place: JsonPath) -> JsonValue:
    """The value with null at a place, if it has it."""
    try:
        value_at(value, place)
    except LookupError:
        return value
    return replaced(value, place, None)
