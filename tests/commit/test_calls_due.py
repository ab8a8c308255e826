"""While a call of the advice is due, the committing model's turn is held to be a call."""

from __future__ import annotations

from typing import Any

import pytest
from helpers.commit import REDACT
from helpers.loop import call

from artis_sdk.backends.scripted import ScriptedBackend
from artis_sdk.commit.approver import Asking, Reject
from artis_sdk.commit.commit import RealWorld
from artis_sdk.commit.guard import Terms
from artis_sdk.commit.journal import CommitJournal
from artis_sdk.commit.plan import commit
from artis_sdk.errors import ConnectionLost
from artis_sdk.loop.budget import Budget
from artis_sdk.loop.model_actor import ModelActor
from artis_sdk.records import (
    Attempt,
    Completion,
    Outcome,
    Plan,
    Provenance,
    Recommendation,
    Risk,
    Step,
    Task,
    ToolCall,
)
from artis_sdk.tools import Toolset, guarded_tool

ALLOWED = Terms(on_unforeseen="allow", on_divergence="allow")


class Lamps:
    """Lamps that light once; a lamp of an odd number is broken."""

    def __init__(self) -> None:
        self.lit: list[int] = []

        @guarded_tool(risk=Risk.READ_ONLY)
        def count() -> int:
            """Count the lamps that are lit."""
            return len(self.lit)

        @guarded_tool(risk=Risk.IRREVERSIBLE, failures=ValueError)
        def light(lamp: int) -> str:
            """Light a lamp.

            Args:
                lamp: its number.
            """
            if lamp % 2:
                raise ValueError("it is broken")
            self.lit.append(lamp)
            return f"{lamp} is lit"

        self.tools = Toolset(count, light)

    def plan(self, *, attempt: int | None = 0, lamps: tuple[int, ...] = (2, 4)) -> Plan:
        """A plan that counts, and then lights these lamps."""
        steps = [_step(0, "count"), *(_step(f"{lamp} is lit", "light", lamp=lamp) for lamp in lamps)]
        return Plan(
            task=Task(query="Light 2 and 4.", tools=self.tools.specs),
            strategy="parallel",
            attempts=(Attempt(index=0, steps=tuple(steps)),),
            recommendation=Recommendation(recommendation="Light them.", attempt=attempt),
            guidance="Light them.",
        )


def _step(value: Any, tool: str, **arguments: Any) -> Step:
    outcome = Outcome.success(value, Provenance.SIMULATED)
    return Step(call=ToolCall(tool=tool, arguments=arguments), outcome=outcome)


async def _choices(journal: CommitJournal, plan: Plan, lamps: Lamps, *calls: ToolCall) -> list[str]:
    """The `tool_choice` of each turn of a model that makes these calls, one a turn, and then answers."""
    turns = [Completion(tool_calls=(one,), finish_reason="tool_calls") for one in calls]
    script = ScriptedBackend([*turns, Completion(text="Done.")])
    world = RealWorld(journal, plan, redact=REDACT, terms=ALLOWED)
    await commit(plan, ModelActor(script, lamps.tools), world, Budget())
    return [request.tool_choice for request in script.requests]


COUNT, TWO, FOUR = call("count"), call("light", lamp=2), call("light", lamp=4)


@pytest.mark.parametrize(
    "calls",
    [(COUNT, TWO, FOUR), (TWO, FOUR), (FOUR, TWO)],
    ids=["as advised", "without the reading", "in another order"],
)
async def test_until_the_last_change_is_made(journal: CommitJournal, calls: tuple[ToolCall, ...]) -> None:
    lamps = Lamps()
    assert await _choices(journal, lamps.plan(), lamps, *calls) == ["required"] * len(calls) + ["auto"]
    assert sorted(lamps.lit) == [2, 4]


async def test_no_longer_once_a_call_went_otherwise(journal: CommitJournal) -> None:
    lamps = Lamps()
    plan = lamps.plan(lamps=(1, 2))
    assert await _choices(journal, plan, lamps, COUNT, call("light", lamp=1)) == [
        "required",
        "required",
        "auto",
    ]


async def test_no_longer_once_the_agent_leaves_the_advice(journal: CommitJournal) -> None:
    lamps = Lamps()
    assert await _choices(journal, lamps.plan(), lamps, COUNT, COUNT, TWO) == [
        "required",
        "required",
        "auto",
        "auto",
    ]


async def test_no_longer_once_a_person_rejects_a_call(journal: CommitJournal) -> None:
    lamps = Lamps()

    async def ann(request: Any) -> Reject:
        return Reject(by="ann", reason="not that one")

    terms = Terms(mode="bound", asking=Asking(ann))
    script = ScriptedBackend(
        [Completion(tool_calls=(one,), finish_reason="tool_calls") for one in (call("light", lamp=6), TWO)]
        + [Completion(text="Done.")]
    )
    plan = lamps.plan()
    world = RealWorld(journal, plan, redact=REDACT, terms=terms)
    await commit(plan, ModelActor(script, lamps.tools), world, Budget())
    assert [request.tool_choice for request in script.requests] == ["required", "auto", "auto"]
    assert lamps.lit == [2]


async def test_again_in_a_commit_that_is_resumed(journal: CommitJournal) -> None:
    """A call that was made before it broke off is not due again, and the one that is left is."""
    lamps = Lamps()
    plan = lamps.plan()

    def broken(request: Any) -> Completion:
        if request.messages[-1].role == "tool":
            raise ConnectionLost("test", "gone")
        return Completion(tool_calls=(TWO,), finish_reason="tool_calls")

    world = RealWorld(journal, plan, redact=REDACT, terms=ALLOWED)
    await commit(plan, ModelActor(ScriptedBackend(broken), lamps.tools), world, Budget())
    script = ScriptedBackend(
        [Completion(tool_calls=(FOUR,), finish_reason="tool_calls"), Completion(text="Done.")]
    )
    world = RealWorld(journal, plan, redact=REDACT, terms=ALLOWED, resume=True)
    await commit(plan, ModelActor(script, lamps.tools), world, Budget())
    assert [request.tool_choice for request in script.requests] == ["required", "auto"]
    assert lamps.lit == [2, 4]


@pytest.mark.parametrize("lamps", [(), (2,)], ids=["nothing to change", "advice in prose"])
async def test_never_where_no_call_is_advised(journal: CommitJournal, lamps: tuple[int, ...]) -> None:
    shelf = Lamps()
    plan = shelf.plan(lamps=lamps, attempt=None if lamps else 0)
    assert await _choices(journal, plan, shelf, COUNT) == ["auto", "auto"]


async def test_a_model_that_writes_calls_as_text_is_not_held(journal: CommitJournal) -> None:
    lamps = Lamps()
    script = ScriptedBackend(["[light(lamp=2)]", "[light(lamp=4)]", "Done."])
    plan = lamps.plan()
    world = RealWorld(journal, plan, redact=REDACT, terms=ALLOWED)
    await commit(plan, ModelActor(script, lamps.tools, tool_format="text"), world, Budget())
    assert lamps.lit == [2, 4]
    assert {request.tool_choice for request in script.requests} == {"auto"}
