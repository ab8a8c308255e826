"""The calls of BFCL's ground truth, really made."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from artis_sdk.evals.bench.bfcl import BFCLTask, guard, parse_ground_truth
from artis_sdk.records import History, Outcome, Provenance, State, Step, ToolCall
from artis_sdk.tools import GuardedTool


@dataclass(frozen=True, slots=True)
class MadeCall:
    """A call that was made, as a row of a log needs it."""

    tool: GuardedTool[..., Any]
    call: ToolCall
    state: State
    """Before the task's first call."""
    history: History
    """The calls before it."""
    outcome: Outcome


def made_calls(task: BFCLTask) -> Iterator[MadeCall]:
    """Make a task's calls on objects of its own, in order."""
    tools = guard(task.instances())
    state, history = tools.state(), History()
    for text in (text for turn in task.ground_truth for text in turn):
        call = parse_ground_truth(text, tools)
        tool = tools[call.tool]
        invocation = tool.parse(call)
        try:
            value = getattr(tool.owner, tool.name)(*invocation.args, **invocation.kwargs)
            outcome = tool.outcome(value, Provenance.REAL)
        except Exception as error:  # noqa: BLE001  whatever a tool raises is its outcome
            outcome = tool.outcome_of_error(error, Provenance.REAL)
        yield MadeCall(tool, call, state, history, outcome)
        history = (*history, Step(call=call, outcome=outcome))
