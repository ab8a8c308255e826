"""No outcome of a real call is lost because of its value: journal, log, plan, result and prompt agree."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
from helpers.commit import make_world
from helpers.value_trip import TOOLS, Trip, made_values, trip
from helpers.values import KINDS, SURROGATE, Hostile, nested, ring
from hypothesis import given, settings
from hypothesis import strategies as st

from artis_sdk.commit.journal.call import CallState
from artis_sdk.commit.journal.sqlite import SQLiteJournal
from artis_sdk.errors import UnknownOutcome
from artis_sdk.records import CommittedCall, Outcome, Plan, Provenance, Result, Risk, Step, Task, ToolCall
from artis_sdk.records.outcome_type import outcome_type
from artis_sdk.tools import Toolset, guarded_tool
from artis_sdk.tools.world import entered


async def test_every_kind_of_value_comes_back_from_everywhere(tmp_path: Path) -> None:
    found = Trip()
    await trip(made_values(0, 5 * len(KINDS)), tmp_path, found)
    assert found.lost == []
    assert set(found.kinds) == set(KINDS)


KEPT: list[Any] = [
    ("array", np.array([1, 2])),
    ("array in a dict", {"rows": np.array([[1.5], [2.5]])}),
    ("records", pandas.DataFrame({"n": [1, 2], "f": [0.5, float("nan")]}).to_dict("records")),
    ("integer", np.int64(1234567890123456789)),
    ("boolean", {"success": np.False_}),
    ("bytes", {"n": 1, "t": b"\xff"}),
    ("not finite", [float("nan"), float("inf"), -float("inf")]),
    ("surrogate", json.loads('{"title": "cut \\ud83d"}')),
    ("large integers", [2**63, -(2**200), 10**4300 - 1, 10**5000]),
    ("cycle", ring()),
    ("deep", nested(1000)),
    ("hostile", {"a": Hostile(), "b": 1}),
    pytest.param("20 MB of text", "ä" * 10_000_000, marks=pytest.mark.slow),
    pytest.param("20 MB of numbers", list(range(2_500_000)), marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("kind", "value"), KEPT, ids=lambda part: part[:40] if type(part) is str else "")
async def test_what_was_lost_once(tmp_path: Path, kind: str, value: Any) -> None:
    found = Trip()
    await trip([(kind, value), (kind, value)], tmp_path, found)
    assert found.lost == []


async def test_a_false_of_numpy_is_a_failure(tmp_path: Path) -> None:
    made = TOOLS[0].outcome({"success": np.False_}, Provenance.REAL)
    assert made.value == {"success": False}
    assert outcome_type(made) != "success"


@settings(deadline=None, max_examples=50)
@given(st.floats(), st.text(st.characters(), max_size=8), st.integers(), st.binary(max_size=4))
def test_a_record_made_by_hand_reads_back_too(number: float, text: str, integer: int, data: bytes) -> None:
    value: Any = {text: [number, integer, data], "nan": float("nan")}
    outcome = Outcome.failure(text, text, Provenance.REAL, value=value, raw=text)
    call = ToolCall(tool="t", arguments=value, raw=text)
    task = Task(query="q", state=value, history=(Step(call=call, outcome=outcome),))
    result = Result(
        plan=Plan(task=task, strategy="direct"),
        answer=None,
        calls=(CommittedCall(call=call, outcome=outcome, risk=Risk.REVERSIBLE),),
    )
    assert Result.model_validate_json(result.model_dump_json()) == result
    assert Result.model_validate(json.loads(json.dumps(result.model_dump(mode="json")))) == result


@pytest.mark.parametrize("error", [ValueError(SURROGATE), SystemExit(1), GeneratorExit()])
@pytest.mark.parametrize("risk", [Risk.IRREVERSIBLE, Risk.READ_ONLY])
async def test_an_odd_exception_is_journaled_as_what_it_is(
    tmp_path: Path, error: BaseException, risk: Risk
) -> None:
    @guarded_tool(risk=risk)
    async def fail() -> None:
        raise error

    journal = SQLiteJournal(tmp_path / "journal.db")
    world = make_world(journal)
    async with world.open():
        with entered(world):
            reply = await world.handle(next(iter(Toolset(fail))).bind())
    (call,) = journal.calls()
    await journal.aclose()
    assert call.state is CallState.DONE
    assert call.outcome == reply.outcome
    assert reply.outcome.type == type(error).__name__


async def test_a_timeout_that_the_tool_turns_into_another_error_is_journaled_as_unknown(
    tmp_path: Path,
) -> None:
    @guarded_tool(timeout=0.01)
    async def send() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            raise ConnectionError("cut") from None

    journal = SQLiteJournal(tmp_path / "journal.db")
    world = make_world(journal)
    with pytest.raises(UnknownOutcome, match="and then raised ConnectionError; it may still take effect"):
        async with world.open():
            await world.handle(next(iter(Toolset(send))).bind())
    (call,) = journal.calls()
    await journal.aclose()
    assert call.state is CallState.UNKNOWN
