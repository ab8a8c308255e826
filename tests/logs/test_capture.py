"""`capture`: real calls of guarded tools are recorded, and nothing else about them changes."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import re
import sqlite3
import threading
import time
import tracemalloc
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from helpers.logs import file_bytes, record
from pydantic import BaseModel, SecretBytes, SecretStr

import artis_sdk
from artis_sdk import guarded_tool
from artis_sdk.errors import LogError
from artis_sdk.logs import CallLog, Redactor
from artis_sdk.logs.capture import capture, recording
from artis_sdk.records import CallRecord, Outcome, Provenance, Risk, Step
from artis_sdk.tools import entered
from artis_sdk.tools.guarded import Invocation, Reply
from artis_sdk.tools.world import firewall


@guarded_tool(risk=Risk.REVERSIBLE)
def pay(to: str, amount: float = 1.0, *, note: str = "") -> dict[str, Any]:
    """Pay somebody."""
    if amount < 0:
        raise ValueError("amount must be positive")
    return {"to": to, "paid": amount}


@guarded_tool
async def look(what: str, wait: float = 0.0) -> str:
    """Look something up."""
    await asyncio.sleep(wait)
    return f"seen {what}"


class Bank:
    def __init__(self) -> None:
        self.calls = 0

    @guarded_tool
    def count(self, by: int = 1) -> int:
        """Count calls."""
        self.calls += by
        return self.calls


def rows(log: CallLog) -> list[tuple[str, dict[str, Any], Any]]:
    return [(made.call.tool, made.call.arguments, made.outcome.value) for made in log.records()]


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    """No test leaves a capture open."""
    yield
    assert firewall.observers == ()


# --- what is recorded -------------------------------------------------------------------------


async def test_calls_are_recorded_as_they_were_made(tmp_path: Path) -> None:
    before = time.time()
    async with artis_sdk.capture(tmp_path / "calls.db") as captured:
        assert pay("ann", 5, note="hi") == {"to": "ann", "paid": 5}
        assert await look(what="sky") == "seen sky"
        assert Bank().count(3) == 3
        with pytest.raises(ValueError, match="amount must be positive"):
            pay("bob", -1)
        captured.flush()
        made = list(captured.log.records())
    pay("eve", 7)  # after the end: not recorded
    assert [(one.call.tool, one.call.arguments) for one in made] == [
        ("pay", {"to": "ann", "amount": 5, "note": "hi"}),
        ("look", {"what": "sky"}),
        ("count", {"by": 3}),
        ("pay", {"to": "bob", "amount": -1}),
    ]
    assert [one.outcome.value for one in made] == [{"to": "ann", "paid": 5}, "seen sky", 3, None]
    failed = made[3].outcome
    assert (failed.ok, failed.failure_type, failed.message, failed.raised) == (
        False,
        "ValueError",
        "amount must be positive",
        True,
    )
    for one in made:
        assert one.outcome.provenance is Provenance.REAL
        assert before <= one.at <= time.time()
        assert one.outcome.duration is not None
        assert 0 <= one.outcome.duration < 5
        assert one.source_hash is not None
        assert len(one.source_hash) == 64
        assert (one.task, one.state, one.history, one.predicted) == (None, None, (), None)
        assert one.session == made[0].session  # one asyncio task made them all
    assert (made[0].risk, made[1].risk) == (Risk.REVERSIBLE, Risk.IRREVERSIBLE)
    assert made[0].spec.description == "Pay somebody."


class Answer:
    def __init__(self, code: int) -> None:
        self.code = code


def test_failures_that_are_returned_have_the_tools_type(tmp_path: Path) -> None:
    def by_code(result: Any) -> str | None:
        return f"HTTP {result.code}" if isinstance(result, Answer) and result.code >= 400 else None

    @guarded_tool(failures=by_code)
    def fetch(code: int) -> Answer:
        """Fetch."""
        return Answer(code)

    with capture(tmp_path / "calls.db") as captured:
        fetch(200)
        fetch(404)
        ok, failed = captured.log.records()
    assert (ok.outcome.ok, ok.outcome.type, ok.outcome.value) == (True, "success", {"code": 200})
    assert (failed.outcome.ok, failed.outcome.type, failed.outcome.raised) == (False, "HTTP 404", False)


def test_later_changes_of_arguments_and_values_are_not_recorded(tmp_path: Path) -> None:
    @guarded_tool
    def fill(basket: list[str]) -> list[str]:
        """Fill a basket."""
        return basket

    basket = ["apple"]
    with capture(tmp_path / "calls.db") as captured:
        fill(basket).append("pear")
        basket.append("plum")
        (made,) = captured.log.records()
    assert made.call.arguments == {"basket": ["apple"]}
    assert made.outcome.value == ["apple"]


class Strange:
    __slots__ = ()

    def __repr__(self) -> str:
        raise KeyError("no repr")


@dataclass
class Node:
    name: str
    next: list[Node] = field(default_factory=list)


class Model(BaseModel):
    x: int


def loop() -> Node:
    node = Node("a")
    node.next.append(node)
    return node


@pytest.mark.parametrize(
    ("value", "seen"),
    [
        (Strange(), "<Strange>"),
        (loop(), {"name": "a", "next": ["<Node>"]}),
        ({"s": Strange(), "n": 1}, {"s": "<Strange>", "n": 1}),
        (b"\xff\xfe", "data:application/octet-stream;base64,//4="),
        ("\ud800", "\\ud800"),
        (Model(x=1), {"x": 1}),
        (Node("b"), {"name": "b", "next": []}),
        ((1, {2}), [1, [2]]),
        ({1: "a", None: "b"}, {"1": "a", "None": "b"}),
        (len, "<len>"),
        (float("inf"), "Infinity"),
        (2**80, 2**80),
        (threading.Lock(), "<lock>"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_values_of_any_kind(tmp_path: Path, value: Any, seen: Any) -> None:
    @guarded_tool
    def echo(value: Any) -> Any:
        """Echo."""
        return value

    with capture(tmp_path / "calls.db") as captured:
        assert echo(value) is value
        (made,) = captured.log.records()
    assert made.call.arguments == {"value": seen}
    assert made.outcome.value == seen


def test_idempotency_keys_are_no_arguments(tmp_path: Path) -> None:
    @guarded_tool(idempotency_key="key")
    def send(to: str, *, key: str) -> str:
        """Send."""
        return key

    with capture(tmp_path / "calls.db") as captured:
        assert send("ann", key="k1") == "k1"
        (made,) = captured.log.records()
    assert made.call.arguments == {"to": "ann"}


def test_secrets_of_a_signature_vanish_everywhere(tmp_path: Path) -> None:
    @guarded_tool
    def enter(code: SecretStr, more: dict[str, SecretBytes]) -> dict[str, Any]:
        """Enter."""
        return {"said": code.get_secret_value(), "also": [more["a"].get_secret_value().decode()]}

    with capture(tmp_path / "calls.db") as captured:
        enter(SecretStr("xyzzy-one"), {"a": SecretBytes(b"plugh-two")})
        captured.flush()
        assert not re.search(b"xyzzy|plugh", file_bytes(captured.log.path))
        (made,) = captured.log.records()
    assert made.call.arguments == {"code": "**********", "more": {"a": "**********"}}


# --- tasks ------------------------------------------------------------------------------------


async def test_a_task_gives_its_calls_state_and_history(tmp_path: Path) -> None:
    state = {"accounts": ["ann"]}
    async with capture(tmp_path / "calls.db") as captured:
        with captured.task(state=state, id="monday") as name:
            state["accounts"].append("later")
            pay("ann")
            with pytest.raises(ValueError, match="positive"):
                pay("ann", -1)
            await asyncio.to_thread(pay, "bob")
        with captured.task(session="week"):
            pay("eve")
        pay("nobody")
        made = list(captured.log.records())
    assert name == "monday"
    assert [one.task for one in made[:3]] == ["monday"] * 3
    assert [one.session for one in made[:4]] == ["monday"] * 3 + ["week"]
    assert all(one.state == {"accounts": ["ann"]} for one in made[:3])
    steps = tuple(Step(call=one.call, outcome=one.outcome) for one in made[:2])
    assert made[2].history == steps
    assert made[1].history == steps[:1]
    assert (made[3].history, made[3].state) == ((), None)
    assert made[3].task != made[4].task
    assert (made[4].task, made[4].history) == (None, ())


async def test_concurrent_tasks_stay_apart(tmp_path: Path) -> None:
    async with capture(tmp_path / "calls.db") as captured:

        async def one(name: str) -> None:
            with captured.task(id=name):
                for n in range(10):
                    await look(f"{name}-{n}", wait=0.001)

        async with asyncio.TaskGroup() as group:
            for n in range(10):
                group.create_task(one(f"t{n}"))
        for n in range(10):
            made = list(captured.log.records(session=f"t{n}"))
            assert [one.call.arguments["what"] for one in made] == [f"t{n}-{k}" for k in range(10)]
            assert [len(one.history) for one in made] == list(range(10))


async def test_calls_that_overlap_do_not_know_of_each_other(tmp_path: Path) -> None:
    async with capture(tmp_path / "calls.db") as captured:
        with captured.task():
            pay("first")
            await asyncio.gather(look("long", wait=0.05), look("short", wait=0.01))
            pay("last")
        made = {str(next(iter(one.call.arguments.values()))): one for one in captured.log.records()}
    known = {
        name: [str(next(iter(step.call.arguments.values()))) for step in one.history]
        for name, one in made.items()
    }
    assert known == {
        "first": [],
        "short": ["first"],
        "long": ["first"],
        "last": ["first", "short", "long"],
    }


async def test_calls_of_no_task_are_in_a_session_by_who_made_them(tmp_path: Path) -> None:
    async with capture(tmp_path / "calls.db") as captured:
        await asyncio.gather(*(asyncio.create_task(look(str(n))) for n in range(3)))
        for _ in range(2):
            await asyncio.create_task(look("x"))
        thread = threading.Thread(target=lambda: (pay("a"), pay("b")))
        thread.start()
        thread.join()
        sessions = [one.session for one in captured.log.records()]
    assert len(sessions) == 7
    assert len(set(sessions)) == 6
    assert sessions[5] == sessions[6]


# --- several captures -------------------------------------------------------------------------


def test_two_captures_at_once(tmp_path: Path) -> None:
    first = capture(tmp_path / "a.db")
    pay("one")
    second = capture(tmp_path / "b.db")
    pay("two")
    first.close()
    pay("three")
    second.close()
    second.close()
    for name, expected in (("a", ["one", "two"]), ("b", ["two", "three"])):
        with CallLog(tmp_path / f"{name}.db") as log:
            assert [one.call.arguments["to"] for one in log.records()] == expected


def test_captures_of_one_file_record_once(tmp_path: Path) -> None:
    path = tmp_path / "calls.db"
    outer, inner = capture(path), capture(path)
    other = capture(path, redact=Redactor())  # its own rules, hence a log of its own
    assert inner.log is outer.log is not other.log
    pay("one")
    outer.close()
    with inner.task(id="t"):
        pay("two")
    inner.close()
    with other.task(id="t"):
        pay("three")
    other.close()
    with CallLog(path) as log:
        assert [one.call.arguments["to"] for one in log.records()] == ["one", "two", "three"]
        assert [one.task for one in log.records()] == [None, "t", "t"]


def test_a_log_that_was_given_stays_open(tmp_path: Path) -> None:
    with CallLog(tmp_path / "calls.db") as log:
        with capture(log) as captured:
            pay("one")
            assert captured.log is log
        log.append(record(5))
        assert len(list(log.records())) == 2


# --- sessions and worlds ----------------------------------------------------------------------


class Elsewhere:
    """A world that answers by itself."""

    async def handle(self, invocation: Invocation) -> Reply:
        outcome = Outcome.success("simulated", Provenance.SIMULATED)
        return Reply(outcome, "simulated")

    async def handle_turn(self, invocations: Any) -> list[Reply]:
        return [await self.handle(invocation) for invocation in invocations]


async def test_calls_of_a_world_are_not_captured(tmp_path: Path) -> None:
    async with capture(tmp_path / "calls.db") as captured:
        with entered(Elsewhere()):
            assert await look("x") == "simulated"
        assert rows(captured.log) == []


def test_calls_of_a_session_reach_the_captures_of_other_files(tmp_path: Path) -> None:
    assert recording(None) is None
    own = CallLog(tmp_path / "own.db")
    with capture(tmp_path / "a.db") as a, capture(tmp_path / "own.db") as same:
        for log, made in ((None, record(1)), (own, record(2)), (same.log, record(3))):
            to = recording(log)
            assert to is not None
            to.append(made)
        own.flush()
        assert [one.at for one in a.log.records()] == [1001.0, 1002.0, 1003.0]
        assert sorted(one.at for one in same.log.records()) == [1001.0, 1002.0, 1003.0]
    own.close()


def test_a_sessions_log_that_fails_does_not_stop_its_commit(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    own = CallLog(tmp_path / "own.db")
    own.close()
    to = recording(own)
    assert to is not None
    to.append(record(1))
    assert "was made, but not recorded" in caplog.text


# --- failures ---------------------------------------------------------------------------------


def test_a_log_that_fails_changes_nothing_for_the_caller(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "calls.db"
    with CallLog(path, busy_timeout=0.05) as log:
        captured = capture(log)
        pay("one")
        captured.flush()
        lock = sqlite3.connect(path, isolation_level=None)
        lock.execute("BEGIN IMMEDIATE")
        pay("two")
        with pytest.raises(LogError, match="could not be written yet"):
            captured.flush()
        for _ in range(3):
            assert pay("three")["paid"] == 1.0
        lock.execute("ROLLBACK")
        lock.close()
        with pytest.raises(LogError, match="3 calls were not recorded"):
            captured.flush()
        pay("four")
        captured.close()
        assert [one.call.arguments["to"] for one in log.records()] == ["one", "two", "four"]
    assert caplog.text.count("calls are not being recorded") == 1


def test_a_classifier_that_fails_changes_nothing_for_the_caller(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(result: Any) -> str | None:
        raise RuntimeError("classifier")

    @guarded_tool(failures=broken)
    def run(fail: bool) -> int:
        """Run."""
        if fail:
            raise ValueError("own")
        return 1

    captured = capture(tmp_path / "calls.db")
    assert run(False) == 1
    with pytest.raises(ValueError, match="own") as raised:
        run(True)
    assert raised.value.__cause__ is None
    with pytest.raises(LogError, match="2 calls were not recorded"):
        captured.close()


def test_a_tool_without_a_schema_is_refused_by_the_log_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    @guarded_tool
    def odd(callback: Missing) -> int:  # type: ignore[name-defined]  # noqa: F821
        """Odd."""
        return int(callback(1))

    captured = capture(tmp_path / "calls.db")
    assert odd(lambda n: n + 1) == 2
    pay("one")
    with pytest.raises(LogError, match="1 records could not be written"):
        captured.close()
    with CallLog(tmp_path / "calls.db") as log:
        assert rows(log) == [("pay", {"to": "one"}, {"to": "one", "paid": 1.0})]
    assert "odd" in caplog.text


def test_a_capture_that_cannot_be_opened_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no log at all" * 100)
    with pytest.raises(LogError, match="not a call log"):
        capture(tmp_path / "notes.txt")
    assert firewall.observers == ()


# --- cost -------------------------------------------------------------------------------------


@pytest.mark.slow
def test_waiting_calls_hold_bytes_and_not_what_was_passed(tmp_path: Path) -> None:
    class Big:
        def __init__(self) -> None:
            self._data = bytearray(1_000_000)

    @guarded_tool
    def use(big: Any) -> None:
        """Use."""

    with capture(tmp_path / "calls.db") as captured:
        use(Big())
        captured.flush()
        gc.collect()
        tracemalloc.start()
        for _ in range(20):
            use(Big())
        held, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert held < 2_000_000


def test_a_captured_call_costs_its_caller_little(tmp_path: Path) -> None:
    """A coarse bound that holds on a busy machine; benchmarks/log.py measures."""

    def seconds(calls: int) -> float:
        start = time.thread_time()
        for _ in range(calls):
            pay("ann", 5.0, note="thanks")
        return (time.thread_time() - start) / calls

    plain = min(seconds(2000) for _ in range(5))
    with capture(tmp_path / "calls.db"):
        captured = min(seconds(200) for _ in range(20))
    assert captured - plain < 60e-6


def test_the_observers_context_does_not_leak(tmp_path: Path) -> None:
    before = contextvars.copy_context()
    with capture(tmp_path / "calls.db") as captured, captured.task():
        pay("x")
    after = contextvars.copy_context()
    assert {var.name for var in after if after[var] != before.get(var)} <= {"artis_sdk_capture_tasks"}
    assert all(not after[var] for var in after if var.name == "artis_sdk_capture_tasks")


def test_every_record_is_a_value_of_its_class(tmp_path: Path) -> None:
    """Records are made without validation on the way in; they hold what validation would let pass."""
    with capture(tmp_path / "calls.db") as captured:
        with captured.task(state={"a": 1}):
            pay("ann", 2.5, note="x")
            with pytest.raises(ValueError, match="positive"):
                pay("ann", -2)
        for made in captured.log.records():
            assert CallRecord.model_validate(made.model_dump()) == made
