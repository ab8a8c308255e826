"""Captured calls by task, in several captures at once, and beside sessions."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers.captured import look, pay, rows
from helpers.logs import record

from artis_sdk.logs import CallLog, Redactor
from artis_sdk.logs.capture import capture, recording
from artis_sdk.logs.session_secrets import SessionSecrets
from artis_sdk.records import Outcome, Provenance, Step
from artis_sdk.tools import entered
from artis_sdk.tools.guarded import Invocation
from artis_sdk.tools.reply import Reply
from artis_sdk.tools.world import firewall


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    """No test leaves a capture open."""
    yield
    assert firewall.observers == ()


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
    assert recording(None, SessionSecrets(Redactor())) is None
    own = CallLog(tmp_path / "own.db")
    with capture(tmp_path / "a.db") as a, capture(tmp_path / "own.db") as same:
        for log, made in ((None, record(1)), (own, record(2)), (same.log, record(3))):
            to = recording(log, SessionSecrets(Redactor()))
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
    to = recording(own, SessionSecrets(Redactor()))
    assert to is not None
    to.append(record(1))
    assert "was made, but not recorded" in caplog.text
