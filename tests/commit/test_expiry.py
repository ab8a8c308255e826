"""A plan says until when it holds, and no commit of it begins later."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from helpers.loop import call
from helpers.sessions import journaled, unjudged

from artis_sdk import Sequential, Session, guarded_tool
from artis_sdk.backends import ScriptedBackend
from artis_sdk.commit.approval import approved
from artis_sdk.commit.approver import Approve, EditPlan, PlanRequest, Request
from artis_sdk.contracts import Simulator
from artis_sdk.errors import ConfigurationError, PlanChanged, PlanExpired
from artis_sdk.records import History, Outcome, Plan, Provenance, State, ToolCall
from artis_sdk.records.digest import plan_digest
from artis_sdk.view.plan_rows import problems

PAID: list[str] = []


@guarded_tool
def pay(who: str) -> str:
    """Pay."""
    PAID.append(who)
    return "paid"


class Paid(Simulator):
    async def predict(self, call: ToolCall, state: State, history: History) -> Outcome:
        return Outcome.success("paid", Provenance.SIMULATED)


@pytest.fixture(autouse=True)
def _nothing_paid() -> None:
    PAID.clear()


def session(path: Path, runs: int = 2, **more: Any) -> Session:
    model = ScriptedBackend([line for _ in range(runs) for line in ([call("pay", who="bob")], "Paid.")])
    return unjudged(model, [pay], path / "journal.db", simulator=Paid(), strategy=Sequential(1), **more)


async def test_a_plan_holds_for_some_seconds_and_is_then_refused(tmp_path: Path) -> None:
    async with session(tmp_path) as one:
        before = time.time()
        plan = await one.rehearse("Pay bob.", expires=0.2)
        assert plan.expires is not None
        assert before + 0.2 <= plan.expires <= time.time() + 0.2
        await asyncio.sleep(max(0.0, plan.expires - time.time()) + 0.01)
        with pytest.raises(PlanExpired, match=r"it held until 20.*nothing was run\. Rehearse again"):
            await one.commit(plan)
        with pytest.raises(PlanExpired):
            approved(plan, by="ann")
        with pytest.raises(PlanExpired):
            await one.edit(plan, EditPlan(arguments={0: {"who": "eve"}}, by="ann"))
    assert (PAID, journaled(tmp_path / "journal.db")) == ([], [])
    (problem,) = problems(plan)
    assert "holds no longer" in problem
    assert "The plan holds until" in plan.to_html()


async def test_a_plan_holds_until_a_moment(tmp_path: Path) -> None:
    until = datetime.now(UTC) + timedelta(hours=1)
    async with session(tmp_path) as one:
        plan = await one.rehearse("Pay bob.", expires=until)
        assert plan.expires == until.timestamp()
        assert list(problems(plan)) == []
        assert (await one.commit(plan)).ended == "answer"
    assert PAID == ["bob"]


async def test_a_plan_has_no_end_of_its_own(tmp_path: Path) -> None:
    async with session(tmp_path) as one:
        plan = await one.rehearse("Pay bob.")
    assert plan.expires is None
    assert "holds until" not in plan.to_html()


async def test_a_later_end_does_not_fit_the_digest(tmp_path: Path) -> None:
    async with session(tmp_path) as one:
        plan = await one.rehearse("Pay bob.", expires=60)
        for later in (None, time.time() + 1_000):
            with pytest.raises(PlanChanged, match="changed after it was made"):
                await one.commit(plan.model_copy(update={"expires": later}))
    assert PAID == []


async def test_a_plan_that_ends_while_the_question_stands_is_refused(tmp_path: Path) -> None:
    ends: list[float] = []

    async def ann(request: Request) -> Any:
        assert isinstance(request, PlanRequest)
        await asyncio.sleep(max(0.0, ends[0] - time.time()) + 0.01)
        return Approve()

    async with session(tmp_path, approve=ann) as one:
        plan = await one.rehearse("Pay bob.", expires=0.2)
        ends.append(plan.expires or 0.0)
        with pytest.raises(PlanExpired):
            await one.commit(plan)
    assert (PAID, journaled(tmp_path / "journal.db")) == ([], [])


async def test_a_commit_that_began_in_time_goes_to_its_end_and_is_not_gone_on_with_later(
    tmp_path: Path,
) -> None:
    """The clock is read when a commit begins: a half done task is not left because of it."""
    plan: Plan | None = None

    @guarded_tool
    async def slow(who: str) -> str:
        """Pay slowly."""
        assert plan is not None
        await asyncio.sleep(max(0.0, (plan.expires or 0.0) - time.time()) + 0.01)
        PAID.append(who)
        return "paid"

    pays = [call("slow", who="bob")]
    model = ScriptedBackend([pays, "Paid.", pays, [call("slow", who="cy")], "Paid."])
    async with unjudged(
        model, [slow], tmp_path / "journal.db", simulator=Paid(), strategy=Sequential(1), on_unforeseen="stop"
    ) as one:
        plan = await one.rehearse("Pay bob.", expires=0.5)
        result = await one.commit(plan, mode="bound")
        assert (PAID, result.ended) == (["bob"], "stopped")
        with pytest.raises(PlanExpired, match="or what is left if its commit had begun"):
            await one.commit(plan, mode="bound", resume=True)
    assert PAID == ["bob"]


@pytest.mark.parametrize(
    ("expires", "why"),
    [
        (0, "above 0"),
        (-5.0, "above 0"),
        (float("nan"), "above 0"),
        (float("inf"), "above 0"),
        (datetime(2020, 1, 1, tzinfo=UTC), "has passed already"),
        (datetime(2099, 1, 1), "says no time zone"),
    ],
)
async def test_an_end_that_is_none_is_refused_before_anything_is_rehearsed(
    tmp_path: Path, expires: Any, why: str
) -> None:
    async with session(tmp_path) as one:
        with pytest.raises(ConfigurationError, match=why):
            await one.rehearse("Pay bob.", expires=expires)


@pytest.mark.parametrize("end", [float("nan"), float("inf"), 1e300, 1.8e12])
async def test_an_end_that_no_date_says_is_refused(tmp_path: Path, end: float) -> None:
    """Such as one in milliseconds: it would never come, and no page could be made of it."""
    async with session(tmp_path) as one:
        plan = await one.rehearse("Pay bob.")
        with pytest.raises(ConfigurationError, match="is no moment"):
            approved(plan, by="ann", expires=end)
        with pytest.raises(ConfigurationError, match=r"no moment|above 0"):
            await one.rehearse("Pay bob.", expires=end)


async def test_a_plan_or_an_approval_without_a_number_as_its_end_is_over(tmp_path: Path) -> None:
    async with session(tmp_path) as one:
        plan = await one.rehearse("Pay bob.")
        nan = plan.model_copy(update={"expires": float("nan")})
        nan = nan.model_copy(update={"digest": plan_digest(nan)})
        with pytest.raises(PlanExpired):
            await one.commit(nan)
        assert "The plan holds no longer. A commit refuses it; rehearse again." in problems(nan)
    assert PAID == []
