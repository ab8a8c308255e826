"""Who learns of a session's progress: readers of its events, and the log."""

from __future__ import annotations

import asyncio
import gc
import logging
import threading
from pathlib import Path
from typing import Any

import pytest
from helpers.sessions import unjudged

from artis_sdk import (
    ConfigurationError,
    Event,
    History,
    Outcome,
    Parallel,
    Provenance,
    Risk,
    Sequential,
    Session,
    Simulator,
    State,
    ToolCall,
    guarded_tool,
)
from artis_sdk.backends import ScriptedBackend
from artis_sdk.errors import CommitRefused
from artis_sdk.records import Request

sent: list[str] = []


@guarded_tool(risk=Risk.IRREVERSIBLE)
def send(text: str, password: str = "") -> str:
    """Send a text."""
    sent.append(text)
    return f"sent {text}"


class Sends(Simulator):
    """Predicts what `send` returns."""

    async def predict(self, call: ToolCall, state: State, history: History) -> Outcome:
        return Outcome.success(f"sent {call.arguments['text']}", Provenance.SIMULATED)


@pytest.fixture(autouse=True)
def nothing_sent() -> None:
    sent.clear()


def sends_once(request: Request) -> Any:
    if request.messages[-1].role == "tool":
        return "done"
    return ToolCall(tool="send", arguments={"text": "hi\nthere", "password": "hunter2-and-more"})


def sending(journal: Path, **more: Any) -> Session:
    options: dict[str, Any] = {"simulator": Sends(), "strategy": Sequential(2)}
    return unjudged(ScriptedBackend(sends_once), [send], journal, **options | more)


async def read(events: Any) -> list[Event]:
    return [event async for event in events]


async def test_every_reader_gets_every_event_and_ends_with_the_session(tmp_path: Path) -> None:
    called = list[Event]()
    session = sending(tmp_path / "j.db", on_event=called.append, strategy=Parallel(3))
    first, second = asyncio.create_task(read(session.events())), session.events()
    async with session:
        await session.run("Send it.")
        before, late = len(called), session.events()
        await session.rehearse("Send it again.")
    assert await first == called == await read(second)
    assert await read(late) == called[before:]
    assert 0 < before < len(called)
    assert await read(session.events()) == []
    assert "hunter2-and-more" not in str([event.model_dump() for event in called])


async def test_readers_end_when_a_session_fails_or_cannot_be_opened(tmp_path: Path) -> None:
    broken = Session(agent=ScriptedBackend([]), tools=[send], strategy=Sequential(1))
    events = broken.events()
    with pytest.raises(ConfigurationError, match="needs a simulator"):
        async with broken:
            pass
    assert await read(events) == []
    session = sending(tmp_path / "j.db")
    events = session.events()

    async def failing() -> None:
        async with session:
            await session.rehearse("Send it.")
            raise RuntimeError("mine")

    with pytest.raises(RuntimeError, match="mine"):
        await failing()
    assert [event.kind for event in await read(events)][-1] == "rehearsal_finished"


async def test_two_tasks_share_a_reader_and_both_end(tmp_path: Path) -> None:
    session = sending(tmp_path / "j.db")
    events, all_of_them = session.events(), session.events()
    tasks = [asyncio.create_task(read(events)) for _ in range(2)]
    async with session:
        await session.rehearse("Send it.")
    one, other = await asyncio.gather(*tasks)
    assert len(one) + len(other) == len(await read(all_of_them))


async def test_events_are_read_here_while_the_session_runs_in_a_thread(tmp_path: Path) -> None:
    one = unjudged(
        ScriptedBackend(sends_once),
        [send],
        tmp_path / "j.db",
        simulator=Sends(),
        strategy=Sequential(1),
    )
    events = one.events()
    waiting = asyncio.create_task(anext(events))
    await asyncio.sleep(0)  # it waits before anything happens
    running = asyncio.create_task(asyncio.to_thread(one.run_sync, "Send."))
    async with asyncio.timeout(60):
        kinds = [(await waiting).kind, *[event.kind async for event in events]]
    await running
    assert (kinds[0], kinds[-1]) == ("rehearsal_started", "commit_finished")
    assert sent == ["hi\nthere"]


async def test_a_reader_that_is_dropped_keeps_no_events(tmp_path: Path) -> None:
    session = sending(tmp_path / "j.db")
    async with session:
        events = session.events()
        kept = session.events()
        await session.rehearse("Send it.")
        async for _ in events:
            break
        del events
        gc.collect()
        assert list(session._events._readers) == [kept]
        await session.rehearse("Send it.")


def test_a_session_runs_from_sync_code(tmp_path: Path) -> None:
    assert sending(tmp_path / "j.db").run_sync("Send it.").answer == "done"
    plan = sending(tmp_path / "j.db").rehearse_sync("Send it.")
    assert len(sent) == 1
    assert len(sending(tmp_path / "j.db").commit_sync(plan).calls) == 1
    assert len(sent) == 2


def said(session: Session) -> list[str]:
    """What the user said in the turns so far."""
    return [turn.content for turn in session.conversation if turn.role == "user"]


def test_one_session_rehearses_and_commits_from_sync_code_and_keeps_the_conversation(tmp_path: Path) -> None:
    session = sending(tmp_path / "j.db")
    plan = session.rehearse_sync("Send it.")
    assert sent == []
    assert session.conversation == ()
    assert len(session.commit_sync(plan).calls) == 1
    assert said(session) == ["Send it."]
    with pytest.raises(CommitRefused):  # a plan is committed once, by whichever call
        session.commit_sync(plan)
    assert len(sent) == 1
    session.run_sync("Once more.")
    assert said(session) == ["Send it.", "Once more."]


async def test_a_session_that_was_closed_is_not_entered_again(tmp_path: Path) -> None:
    session = sending(tmp_path / "j.db")
    async with session:
        pass
    with pytest.raises(ConfigurationError, match="entered once"):
        async with session:
            pass
    assert sent == []


async def test_a_running_loop_refuses_and_a_thread_of_its_own_does_not(tmp_path: Path) -> None:
    session = sending(tmp_path / "j.db")
    for refused in (session.run_sync, session.rehearse_sync):
        with pytest.raises(ConfigurationError, match=r"running event loop.*await session\."):
            refused("Send it.")
    assert sent == []
    threads = {await asyncio.to_thread(lambda: (session.run_sync("Send it."), threading.get_ident())[1])}
    assert threads.isdisjoint({threading.get_ident()})
    assert len(sent) == 1


async def logged(caplog: pytest.LogCaptureFixture, level: int, journal: Path) -> list[logging.LogRecord]:
    """What one run logs at a level."""
    with caplog.at_level(level, "artis_sdk"):
        async with sending(journal) as session:
            await session.run("Send it.")
    return caplog.records


async def test_each_part_has_a_logger_and_no_line_tells_a_secret(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    records = await logged(caplog, logging.DEBUG, tmp_path / "j.db")
    parts = {record.name.removeprefix("artis_sdk.") for record in records}
    assert parts == {"session", "loop", "simulators", "backends", "commit"}
    assert "hunter2" not in caplog.text
    assert any("send(" in record.getMessage() for record in records)
    assert not any("\n" in record.getMessage() for record in records)


async def test_what_calls_are_given_is_logged_at_debug_only(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    records = await logged(caplog, logging.INFO, tmp_path / "j.db")
    lines = [record.getMessage() for record in records]
    assert any(line.startswith("send was made, foreseen: ") for line in lines)
    assert "there" not in caplog.text
