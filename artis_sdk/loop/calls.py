"""A model's calls on their way to a world: calls that cannot be made are answered here, in every world."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

from artis_sdk.errors import InvalidArguments
from artis_sdk.records import Outcome, Provenance, Step, ToolCall, ToolSpec
from artis_sdk.simulators.checks import parsed
from artis_sdk.tools import Toolset
from artis_sdk.tools.guarded import Invocation
from artis_sdk.tools.world import World
from artis_sdk.traces.operations import not_made


class Table:
    """The tools that a task offers.

    Args:
        tools: the session's tools.
        offered: the tools that the task offers.
    """

    __slots__ = ("_tools", "names")

    def __init__(self, tools: Toolset, offered: Sequence[ToolSpec]) -> None:
        self._tools = tools
        self.names = {spec.name for spec in offered}

    def read(self, call: ToolCall) -> Invocation | Outcome:
        """A call as an invocation, or the forced failure that answers it."""
        if call.malformed is not None:
            return _forced("malformed_call", f"this call could not be read: {call.malformed}")
        tool = self._tools.get(call.tool) if call.tool in self.names else None
        if tool is None:
            return _forced("unknown_tool", self._unknown(call.tool))
        try:
            return parsed(tool, call)
        except InvalidArguments as error:
            return _forced(error.failure_type, error.message)

    def _unknown(self, name: str) -> str:
        close = difflib.get_close_matches(name[:200], sorted(self.names), cutoff=0.5)
        hint = f"; did you mean {' or '.join(close)}?" if close else ""
        return f"there is no tool named {name[:200]!r}{hint}"


async def carry_out(calls: Sequence[ToolCall], table: Table, world: World) -> list[Step]:
    """Have a world carry out the calls of one turn.

    Returns:
        One step per call, in order; calls that cannot be made are failures of provenance `forced`.
    """
    read: list[Invocation | Outcome] = []
    invocations: list[Invocation] = []
    for call in calls:
        entry = table.read(call)
        read.append(entry)
        if isinstance(entry, Invocation):
            invocations.append(entry)
    if len(invocations) < len(read):
        not_made(entry for entry in read if isinstance(entry, Outcome))
    replies = iter(await world.handle_turn(invocations) if invocations else ())
    return [
        Step(call=call, outcome=entry if isinstance(entry, Outcome) else next(replies).outcome)
        for call, entry in zip(calls, read, strict=True)
    ]


def unread_note(steps: Iterable[Step]) -> str | None:
    """How many of the calls in these steps could not be read; None if all could."""
    unread = sum(step.call.malformed is not None for step in steps)
    if not unread:
        return None
    calls = "1 call was" if unread == 1 else f"{unread} calls were"
    return f"{calls} not made, because what was written is not certain"


def _forced(failure_type: str, message: str) -> Outcome:
    return Outcome.failure(failure_type, message, Provenance.FORCED, raised=True)
