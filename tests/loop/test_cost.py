"""What one step costs in Python function calls: it does not depend on the machine."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest
from helpers.loop import TOOLS, call, rehearsed

from artis_sdk.contracts import Simulator
from artis_sdk.loop.budget import Budget
from artis_sdk.loop.limits import Limits
from artis_sdk.loop.model_actor import ModelActor
from artis_sdk.loop.strategies import Sequential
from artis_sdk.records import (
    Capabilities,
    Completion,
    History,
    Outcome,
    Provenance,
    Request,
    State,
    ToolCall,
    Usage,
)

USAGE = Usage(requests=1, prompt_tokens=10, completion_tokens=5)


class Instant:
    """A backend that costs one call: a step's answers are made beforehand."""

    name = "instant"

    def __init__(self, steps: int, native: bool) -> None:
        self.capabilities = Capabilities(native_tools=native)
        self._answers = [
            Completion(tool_calls=(call("look", account=str(n)),), usage=USAGE)
            if native
            else Completion(text=f"[look(account='{n}')]", usage=USAGE)
            for n in range(steps)
        ]
        self._answers.append(Completion(text="done", usage=USAGE))
        self._answers.reverse()

    async def complete(
        self, request: Request, *, on_token: Callable[[str], None] | None = None
    ) -> Completion:
        return self._answers.pop()

    async def aclose(self) -> None:
        pass


class Constant(Simulator):
    """A simulator that costs one call."""

    outcome = Outcome.success({"balance": 10}, Provenance.SIMULATED)

    async def predict(self, call: ToolCall, state: State, history: History) -> Outcome:
        return self.outcome


async def function_calls(steps: int, native: bool, limits: Limits | None) -> int:
    """Python function calls of one whole rehearsal with one attempt."""
    actor = ModelActor(Instant(steps, native), TOOLS, max_steps=1000)
    events: list[Any] = []
    budget = Budget(limits, emit=events.append)
    count = 0

    def on_event(frame: FrameType, event: str, argument: Any) -> None:
        nonlocal count
        count += event == "call"

    sys.setprofile(on_event)
    try:
        await rehearsed(Sequential(1), actor, simulator=Constant(), budget=budget, events=events)
    finally:
        sys.setprofile(None)
    assert sum(event.kind == "call_simulated" for event in events) == steps
    return count


@pytest.mark.parametrize("native", [True, False], ids=["native", "text"])
@pytest.mark.parametrize(
    "limits", [None, Limits(tokens=10**9, steps=10**6, seconds=600)], ids=["unlimited", "limited"]
)
async def test_a_step_is_cheap_and_as_cheap_late_as_early(native: bool, limits: Limits | None) -> None:
    await function_calls(2, native, limits)  # templates and schemas are made once
    at_2, at_22, at_42, at_162 = [await function_calls(n, native, limits) for n in (2, 22, 42, 162)]
    early, late = (at_22 - at_2) / 20, (at_162 - at_42) / 120
    assert early < 300
    assert late <= early * 1.05
