"""The call that is made is the one that was foreseen, approved and journaled, whatever happens meanwhile."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel
from pydantic_core import core_schema

from artis_sdk import Sequential, Session, Toolset, guarded_tool
from artis_sdk.commit import Approve, CallRequest, PlanRequest, Reject, approved
from artis_sdk.commit.journal import SQLiteJournal
from artis_sdk.contracts import Simulator
from artis_sdk.records import History, Outcome, Plan, Provenance, Result, State, ToolCall
from artis_sdk.tools.own_arguments import owned

REAL: list[Any] = []


@pytest.fixture(autouse=True)
def _nothing_made() -> None:
    REAL.clear()


class Order(BaseModel):
    to: str


class Parcel:
    """Without public attributes, so that all look alike."""

    def __init__(self, amount: int) -> None:
        self._amount = amount


@guarded_tool
async def pay(order: dict[str, Any]) -> str:
    REAL.append(json.loads(json.dumps(order)))
    return "ok"


@guarded_tool
def pay_model(order: Order) -> str:
    REAL.append(order.to)
    return "ok"


@guarded_tool
def send(parcel) -> str:  # type: ignore[no-untyped-def]
    REAL.append(getattr(parcel, "_amount", parcel))
    return "ok"


@guarded_tool
def transfer(to: str, n: int) -> str:
    REAL.append((to, n))
    return "ok"


class SaysOk(Simulator):
    async def predict(self, call: ToolCall, state: State, history: History) -> Outcome:
        return Outcome.success("ok", Provenance.SIMULATED)


def session(agent: Any, tools: Toolset, folder: Path, **options: Any) -> Session:
    return Session(
        agent=agent,
        tools=tools,
        simulator=SaysOk(),
        strategy=Sequential(1),
        evaluate=False,
        summarize=False,
        journal=folder / "j.db",
        **options,
    )


def journaled(folder: Path) -> list[dict[str, Any]]:
    journal = SQLiteJournal(folder / "j.db")
    try:
        return [call.arguments for call in journal.calls()]
    finally:
        journal.close()


def held_in(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.iterdir())


# --- arguments that somebody changes ----------------------------------------------------------------


async def test_a_dictionary_that_the_agent_uses_again_is_each_calls_own(tmp_path: Path) -> None:
    async def agent(task: str, *, tools: Toolset, guidance: str | None) -> str:
        order: dict[str, Any] = {}

        async def one(name: str) -> None:
            order["to"] = name
            await pay(order)

        await asyncio.gather(*(one(name) for name in ("ann", "bob", "eve")))
        return "done"

    async with session(agent, Toolset(pay), tmp_path) as s:
        result = await s.commit(approved(await s.rehearse("x"), by="ann"), mode="bound")
    wanted = [{"to": name} for name in ("ann", "bob", "eve")]
    assert [call.kind for call in result.calls] == ["foreseen"] * 3
    assert wanted == REAL
    assert [one["order"] for one in journaled(tmp_path)] == wanted


async def test_what_is_added_while_a_person_thinks_is_not_made(tmp_path: Path) -> None:
    names = ["ann"]

    async def agent(task: str, *, tools: Toolset, guidance: str | None) -> str:
        return await pay({"to": names})

    async def approve(request: Any) -> Any:
        if isinstance(request, CallRequest):
            names.append("eve")
        return Approve(by="ann")

    async with session(agent, Toolset(pay), tmp_path, approve=approve) as s:
        plan = await s.rehearse("x")
        names[:] = ["bob"]
        await s.commit(plan, mode="bound")
    assert names == ["bob", "eve"]
    assert REAL == [{"to": ["bob"]}]
    assert journaled(tmp_path) == [{"order": {"to": ["bob"]}}]


async def test_an_object_that_is_changed_meanwhile_is_not_passed(tmp_path: Path) -> None:
    """It cannot be copied in general, so its call is not made, and the commit stops."""
    order = Order(to="ann")

    async def agent(task: str, *, tools: Toolset, guidance: str | None) -> str:
        return tools["pay_model"](order)  # type: ignore[no-any-return]

    async def approve(request: Any) -> Any:
        if isinstance(request, CallRequest):
            assert request.call.arguments == {"order": {"to": "bob"}}
            order.to = "eve"
        return Approve(by="ann")

    async with session(agent, Toolset(pay_model), tmp_path, approve=approve) as s:
        plan = await s.rehearse("x")
        order.to = "bob"
        result = await s.commit(plan, mode="bound")
    assert REAL == []
    assert result.ended == "stopped"
    assert "order was changed after the call was made" in result.notes[-1]


@pytest.mark.parametrize("mode", ["guided", "bound"])
async def test_calls_side_by_side_may_share_what_their_bodies_change(mode: Any, tmp_path: Path) -> None:
    """In a tool's body they always may; of the agent's own, a bound commit stops."""

    @guarded_tool
    async def fetch(key: str, found: list[str]) -> str:
        found.append(key)
        return "ok"

    @guarded_tool
    async def fetch_all(keys: list[str]) -> list[str]:
        found: list[str] = []
        await asyncio.gather(*(fetch(key, found) for key in keys))
        return sorted(found)

    @guarded_tool
    async def add(order: Order, to: str) -> str:
        order.to += to
        return "ok"

    async def agent(task: str, *, tools: Toolset, guidance: str | None) -> str:
        order = Order(to="")
        found = await tools["fetch_all"](["a", "b"])
        if mode == "guided":
            await asyncio.gather(tools["add"](order, "x"), tools["add"](order, "y"))
        return f"{found} {order.to}"

    async with session(agent, Toolset(fetch, fetch_all, add), tmp_path, on_unforeseen="allow") as s:
        plan = (await s.rehearse("x")).model_copy(update={"approvals": ()})
        result = await s.commit(plan, mode=mode)
    assert result.answer == ("['a', 'b'] xy" if mode == "guided" else "['a', 'b'] ")


async def test_the_agents_own_list_is_filled_in_a_commit(tmp_path: Path) -> None:
    @guarded_tool
    def fill(out: list[int]) -> str:
        out.append(1)
        return "ok"

    async def agent(task: str, *, tools: Toolset, guidance: str | None) -> str:
        out: list[int] = []
        tools["fill"](out)
        return str(out)

    async with session(agent, Toolset(fill), tmp_path) as s:
        result = await s.commit(await s.rehearse("x"))
    assert result.answer == "[1]"


async def test_a_body_fills_the_list_that_its_own_code_gives_a_helper(tmp_path: Path) -> None:
    @guarded_tool
    def fill(rows: list[int]) -> str:
        rows.append(7)
        return "filled"

    @guarded_tool
    def collect() -> list[int]:
        rows: list[int] = []
        fill(rows)
        return rows

    async def agent(task: str, *, tools: Toolset, guidance: str | None) -> str:
        return str(tools["collect"]())

    async with session(agent, Toolset(fill, collect), tmp_path) as s:
        result = await s.commit(await s.rehearse("x"), mode="guided")
    assert result.answer == "[7]"


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=12,
)


def _spoil(value: Any) -> None:
    """Change everything in a value that can be changed."""
    for part in list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else ():
        _spoil(part)
    if isinstance(value, dict | list):
        value.clear()


@settings(max_examples=200)
@given(value=VALUES)
def test_an_own_value_is_equal_and_nothing_of_it_is_shared(value: Any) -> None:
    before = json.dumps(value)
    mine, plain = owned(value)
    _spoil(value)
    assert json.dumps(mine) == before
    assert plain


def test_one_list_at_two_places_stays_one() -> None:
    shared: list[int] = []
    circle: list[Any] = [shared, shared]
    circle.append(circle)
    mine, plain = owned(circle)
    assert not plain
    assert mine is not circle
    assert mine[0] is mine[1] is not shared
    assert mine[2] is mine


# --- what the approver holds ------------------------------------------------------------------------


async def _transfers(task: str, *, tools: Toolset, guidance: str | None) -> str:
    return tools["transfer"]("bob", 8)  # type: ignore[no-any-return]


async def _replayed(folder: Path, approve: Any, meanwhile: Callable[[Plan], None]) -> Result:
    async with session(_transfers, Toolset(transfer), folder, approve=approve) as s:
        plan = await s.rehearse("x")
        commit = asyncio.create_task(s.commit(plan, mode="replay"))
        await asyncio.sleep(0.05)
        meanwhile(plan)
        return await commit


def _to_eve(plan: Plan) -> None:
    plan.foreseen[0].call.arguments.update(to="eve", n=8000)


async def test_who_changes_the_plan_that_he_holds_changes_nothing(tmp_path: Path) -> None:
    """An application, while a person looks at the question; or the approver, for its page."""
    seen: list[PlanRequest] = []

    async def slow(request: Any) -> Any:
        seen.append(request)
        await asyncio.sleep(0.2)
        return Approve(by="ann")

    async def shortens(request: Any) -> Any:
        _to_eve(request.plan)
        return Approve(by="ann")

    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    await _replayed(tmp_path / "a", slow, _to_eve)
    assert seen[0].plan.foreseen[0].call.arguments == {"to": "bob", "n": 8}
    await _replayed(tmp_path / "b", shortens, lambda plan: None)
    assert REAL == [("bob", 8), ("bob", 8)]
    assert journaled(tmp_path / "b") == [{"to": "bob", "n": 8}]


async def test_who_changes_the_call_that_he_is_asked_about_changes_no_record(tmp_path: Path) -> None:
    made = [8]

    async def agent(task: str, *, tools: Toolset, guidance: str | None) -> str:
        return tools["transfer"]("bob", made[0])  # type: ignore[no-any-return]

    async def approve(request: Any) -> Any:
        if isinstance(request, CallRequest):
            request.call.arguments.update(to="eve")
        return Approve(by="ann")

    async with session(agent, Toolset(transfer), tmp_path, approve=approve) as s:
        plan = await s.rehearse("x")
        made[0] = 9
        result = await s.commit(plan, mode="bound")
    assert [call.call.arguments for call in result.calls] == [{"to": "bob", "n": 9}]
    assert REAL == [("bob", 9)]


async def test_a_secret_in_a_reason_is_not_journaled(tmp_path: Path) -> None:
    made = [8]

    async def agent(task: str, *, tools: Toolset, guidance: str | None) -> str:
        return tools["transfer"]("bob", made[0])  # type: ignore[no-any-return]

    async def approve(request: Any) -> Any:
        if isinstance(request, PlanRequest):
            return Approve(by="ann")
        return Reject(by="ann", reason="password=zebra-reason")

    async with session(agent, Toolset(transfer), tmp_path, approve=approve) as s:
        plan = await s.rehearse("x")
        made[0] = 9
        with pytest.raises(Exception, match="ann rejected this call"):
            await s.commit(plan, mode="bound")
    held = held_in(tmp_path)
    assert b"password=[" in held
    assert b"zebra-reason" not in held


def keeping(kind: type) -> Toolset:
    """A tool that keeps an argument of a type."""

    def keep(where: Any) -> str:
        REAL.append(where)
        return "ok"

    keep.__annotations__["where"] = kind
    return Toolset(guarded_tool(keep))


# --- what JSON does not tell ------------------------------------------------------------------------


async def test_two_objects_that_look_alike_are_two(tmp_path: Path) -> None:
    amount = [8]
    asked: list[str] = []

    async def agent(task: str, *, tools: Toolset, guidance: str | None) -> str:
        return tools["send"](Parcel(amount[0]))  # type: ignore[no-any-return]

    async def approve(request: Any) -> Any:
        asked.append(type(request).__name__)
        return (
            Approve(by="ann") if isinstance(request, PlanRequest) else Reject(by="ann", reason="which one?")
        )

    async with session(agent, Toolset(send), tmp_path, approve=approve) as s:
        plan = await s.rehearse("x")
        assert any("parcel has no JSON form" in note for note in plan.notes)
        amount[0] = 8000
        with pytest.raises(Exception, match="which"):
            await s.commit(plan, mode="bound")
    assert asked == ["PlanRequest", "CallRequest"]
    assert REAL == []


async def test_a_replay_makes_no_call_with_the_name_of_a_type(tmp_path: Path) -> None:
    async def agent(task: str, *, tools: Toolset, guidance: str | None) -> str:
        return tools["send"](Parcel(8))  # type: ignore[no-any-return]

    async with session(agent, Toolset(send), tmp_path) as s:
        result = await s.commit(await s.rehearse("x"), mode="replay")
    assert result.ended == "stopped"
    assert "parcel has no JSON form" in result.notes[-1]
    assert REAL == []


@pytest.mark.parametrize("path", [PurePosixPath("a/b"), PureWindowsPath("c:/a"), Path("a")])
async def test_a_replay_passes_the_path_that_was_shown(path: PurePath, tmp_path: Path) -> None:
    async def agent(task: str, *, tools: Toolset, guidance: str | None) -> str:
        return str(tools["keep"](path))

    async with session(agent, keeping(type(path)), tmp_path) as s:
        plan = await s.rehearse("x")
        assert plan.foreseen[0].call.arguments == {"where": str(path)}
        await s.commit(plan, mode="replay")
    assert [path] == REAL


async def test_a_replay_makes_no_call_with_the_name_of_a_type_where_a_text_has_a_form(tmp_path: Path) -> None:
    class Place:
        """A place that is written as a path, and shows nothing."""

        @classmethod
        def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
            return core_schema.no_info_plain_validator_function(lambda given: given)

        @classmethod
        def __get_pydantic_json_schema__(cls, schema: Any, handler: Any) -> Any:
            return {"type": "string", "format": "path"}

    async def agent(task: str, *, tools: Toolset, guidance: str | None) -> str:
        return str(tools["keep"](Place()))

    async with session(agent, keeping(Place), tmp_path) as s:
        result = await s.commit(await s.rehearse("x"), mode="replay")
    assert result.ended == "stopped"
    assert "where has no JSON form" in result.notes[-1]
    assert REAL == []


async def test_a_replay_makes_calls_with_texts_that_look_like_one(tmp_path: Path) -> None:
    @guarded_tool
    def tag(text: str, others: list[str], more: dict[str, str], last: str | None = None) -> str:
        REAL.append((text, others, more, last))
        return "ok"

    async def agent(task: str, *, tools: Toolset, guidance: str | None) -> str:
        return tools["tag"]("<b>", ["<html>"], {"a": "<i>"}, "<p>")  # type: ignore[no-any-return]

    async with session(agent, Toolset(tag), tmp_path) as s:
        await s.commit(await s.rehearse("x"), mode="replay")
    assert REAL == [("<b>", ["<html>"], {"a": "<i>"}, "<p>")]


@pytest.mark.parametrize("value", [Decimal("1.5"), b"\xff", {1, 2}, (1, 2), float("nan"), {1: 2}])
async def test_a_plan_says_what_a_replay_would_pass_otherwise(value: Any, tmp_path: Path) -> None:
    async def agent(task: str, *, tools: Toolset, guidance: str | None) -> str:
        return tools["send"](value)  # type: ignore[no-any-return]

    async with session(agent, Toolset(send), tmp_path) as s:
        plan = await s.rehearse("x")
    assert any("send: parcel was given as a type that JSON does not give back" in note for note in plan.notes)


async def test_of_annotated_parameters_it_says_nothing(tmp_path: Path) -> None:
    @guarded_tool
    def price(amount: Decimal, order: Order, names: set[str]) -> str:
        return "ok"

    async def agent(task: str, *, tools: Toolset, guidance: str | None) -> str:
        return tools["price"](Decimal("1.5"), Order(to="ann"), {"a"})  # type: ignore[no-any-return]

    async with session(agent, Toolset(price), tmp_path) as s:
        plan = await s.rehearse("x")
    assert plan.notes == ()
