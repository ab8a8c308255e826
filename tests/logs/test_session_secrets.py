"""One list of secrets a session: nothing that is saved or shown holds one; what is used does."""

from __future__ import annotations

import asyncio
import json
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from helpers.logs import file_bytes, record
from helpers.secretive import TOKEN, S, agent, secrets_in
from helpers.sessions import unjudged
from pydantic import SecretStr

from artis_sdk import (
    Direct,
    Plan,
    SandboxSimulator,
    Sequential,
    Session,
    Toolset,
    guarded_tool,
)
from artis_sdk.commit.journal.sqlite import SQLiteJournal
from artis_sdk.commit.redaction import LARGE, is_large
from artis_sdk.errors import CommitRefused, ConfigurationError
from artis_sdk.logs import CallLog, Redactor
from artis_sdk.logs.session_secrets import SessionSecrets
from artis_sdk.records import Outcome, Provenance, ToolCall, ToolSpec
from artis_sdk.records.events import Event


class Desk:
    """Real tools; each call is kept as it came."""

    def __init__(self) -> None:
        self.api_key = f"desk-{TOKEN[::-1]}"
        self.users = {"ann": {"password": S}}
        self._calls: list[tuple[str, str]] = []

    def login(self, user: str, password: SecretStr) -> dict[str, str]:
        self._calls.append(("login", password.get_secret_value()))
        return {"access_token": TOKEN, "user": user}

    def post(self, text: str) -> str:
        self._calls.append(("post", text))
        return f"posted {text}"

    def fail(self, text: str) -> None:
        raise ValueError(f"refused {text}")


def session(folder: Path, desk: Desk, events: list[Event] | None = None, **more: Any) -> Session:
    return unjudged(
        agent,
        Toolset.from_object(desk),
        folder / "journal.db",
        simulator=SandboxSimulator(),
        strategy=Sequential(1),
        log=folder / "calls.db",
        on_event=None if events is None else events.append,
        **more,
    )


async def test_what_one_call_was_given_or_gave_is_hidden_wherever_it_turns_up_later(tmp_path: Path) -> None:
    desk, events = Desk(), list[Event]()
    async with session(tmp_path, desk, events) as used:
        plan = await used.rehearse(f"Log in as ann with password={S} and post what you have.")
        result = await used.commit(plan)
        saved = used.saved(plan).model_dump_json()
        shown = used.shown(result)
    assert desk._calls[1] == ("post", f"my pw is {S}")  # what is used is real
    assert secrets_in(plan.model_dump_json())
    assert secrets_in(result.model_dump_json())
    assert secrets_in(saved) == []
    assert secrets_in(shown.model_dump_json() + repr(shown)) == []
    assert secrets_in("".join(event.model_dump_json() + repr(event) for event in events)) == []
    for name in ("journal.db", "calls.db"):
        data = file_bytes(tmp_path / name)
        assert b"[redacted:" in data
        assert secrets_in(data) == [], name
    assert [event.kind for event in events][-1] == "commit_finished"
    assert shown.plan.id == plan.id
    assert shown.plan.task.tools == plan.task.tools


async def test_equal_secrets_look_equal_in_all_that_is_shown(tmp_path: Path) -> None:
    async with session(tmp_path, Desk()) as used:
        shown = used.shown(await used.rehearse(f"password={S}"))
    stand_in = shown.task.query.removeprefix("password=")
    state: Any = shown.task.state
    assert state["Desk"]["users"]["ann"]["password"] == stand_in
    assert stand_in in str(shown.attempts[0].steps[1].call.arguments["text"])
    assert state["Desk"]["api_key"] != stand_in


async def test_a_saved_plan_is_committed_where_the_key_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ARTIS_PLAN_KEY", Fernet.generate_key().decode())
    async with session(tmp_path, Desk()) as used:
        plan = await used.rehearse(f"password={S}")
        text = used.saved(plan).model_dump_json()
    assert secrets_in(text) == []
    saved = Plan.model_validate_json(text)
    changed = saved.model_copy(update={"guidance": "pay everybody"})
    desk = Desk()
    async with session(tmp_path, desk) as other:
        with pytest.raises(CommitRefused, match="changed after it was saved"):
            await other.commit(changed)
        assert desk._calls == []
        result = await other.commit(saved)
    assert result.plan == plan
    assert [call.predicted is not None for call in result.calls] == [True] * 6
    monkeypatch.setenv("ARTIS_PLAN_KEY", Fernet.generate_key().decode())
    async with session(tmp_path, desk) as other:
        with pytest.raises(CommitRefused, match="not encrypted under this ARTIS_PLAN_KEY"):
            await other.commit(saved)
    monkeypatch.setenv("ARTIS_PLAN_KEY", "short")
    with pytest.raises(ConfigurationError, match="ARTIS_PLAN_KEY is not a key"):
        await session(tmp_path / "c", desk).__aenter__()


async def test_without_a_key_the_secrets_are_asked_for_by_name_before_anything_runs(tmp_path: Path) -> None:
    async with session(tmp_path, Desk()) as used:
        plan = await used.rehearse(f"password={S}")
        saved = Plan.model_validate_json(used.saved(plan).model_dump_json())
        assert saved.withheld is not None
        by_place = {place: it for it, places in saved.withheld.places.items() for place in places}
    assert set(saved.withheld.places) == set(by_place.values())
    assert not [place for place in by_place if place.startswith("task.state")]
    desk = Desk()
    async with session(tmp_path, desk) as other:
        with pytest.raises(CommitRefused, match=r"task\.query.*artis run asks.*ARTIS_PLAN_KEY"):
            await other.commit(saved)
        assert desk._calls == []
        given: dict[str, Any] = {}
        for placeholder, places in saved.withheld.places.items():
            given[placeholder] = S if "task.query" in places else TOKEN
        given[by_place["attempts.0.steps.4.call.arguments.text"]] = TOKEN[:14]
        result = await other.commit(saved, secrets=given)
    assert result.plan.task.query == f"password={S}"
    assert result.plan.withheld is None


async def test_the_session_that_made_a_plan_needs_nothing_given(tmp_path: Path) -> None:
    async with session(tmp_path, Desk()) as used:
        plan = await used.rehearse(f"password={S}")
        await used.commit(plan)
        again = used.saved(plan)
        with pytest.raises(CommitRefused, match="already"):
            await used.commit(again)


async def test_a_plan_without_secrets_is_saved_as_it_is(tmp_path: Path) -> None:
    @guarded_tool
    def note(text: str) -> str:
        return text

    async def say(task: str, *, tools: Toolset, guidance: str | None) -> str:
        return note(text="hello")

    async with Session(agent=say, tools=[note], strategy=Direct(), journal=tmp_path / "j.db") as used:
        plan = await used.rehearse("say hello")
        assert used.saved(plan) == plan


async def test_a_large_outcome_does_not_hold_the_event_loop(tmp_path: Path) -> None:
    big = 'password="' + '\\"' * 500_000

    @guarded_tool
    async def read() -> str:
        return big

    async def reads(task: str, *, tools: Toolset, guidance: str | None) -> str:
        return (await read())[:3]

    threads = set[str]()

    class Noted(Redactor):
        def redact_outcome(self, *args: Any, **more: Any) -> Outcome:
            threads.add(threading.current_thread().name)
            return super().redact_outcome(*args, **more)

    async with Session(
        agent=reads, tools=[read], strategy=Direct(), journal=tmp_path / "j.db", redact=Noted()
    ) as used:
        await used.run("read")
    assert threading.current_thread().name not in threads
    assert len(threads) == 1
    assert b"redacted" in file_bytes(tmp_path / "j.db")
    assert not is_large("x" * (LARGE - 100))
    assert is_large(["x" * 1000] * 70)
    assert is_large({"k" * LARGE: None})


async def test_a_cancelled_commit_still_journals_a_large_outcome(tmp_path: Path) -> None:
    begun = asyncio.Event()

    @guarded_tool
    async def read() -> str:
        begun.set()
        await asyncio.sleep(0.05)
        return "x" * (2 * LARGE)

    async def reads(task: str, *, tools: Toolset, guidance: str | None) -> str:
        return (await read())[:3]

    async with Session(agent=reads, tools=[read], strategy=Direct(), journal=tmp_path / "j.db") as used:
        running = asyncio.create_task(used.run("read"))
        await begun.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert await used.recover() == []
    with closing(SQLiteJournal(tmp_path / "j.db")) as journal:
        (call,) = journal.calls()
    assert call.outcome is not None
    assert call.outcome.value == "x" * (2 * LARGE)


def test_a_log_has_one_list_a_session(tmp_path: Path) -> None:
    login = ToolCall(tool="login", arguments={"password": S})
    post = ToolCall(tool="post", arguments={"text": f"hand over {S}"})
    with CallLog(tmp_path / "calls.db") as log:
        log.append(record(1, call=login, session="s", task="one"))
        log.append(record(2, call=post, session="s", task="two", state=["x"]))
        log.append(record(3, call=post, session="s"))
        log.append(record(4, call=post, session="t", task="one"))
        log.flush()
        rows = list(log.records())
    assert [S in json.dumps(row.call.arguments) for row in rows] == [False, False, False, True]


def test_what_was_made_up_is_hidden_where_it_is_shown_and_not_in_the_journal() -> None:
    secrets = SessionSecrets(Redactor())
    made_up = Outcome.success({"password": "correct"}, Provenance.SIMULATED)
    assert "correct" not in secrets.shown(made_up).model_dump_json()
    real = Outcome.success("correct", Provenance.REAL)
    assert secrets.redact_outcome(ToolSpec(name="ask", parameters={}), real, {}).value == "correct"
