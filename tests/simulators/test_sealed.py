"""A sandbox that is sealed: whatever a body tries, nothing outside of its fork changes, and it is said."""

from __future__ import annotations

import asyncio
import ctypes
import http.client
import http.server
import logging
import os
import shutil
import smtplib
import socket
import sqlite3
import subprocess
import tempfile
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import requests
from helpers.counting_server import Handler, serving
from helpers.sessions import unjudged
from helpers.simulators import call, fork, play
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from artis_sdk import Direct, Parallel, Session
from artis_sdk.errors import ConfigurationError, SimulationError
from artis_sdk.records import Capabilities, Completion, Request
from artis_sdk.simulators import SandboxSimulator
from artis_sdk.tools import Toolset

SANDBOX = SandboxSimulator()


def tree(folder: Path) -> dict[str, bytes | None]:
    """Everything below a folder, with the content and mode of each file."""
    return {
        str(path.relative_to(folder)): (
            b"link" if path.is_symlink() else oct(path.stat().st_mode).encode() + path.read_bytes()
        )
        if not path.is_dir() or path.is_symlink()
        else None
        for path in sorted(folder.rglob("*"))
    }


# --- what leaves the process ----------------------------------------------------------------------


class Does:
    """Does whatever it is told, with a folder and a port that are real."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.port = port
        self.done = 0

    def act(self, name: str, swallow: bool = False) -> str:
        """Do something, perhaps within `except Exception: pass`."""
        if not swallow:
            ACTS[name](self)
        else:
            try:
                ACTS[name](self)
            except Exception:  # noqa: BLE001
                return "swallowed"
        self.done += 1
        return "done"

    async def act_async(self, name: str, swallow: bool = False) -> str:
        return self.act(name, swallow)

    async def act_in_task(self, name: str, swallow: bool = False) -> str:
        async def inner() -> str:
            return self.act(name, swallow)

        return await asyncio.create_task(inner())

    async def act_in_thread(self, name: str, swallow: bool = False) -> str:
        return await asyncio.to_thread(self.act, name, swallow)


def _sqlite(does: Does) -> None:
    with closing(sqlite3.connect(does.folder / "real.db")) as db, db:
        db.execute("insert into t values (1)")


def _udp(does: Does) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.sendto(b"x", ("127.0.0.1", does.port))


def _connect(does: Does) -> None:
    with socket.socket() as sock:
        sock.connect(("127.0.0.1", does.port))


def _bind(does: Does) -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))


def _link(does: Does) -> None:
    os.symlink(does.folder / "file", does.folder / "link")


def _hard_link(does: Does) -> None:
    os.link(does.folder / "file", does.folder / "hard")


def _dir_fd(does: Does) -> None:
    fd = os.open(does.folder, os.O_RDONLY)
    try:
        os.unlink("file", dir_fd=fd)
    finally:
        os.close(fd)


def _chmod_fd(does: Does) -> None:
    with open(does.folder / "file") as file:
        os.chmod(file.fileno(), 0o600)


ACTS: dict[str, Callable[[Does], Any]] = {
    "open_w": lambda d: open(d.folder / "new", "w").close(),
    "open_a": lambda d: open(d.folder / "file", "a").close(),
    "open_r+": lambda d: open(d.folder / "file", "r+").close(),
    "open_x": lambda d: open(d.folder / "new", "x").close(),
    "open_bytes": lambda d: open(os.fsencode(d.folder / "new"), "wb").close(),
    "os_open": lambda d: os.close(os.open(d.folder / "file", os.O_WRONLY | os.O_TRUNC)),
    "write_text": lambda d: (d.folder / "file").write_text("changed"),
    "touch": lambda d: (d.folder / "new").touch(),
    "unlink": lambda d: (d.folder / "file").unlink(),
    "unlink_dir_fd": _dir_fd,
    "rename": lambda d: (d.folder / "file").rename(d.folder / "other"),
    "replace": lambda d: os.replace(d.folder / "file", d.folder / "other"),
    "mkdir": lambda d: (d.folder / "new").mkdir(),
    "rmdir": lambda d: (d.folder / "empty").rmdir(),
    "truncate": lambda d: os.truncate(d.folder / "file", 0),
    "chmod": lambda d: (d.folder / "file").chmod(0o600),
    "chmod_fd": _chmod_fd,
    "utime": lambda d: os.utime(d.folder / "file", (1, 1)),
    "symlink": _link,
    "link": _hard_link,
    "copy": lambda d: shutil.copy(d.folder / "file", d.folder / "copy"),
    "move": lambda d: shutil.move(d.folder / "file", d.folder / "moved"),
    "rmtree": lambda d: shutil.rmtree(d.folder / "full"),
    "copytree": lambda d: shutil.copytree(d.folder / "full", d.folder / "full2"),
    "mkstemp": lambda d: tempfile.mkstemp(dir=d.folder),
    "temporary_directory": lambda d: tempfile.TemporaryDirectory(dir=d.folder).cleanup(),
    "sqlite": _sqlite,
    "sqlite_uri": lambda d: sqlite3.connect(f"file:{d.folder / 'real.db'}", uri=True).close(),
    "sqlite_shared_memory": lambda d: sqlite3.connect("file::memory:?cache=shared", uri=True).close(),
    "connect": lambda d: socket.create_connection(("127.0.0.1", d.port)).close(),
    "connect_raw": _connect,
    "bind": _bind,
    "sendto": _udp,
    "getaddrinfo": lambda d: socket.getaddrinfo("localhost", 80),
    "requests": lambda d: requests.post(f"http://127.0.0.1:{d.port}/", timeout=5),
    "urllib": lambda d: urllib.request.urlopen(f"http://127.0.0.1:{d.port}/", timeout=5),
    "http_client": lambda d: http.client.HTTPConnection("127.0.0.1", d.port).request("POST", "/"),
    "smtp": lambda d: smtplib.SMTP("127.0.0.1", d.port),
    "popen": lambda d: subprocess.run(["touch", d.folder / "new"], check=True),
    "system": lambda d: os.system(f"touch {d.folder / 'new'}"),
    "posix_spawn": lambda d: os.posix_spawn("/usr/bin/touch", ["touch", str(d.folder / "new")], {}),
    "fork": lambda d: os._exit(0) if os.fork() == 0 else None,
    "kill": lambda d: os.kill(os.getpid(), 0),
    "chdir": lambda d: os.chdir(d.folder),
    "dlopen": lambda d: ctypes.CDLL("libc.so.6"),
    "dlsym": lambda d: ctypes.CDLL(None).unlink(bytes(d.folder / "file")),
}

WAYS = ("act", "act_async", "act_in_task", "act_in_thread")


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with serving() as number:
        yield number


@pytest.fixture
def does(tmp_path: Path, port: int) -> Iterator[Does]:
    """The real thing, which nothing may have changed in the end."""
    folder = tmp_path / "real"
    (folder / "full" / "inner").mkdir(parents=True)
    (folder / "full" / "inner" / "file").write_text("x")
    (folder / "empty").mkdir()
    (folder / "file").write_text("content")
    with closing(sqlite3.connect(folder / "real.db")) as db, db:
        db.execute("create table t (x)")
    Handler.seen.clear()
    before, at = tree(folder), os.getcwd()
    yield Does(folder, port)
    assert tree(folder) == before
    assert Handler.seen == []
    assert os.getcwd() == at


@pytest.mark.parametrize("name", ACTS)
async def test_what_leaves_the_process_is_refused(does: Does, name: str) -> None:
    tools = Toolset.from_object(does)
    for way in WAYS:
        for swallow in (False, True):
            attempt = fork(SANDBOX, tools)
            with pytest.raises(SimulationError, match=f"{way}: the sandbox refused ") as caught:
                await attempt.predict(call(way, name=name, swallow=swallow), None, ())
            assert "SandboxSimulator(allow=[" in str(caught.value)
            with pytest.raises(SimulationError):  # the attempt is over
                await attempt.predict(call("act", name="nothing"), None, ())


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.sampled_from(WAYS), st.sampled_from(sorted(ACTS)), st.booleans()), max_size=4),
    st.integers(1, 4),
)
@pytest.mark.slow
def test_no_attempt_gets_out_whatever_others_do(
    does: Does, sequence: list[tuple[str, str, bool]], together: int
) -> None:
    async def one() -> list[bool]:
        refused = []
        for way, name, swallow in sequence:
            try:
                await fork(SANDBOX, tools).predict(call(way, name=name, swallow=swallow), None, ())
            except SimulationError:
                refused.append(True)
            else:
                refused.append(False)
        return refused

    async def run() -> None:
        real = asyncio.create_task(outside())
        for refused in await asyncio.gather(*(one() for _ in range(together))):
            assert all(refused)
        await real

    async def outside() -> None:
        """The application goes on meanwhile, and nothing of it is refused."""
        for _ in range(5):
            with tempfile.TemporaryDirectory() as folder:
                os.mkdir(os.path.join(folder, "own"))
            with socket.socket() as sock:
                sock.bind(("127.0.0.1", 0))
            await asyncio.sleep(0)

    tools = Toolset.from_object(does)
    before = tree(does.folder)
    asyncio.run(run())
    assert tree(does.folder) == before


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


async def test_what_is_allowed_is_done(tmp_path: Path, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    Handler.seen.clear()
    monkeypatch.setitem(ACTS, "make", lambda d: (d.folder / "made").mkdir())
    real = Does(tmp_path, port)
    tools = Toolset.from_object(real)

    async def result(simulator: SandboxSimulator, name: str) -> Any:
        return (await fork(simulator, tools).predict(call("act", name=name), None, ())).value

    assert await result(SandboxSimulator(allow=[tmp_path]), "open_w") == "done"
    assert await result(SandboxSimulator(allow=[str(tmp_path / "made")]), "make") == "done"
    asked: list[tuple[str, str]] = []

    def only_here(act: str, target: str) -> bool:
        asked.append((act, target))
        return "127.0.0.1" in target or act == "http.client.send"

    assert await result(SandboxSimulator(allow=[only_here]), "requests") == "done"
    assert Handler.seen == ["/"]
    assert {act for act, _ in asked} >= {"socket.getaddrinfo", "socket.connect", "http.client.send"}
    assert await result(SandboxSimulator(allow=["socket.getaddrinfo"]), "getaddrinfo") == "done"
    with pytest.raises(SimulationError):
        await result(SandboxSimulator(allow=["socket.getaddrinfo"]), "connect_raw")
    with pytest.raises(SimulationError):
        await result(SandboxSimulator(allow=[tmp_path / "elsewhere"]), "open_w")


@pytest.mark.parametrize("allow", [["socket.conect"], ["relative/path"], [3]])
def test_what_can_be_allowed_is_checked(allow: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"allow=\.\.\."):
        SandboxSimulator(allow=allow)


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

    attempt = fork(SANDBOX, Toolset.from_object(Leaves()))
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
