"""A sandbox that is sealed: whatever a body tries, nothing outside of its fork changes, and it is said."""

from __future__ import annotations

import asyncio
import logging
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import requests
from helpers.counting_server import Handler
from helpers.sealed_acts import SANDBOX, Does
from helpers.sessions import unjudged
from helpers.simulators import call, fork, play

from artis_sdk import Direct, Parallel, Session
from artis_sdk.errors import SimulationError
from artis_sdk.records import Capabilities, Completion, Request
from artis_sdk.simulators import SandboxSimulator
from artis_sdk.tools import Toolset


class Reads:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.log = logging.getLogger("reads")

    def read(self) -> str:
        with open(os.devnull, "w") as nowhere:
            nowhere.write("x")
        self.log.warning("read")
        self.path.stat()
        list(self.path.parent.iterdir())
        import wave  # an import may write its bytecode

        return self.path.read_text() + wave.__name__

    def read_database(self) -> int:
        where = f"file:{self.path.parent / 'real.db'}?mode=ro"
        with closing(sqlite3.connect(where, uri=True)) as db:
            rows: int = db.execute("select count(*) from t").fetchone()[0]
        with closing(sqlite3.connect(":memory:")) as db:
            db.execute("create table t (x)")
        return rows

    async def sleeps(self) -> str:
        await asyncio.sleep(0.001)
        await asyncio.to_thread(int)
        return await asyncio.to_thread(lambda: asyncio.run(asyncio.sleep(0, "slept")))


async def test_reading_is_allowed(does: Does) -> None:
    real = Reads(does.folder / "file")
    history = await play(
        fork(SANDBOX, Toolset.from_object(real)), [call("read"), call("read_database"), call("sleeps")]
    )
    assert [s.outcome.value for s in history] == ["contentwave", 0, "slept"]


async def test_the_error_names_tool_act_target_and_the_fork_that_mends_it(does: Does) -> None:
    class Service:
        def __init__(self) -> None:
            self.path = str(does.folder / "real.db")
            self.uploads = does.folder / "full"

        def add(self) -> None:
            sqlite3.connect(self.path)

        def upload(self) -> None:
            (self.uploads / "deep" / "new").parent.mkdir()

        def ask(self) -> None:
            requests.get(f"http://127.0.0.1:{does.port}/", timeout=1)

    tools = Toolset.from_object(Service())
    expected = {
        "add": (f"sqlite3.connect of '{does.folder}/real.db'", "forks.of(path=forks.sqlite)"),
        "upload": (f"os.mkdir of '{does.folder}/full/deep'", "forks.of(uploads=forks.folder)"),
        "ask": ("socket.getaddrinfo of '127.0.0.1', port", "__fork__"),
    }
    for name, texts in expected.items():
        with pytest.raises(SimulationError) as caught:
            await fork(SANDBOX, tools).predict(call(name), None, ())
        for text in (f"{name}: ", *texts):
            assert text in str(caught.value)


async def test_a_link_in_a_folder_that_may_be_written_leads_nowhere(does: Does, tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    (own / "link").symlink_to(does.folder / "file")

    class Writes:
        def through(self) -> None:
            (own / "link").write_text("changed")

        def hard(self) -> None:
            os.link(does.folder / "file", own / "hard")

        def unlink(self) -> None:
            (own / "link").unlink()

    simulator = SandboxSimulator(allow=[own])
    tools = Toolset.from_object(Writes())
    for name in ("through", "hard"):
        with pytest.raises(SimulationError, match="refused"):
            await fork(simulator, tools).predict(call(name), None, ())
    assert (await fork(simulator, tools).predict(call("unlink"), None, ())).ok


async def test_what_a_body_left_behind_is_refused_later_and_ends_the_attempt(does: Does) -> None:
    gate = asyncio.Event()
    left: list[asyncio.Task[None]] = []

    class Leaves:
        async def leave(self) -> None:
            async def later() -> None:
                await gate.wait()
                (does.folder / "file").write_text("late")

            left.append(asyncio.create_task(later()))

        async def look(self) -> int:
            return 1

    sandbox = SandboxSimulator(share=[f"{Leaves.__qualname__}.leave.left"])
    attempt = fork(sandbox, Toolset.from_object(Leaves()))
    history = await play(attempt, [call("leave")])
    gate.set()
    with pytest.raises(SimulationError, match="leave: the sandbox refused open"):
        await left[0]
    with pytest.raises(SimulationError, match="leave: the sandbox refused open"):
        await attempt.predict(call("look"), None, history)
    with pytest.raises(SimulationError, match="leave: the sandbox refused open"):
        await attempt.aclose()


async def test_a_swallowed_refusal_ends_the_attempt_and_the_plan_says_so(does: Does, tmp_path: Path) -> None:
    tools = Toolset.from_object(does, include=["act"])

    async def agent(task: str, *, tools: Toolset, guidance: str | None) -> str:
        try:
            return str(await asyncio.to_thread(tools["act"], "write_text", True))
        except SimulationError:
            return "never mind"

    async with unjudged(
        agent, tools, tmp_path / "journal.db", simulator=SANDBOX, strategy=Parallel(2)
    ) as session:
        plan = await session.rehearse("Do it.")
    assert [attempt.ended for attempt in plan.attempts] == ["simulation_error"] * 2
    assert "the sandbox refused open" in plan.notes[0]


class Asks:
    """A model over the network."""

    name = "asks"
    capabilities = Capabilities(context_window=10_000)

    def __init__(self, port: int) -> None:
        self.port = port

    async def complete(self, request: Request, *, on_token: Any = None) -> Completion:
        await asyncio.to_thread(requests.get, f"http://127.0.0.1:{self.port}/model", timeout=5)
        return Completion(text="asked")

    async def aclose(self) -> None: ...


async def test_a_session_inside_a_body_may_ask_its_model(port: int, tmp_path: Path) -> None:
    class Delegates:
        async def delegate(self, itself: bool) -> str:
            model = Asks(port)
            if itself:
                return (await model.complete(Request(messages=()))).text
            inner = Session(agent=model, tools=[], strategy=Direct(), journal=tmp_path / "inner.db")
            async with inner as session:
                return (await session.run("ask")).answer or ""

    Handler.seen.clear()
    tools = Toolset.from_object(Delegates())

    async def agent(task: str, *, tools: Toolset, guidance: str | None) -> str:
        return str(await tools["delegate"]("itself" in task))

    async with unjudged(
        agent, tools, tmp_path / "journal.db", simulator=SANDBOX, strategy=Parallel(1)
    ) as session:
        plan = await session.rehearse("ask")
        assert plan.attempts[0].answer == "asked", plan.notes
        assert Handler.seen == ["/model"]
        plan = await session.rehearse("ask it itself")
        assert "refused socket.getaddrinfo" in plan.notes[0]
    assert Handler.seen == ["/model"]
