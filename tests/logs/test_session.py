"""What a session leaves in call logs: every real call, and nothing that is secret or simulated."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

from helpers.lingering_threads import end_of_threads
from helpers.logs import file_bytes

from artis_sdk import Direct, Risk, SandboxSimulator, Sequential, Session, Toolset, capture, guarded_tool
from artis_sdk.backends import ScriptedBackend
from artis_sdk.logs import CallLog
from artis_sdk.records import Provenance, ToolCall
from artis_sdk.tools.world import firewall

GOOD = "<Evaluation>fine</Evaluation><Result>1</Result><Suggestion></Suggestion>"
ADVICE = '{"recommendation": "Go on.", "rationale": ""}'


class Vault:
    """Opened by a password; tells its name."""

    def __init__(self) -> None:
        self.opened = 0

    @guarded_tool(risk=Risk.REVERSIBLE)
    def enter(self, user: str, password: str) -> dict[str, Any]:
        """Open the vault."""
        self.opened += 1
        return {"opened": self.opened, "hello": f"{user}, your password is {password}"}

    @guarded_tool(risk=Risk.READ_ONLY)
    def look(self) -> dict[str, Any]:
        """Look inside."""
        if not self.opened:
            raise PermissionError("closed")
        return {"gold": 3}


def enter(password: str) -> ToolCall:
    raw = f"enter(user='ann', password='{password}')"
    return ToolCall(tool="enter", arguments={"user": "ann", "password": password}, raw=raw)


LOOK = ToolCall(tool="look")


async def test_a_commit_is_logged_with_state_history_and_prediction(tmp_path: Path) -> None:
    vault = Vault()
    script: list[Any] = [
        LOOK,
        enter("hunter2-x"),
        LOOK,
        "in",
        GOOD,
        ADVICE,
        LOOK,
        enter("hunter2-x"),
        LOOK,
        "in",
    ]
    async with capture(tmp_path / "app.db") as app:
        async with Session(
            agent=ScriptedBackend(script),
            tools=Toolset.from_object(vault),
            simulator=SandboxSimulator(),
            strategy=Sequential(1),
            style="paper",
            journal=tmp_path / "journal.db",
            log=tmp_path / "calls.db",
        ) as session:
            result = await session.run("Enter with hunter2-x and look.")
            vault.look()  # the application's own call, while the session is open
        with CallLog(tmp_path / "calls.db") as log:
            made = list(log.records())
        seen = list(app.log.records())
    assert result.answer == "in"
    assert [(one.call.tool, one.outcome.type) for one in made] == [
        ("look", "PermissionError"),
        ("enter", "success"),
        ("look", "success"),
        ("look", "success"),
    ]
    assert {one.outcome.provenance for one in made} == {Provenance.REAL}
    assert [len(one.history) for one in made] == [0, 1, 2, 0]
    assert [one.predicted is not None for one in made] == [True, True, True, False]
    assert [one.session == session.id for one in made] == [True, True, True, False]
    assert made[0].state == made[2].state == result.plan.task.state
    assert made[2].history[1].call == made[1].call
    assert [one.call.tool for one in seen] == [one.call.tool for one in made]  # the other file has them too
    for name in ("calls.db", "app.db", "journal.db"):
        assert b"hunter2" not in file_bytes(tmp_path / name), name


async def test_many_sessions_of_one_file_share_a_log_and_record_once(tmp_path: Path) -> None:
    vault = Vault()
    log, ready = tmp_path / "calls.db", asyncio.Barrier(20)
    threads = set(threading.enumerate())

    async def one(n: int) -> None:
        async with Session(
            agent=ScriptedBackend([enter(f"pw-{n:04d}-x"), LOOK, "in"]),
            tools=Toolset.from_object(vault),
            strategy=Direct(),
            evaluate=False,
            journal=tmp_path / "journal.db",
            log=log,
        ) as session:
            await ready.wait()
            if n == 0:
                begun = set(threading.enumerate()) - threads
                assert sum(thread.name == "artis-log" for thread in begun) <= 1
                vault.enter("app", "pw-app-x")
            await ready.wait()
            await session.run("Enter and look.")

    await asyncio.gather(*(one(n) for n in range(20)))
    assert firewall.observers == ()
    await end_of_threads(threads, name="artis-log")
    with CallLog(log) as store:
        counts = {count.tool: count.records for count in store.counts()}
        assert counts == {"enter": 21, "look": 20}
        by_session: dict[str | None, list[int]] = {}
        for made in store.records():
            by_session.setdefault(made.session, []).append(len(made.history))
    assert sorted(map(tuple, by_session.values())) == [(0,)] + [(0, 1)] * 20
    assert b"pw-" not in file_bytes(log)
