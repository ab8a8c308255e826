"""A sandbox that is sealed: whatever a body tries, nothing outside of its fork changes, and it is said."""

from __future__ import annotations

import asyncio
import ctypes
import datetime
import decimal
import http.client
import http.server
import logging
import os
import shutil
import smtplib
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import types
import urllib.request
import weakref
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self

import pytest
import requests
from helpers.simulators import call, fork, outcomes, play
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from artis_sdk import Direct, Parallel, Session
from artis_sdk.errors import ConfigurationError, SimulationError
from artis_sdk.loop.worlds import SimulatedWorld
from artis_sdk.records import Provenance
from artis_sdk.simulators import Ladder, SandboxSimulator
from artis_sdk.simulators.trust import Trust, TrustGate
from artis_sdk.tools import Toolset, entered, guarded_tool

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


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    seen: ClassVar[list[str]] = []

    def do_POST(self) -> None:
        self.seen.append(self.path)
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    do_GET = do_POST

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


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


async def test_what_is_allowed_is_done(tmp_path: Path, port: int) -> None:
    Handler.seen.clear()
    real = Does(tmp_path, port)
    tools = Toolset.from_object(real)

    async def result(simulator: SandboxSimulator, name: str) -> Any:
        return (await fork(simulator, tools).predict(call("act", name=name), None, ())).value

    assert await result(SandboxSimulator(allow=[tmp_path]), "open_w") == "done"
    assert await result(SandboxSimulator(allow=[str(tmp_path / "made")]), "getaddrinfo_") == "done"
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


ACTS_ALLOWED = {"getaddrinfo_": lambda d: (d.folder / "made").mkdir(exist_ok=True)}


@pytest.fixture(autouse=True)
def more_acts(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, act in ACTS_ALLOWED.items():
        monkeypatch.setitem(ACTS, name, act)


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

    async with Session(
        agent=agent,
        tools=tools,
        simulator=SANDBOX,
        strategy=Parallel(2),
        evaluate=False,
        summarize=False,
        journal=tmp_path / "journal.db",
    ) as session:
        plan = await session.rehearse("Do it.")
    assert [attempt.ended for attempt in plan.attempts] == ["simulation_error"] * 2
    assert "the sandbox refused open" in plan.notes[0]


# --- what a fork shares ---------------------------------------------------------------------------


class Account:
    def __init__(self, balance: int = 100) -> None:
        self.balance = balance


class Base:
    """Takes money from an account that its attribute leads to."""

    def __init__(self, part: Any, account: Callable[[Any], Account]) -> None:
        self.part = part
        self.find = account

    def take(self, amount: int) -> int:
        account = self.find(self.part)
        account.balance -= amount
        return account.balance


class Single:
    one: ClassVar[Self | None] = None

    def __new__(cls) -> Self:
        if cls.one is None:
            made = cls.one = super().__new__(cls)
            made.account = REAL
            made.calls = []
        return cls.one

    account: Account
    calls: list[str]


class Selfish:
    def __init__(self) -> None:
        self.account = REAL

    def __deepcopy__(self, memo: Any) -> Self:
        return self


class Slotted:
    __slots__ = ("__weakref__", "inner")

    def __init__(self, inner: Any) -> None:
        self.inner = inner


class Pair(NamedTuple):
    name: str
    inner: Any


REAL = Account()


def _closure() -> Callable[[], Account]:
    account = REAL
    return lambda: account


def _counter() -> Callable[[], int]:
    count = 0

    def count_up() -> int:
        nonlocal count
        count += 1
        return count

    return count_up


def first(part: Any) -> Account:
    found: Account = next(iter(part))
    return found


SHARING: dict[str, tuple[Callable[[], Any], str]] = {
    "weakref": (lambda: weakref.ref(REAL), "Base.part -> weakref -> Account"),
    "weak_set": (lambda: weakref.WeakSet([REAL]), "Base.part"),
    "weak_keys": (lambda: weakref.WeakKeyDictionary({REAL: 1}), "Base.part"),
    "weak_values": (lambda: weakref.WeakValueDictionary({"a": REAL}), "Base.part"),
    "singleton": (lambda: Single(), "Base.part"),
    "deepcopy_self": (lambda: [Selfish()], "Base.part[0]"),
    "closure": (_closure, "Base.part -> _closure.<locals>.<lambda>'s account"),
    "nonlocal": (_counter, "Base.part"),
    "in_slots": (lambda: Slotted(weakref.ref(REAL)), "Base.part.inner -> weakref -> Account"),
    "in_tuple": (lambda: Pair("a", (weakref.ref(REAL),)), "Base.part[1][0] -> weakref -> Account"),
    "in_partial": (lambda: partial(print, Selfish()), "Base.part.args[0]"),
    "in_dict": (lambda: {"k": {"deep": Selfish()}}, "Base.part['k']['deep']"),
    "in_key": (lambda: {Selfish(): 1}, "Base.part -> key Selfish"),
    "in_set": (lambda: {Selfish()}, "Base.part -> member"),
}


@pytest.mark.parametrize("name", SHARING)
def test_what_the_fork_shares_is_named_by_its_path(name: str) -> None:
    make, path = SHARING[name]
    real = Base(make(), first)
    with pytest.raises(ConfigurationError, match="share") as caught:
        fork(SANDBOX, Toolset.from_object(real, include=["take"]))
    assert f"share {path}" in str(caught.value)
    assert REAL.balance == 100
    meant = SandboxSimulator(share=[path, Account, Selfish, Single])
    assert fork(meant, Toolset.from_object(real, include=["take"])).runs_code


def test_forking_a_singleton_leaves_it_as_it_was() -> None:
    single = Single()
    calls = single.calls
    with pytest.raises(ConfigurationError):
        fork(SANDBOX, Toolset.from_object(Base([single], first), include=["take"]))
    assert single.calls is calls
    assert single.account is REAL


HARMLESS: dict[str, Callable[[], Any]] = {
    "logger": lambda: logging.getLogger("x"),
    "date": lambda: datetime.datetime.now(datetime.UTC),
    "enum": lambda: Provenance.REAL,
    "class": lambda: Account,
    "function": lambda: first,
    "builtin": lambda: print,
    "sentinel": object,
    "strings": lambda: ("a", b"b", 1, 1.5, None, frozenset({1})),
    "weakref_that_is_dead": lambda: weakref.ref(Account()),
    "own": lambda: {"a": [Account(), {1, 2}, (Account(),)]},
    "method_of_its_own": lambda: [].append,
    "decimal": lambda: decimal.Decimal(1),
    "proxy": lambda: weakref.proxy(REAL),  # a deep copy copies what it stands for
    "lambda": lambda: lambda: 1,
}


@pytest.mark.parametrize("name", HARMLESS)
def test_what_cannot_change_may_be_shared(name: str) -> None:
    real = Base(HARMLESS[name](), first)
    fork(SANDBOX, Toolset.from_object(real, include=["take"]))


def test_a_fork_function_is_looked_at_too() -> None:
    real = Base([Account()], first)
    halfway = SandboxSimulator(fork=lambda base: Base(base.part, first))
    with pytest.raises(ConfigurationError, match=r"share Base\.part"):
        fork(halfway, Toolset.from_object(real, include=["take"]))


def test_two_objects_may_share_with_each_other_and_not_with_the_original() -> None:
    account = Account()
    one, two = Base([account], first), Base([account], first)
    tools = Toolset.from_object(one, include=["take"])
    tools += Toolset.from_object(two, include=["take"], prefix="two_")
    fork(SANDBOX, tools)


# --- connections that are open already ------------------------------------------------------------


class Holds:
    def __init__(self, thing: Any) -> None:
        self.things = [thing]

    def use(self) -> int:
        return len(self.things)


def _kept(thing: Any) -> SandboxSimulator:
    """A sandbox whose fork keeps the very thing, as a careless one may."""
    return SandboxSimulator(fork=lambda holds: Holds(thing))


def test_connections_that_are_open_are_named(tmp_path: Path, port: int) -> None:
    from contextlib import ExitStack

    with ExitStack() as stack:
        things: list[tuple[Any, str]] = [
            (stack.enter_context(socket.socket()), "a socket"),
            (stack.enter_context(closing(sqlite3.connect(":memory:"))), "forks.sqlite"),
            (stack.enter_context(open(tmp_path / "log", "w")), "an open file"),
            (stack.enter_context(requests.Session()), "a client"),
            (http.client.HTTPConnection("127.0.0.1", port), "a client"),
            (Driver(), "a database connection"),
        ]
        for thing, text in things:
            with pytest.raises(ConfigurationError) as caught:
                fork(_kept(thing), Toolset.from_object(Holds(thing)))
            assert "Holds.things[0]" in str(caught.value)
            assert text in str(caught.value)
    # A requests.Session can be deep-copied, and is a client all the same.
    with requests.Session() as session, pytest.raises(ConfigurationError, match=r"Holds\.things\[0\]"):
        fork(SANDBOX, Toolset.from_object(Holds(session)))


class Driver:
    """A connection by PEP 249."""

    def cursor(self) -> None: ...
    def commit(self) -> None: ...
    def rollback(self) -> None: ...
    def close(self) -> None: ...


async def test_clients_of_other_libraries_are_named() -> None:
    import aiohttp
    import httpx

    async with aiohttp.ClientSession() as one, httpx.AsyncClient() as two:
        with httpx.Client() as three:
            for thing in (one, two, three):
                with pytest.raises(ConfigurationError, match=r"a client .* at Holds\.things\[0\]"):
                    fork(_kept(thing), Toolset.from_object(Holds(thing)))


@pytest.mark.parametrize("dsn", ["postgresql://me@db/x", "host=db dbname=x", "mysql+mysqldb://db/x"])
async def test_a_database_that_a_driver_in_c_would_reach_unseen_is_named(
    dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Orders:
        def __init__(self) -> None:
            self.dsn = dsn
            self.title = "all dbnames"

        def count(self) -> int:
            return 0

    tools = Toolset.from_object(Orders())
    assert (await fork(SANDBOX, tools).predict(call("count"), None, ())).ok
    monkeypatch.setitem(sys.modules, "psycopg2", types.ModuleType("psycopg2"))
    with pytest.raises(ConfigurationError, match=r"Orders\.dsn addresses a database, and psycopg2"):
        fork(SANDBOX, tools)
    assert (await fork(SandboxSimulator(share=["Orders.dsn"]), tools).predict(call("count"), None, ())).ok


async def test_a_request_over_a_connection_that_was_open_is_refused(port: int) -> None:
    Handler.seen.clear()
    with requests.Session() as session:
        session.get(f"http://127.0.0.1:{port}/before", timeout=5)

        class Posts:
            def post(self) -> int:
                return session.post(f"http://127.0.0.1:{port}/real", timeout=5).status_code

        with pytest.raises(SimulationError, match=r"http\.client\.send of 'POST /real"):
            await fork(SANDBOX, Toolset.from_object(Posts())).predict(call("post"), None, ())
    assert Handler.seen == ["/before"]


# --- what holds for the whole process -------------------------------------------------------------

COUNT = 0
CACHE: dict[str, int] = {}


class Leaks:
    total = 0
    seen: ClassVar[list[str]] = []

    def __init__(self) -> None:
        self.posts: list[dict[str, Any]] = []

    def post(self, text: str, mentions: list[str] = []) -> list[str]:  # noqa: B006
        self.posts.append({"text": text, "mentions": mentions})
        mentions.append(text)
        return mentions

    def tell(self, text: str, *, tags: dict[str, int] = {}) -> dict[str, int]:  # noqa: B006
        tags[text] = tags.get(text, 0) + 1
        return tags

    def inner(self, text: str) -> list[str]:
        return Leaks.post(self, text)

    def class_attribute(self) -> None:
        Leaks.total += 1

    def class_list(self) -> None:
        self.seen.append("x")

    def module_global(self) -> None:
        global COUNT
        COUNT += 1

    def module_cache(self) -> None:
        CACHE["x"] = 1

    def environment(self) -> None:
        os.environ["ARTIS_TEST_LEAK"] = "1"

    def precision(self, digits: int) -> str:
        before = decimal.getcontext().prec
        decimal.getcontext().prec = digits
        return f"{before} {decimal.Decimal(1) / 3}"

    def mp_precision(self, digits: int) -> int:
        import mpmath  # type: ignore[import-untyped]

        before: int = mpmath.mp.dps
        mpmath.mp.dps = digits
        return before


@pytest.fixture
def leaks() -> Iterator[Leaks]:
    global COUNT
    yield Leaks()
    COUNT = Leaks.total = 0
    CACHE.clear()
    Leaks.seen.clear()
    os.environ.pop("ARTIS_TEST_LEAK", None)
    assert Leaks.post.__defaults__ == ([],)
    assert Leaks.tell.__kwdefaults__ == {"tags": {}}


async def test_attempts_have_mutable_defaults_of_their_own(leaks: Leaks) -> None:
    tools = Toolset.from_object(leaks, include=["post", "tell"])
    for _ in range(2):
        history = await play(
            fork(SANDBOX, tools), [call("post", text="a"), call("post", text="b"), call("tell", text="a")]
        )
        # In one attempt it is as in the real code: the default is one list for all calls.
        assert [s.outcome.value for s in history] == [["a"], ["a", "b"], {"a": 1}]
    assert leaks.post("real") == ["real"]
    Leaks.post.__defaults__[0].clear()  # type: ignore[index]


async def test_a_default_changed_deeper_inside_is_reported_and_put_back(leaks: Leaks) -> None:
    tools = Toolset.from_object(leaks, include=["post", "inner"])
    with pytest.raises(SimulationError, match=r"the default of mentions in Leaks\.post"):
        await fork(SANDBOX, tools).predict(call("inner", text="x"), None, ())
    assert Leaks.post.__defaults__ == ([],)
    several = [fork(SANDBOX, tools).predict(call("inner", text="x"), None, ()) for _ in range(5)]
    assert all(isinstance(e, SimulationError) for e in await asyncio.gather(*several, return_exceptions=True))
    assert Leaks.post.__defaults__ == ([],)


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("class_attribute", "Leaks.total"),
        ("class_list", "Leaks.seen"),
        ("module_global", f"{__name__}.COUNT"),
        ("module_cache", f"{__name__}.CACHE"),
        ("environment", "os.environ['ARTIS_TEST_LEAK']"),
    ],
)
async def test_what_changed_for_the_whole_process_is_named(leaks: Leaks, name: str, place: str) -> None:
    tools = Toolset.from_object(leaks)
    with pytest.raises(SimulationError) as caught:
        await fork(SANDBOX, tools).predict(call(name), None, ())
    assert f"{name}: " in str(caught.value)
    assert place in str(caught.value)
    assert "ARTIS_TEST_LEAK" not in os.environ
    CACHE.clear()
    simulator = SandboxSimulator(share=[place], allow=["os.putenv"])
    assert (await fork(simulator, tools).predict(call(name), None, ())).ok


async def test_each_attempt_has_a_precision_of_its_own(leaks: Leaks) -> None:
    import mpmath

    tools = Toolset.from_object(leaks)
    before, bits = decimal.getcontext().prec, mpmath.mp.prec
    for _ in range(2):
        history = await play(
            fork(SANDBOX, tools),
            [call("precision", digits=5), call("precision", digits=3), call("mp_precision", digits=50)],
        )
        assert [s.outcome.value for s in history] == [f"{before} 0.33333", "5 0.333", mpmath.mp.dps]
    assert (decimal.getcontext().prec, mpmath.mp.prec) == (before, bits)
    attempts = [fork(SANDBOX, tools) for _ in range(4)]
    await asyncio.gather(*(a.predict(call("mp_precision", digits=99), None, ()) for a in attempts))
    assert mpmath.mp.prec == bits


# --- the very value, the very exception, and arguments that stay -----------------------------------


class Odd(Exception):
    def __init__(self, code: int, *, why: str) -> None:
        super().__init__(f"{code}: {why}")
        self.code = code


class Point(NamedTuple):
    x: int
    y: int


class Gives:
    def __init__(self) -> None:
        self.kept: list[Any] = []

    def answers(self) -> bool:
        return "yes"  # type: ignore[return-value]

    def lists(self) -> dict[str, list[str]]:
        return {"error": "no such"}  # type: ignore[dict-item]

    def day(self) -> Any:
        return datetime.date(2026, 1, 2)

    def pair(self) -> tuple[int, Point]:
        return 1, Point(2, 3)

    async def thing(self) -> Any:
        return self

    def fails(self) -> None:
        raise Odd(7, why="odd")

    def keeps(self, tweet: dict[str, Any]) -> int:
        tweet["tags"].append("#x")
        self.kept.append(tweet)
        return len(self.kept)

    async def changes(self, items: list[Any], options: Any) -> list[Any]:
        items.append(options)
        options["seen"] = True
        return items


VALUES: dict[str, Any] = {
    "answers": "yes",
    "lists": {"error": "no such"},
    "day": datetime.date(2026, 1, 2),
    "pair": (1, Point(2, 3)),
}


async def values(tools: Toolset) -> dict[str, Any]:
    found = {name: await asyncio.to_thread(tools[name]) for name in VALUES}
    assert isinstance(found["pair"][1], Point)
    assert isinstance(await tools["thing"](), Gives)
    with pytest.raises(Odd) as caught:
        await asyncio.to_thread(tools["fails"])
    assert caught.value.code == 7
    return found


@pytest.mark.parametrize("wrap", ["plain", "ladder", "gate"])
async def test_an_own_agent_gets_what_the_code_gave(wrap: str) -> None:
    real = Gives()
    tools = Toolset.from_object(real)
    trusted = Trust.model_validate(
        {"simulator": "x", "tools": {n: {"verdict": "trusted"} for n in tools.names}}
    )
    simulator = {
        "plain": SANDBOX,
        "ladder": Ladder([SANDBOX, SANDBOX]),
        "gate": TrustGate(SANDBOX, trusted),
    }[wrap]
    world = SimulatedWorld(fork(simulator, tools), None)
    with entered(world):
        assert await values(tools) == VALUES
        given = await tools["thing"]()
        assert given is not real
    await world.aclose()
    assert await values(tools) == VALUES
    assert world.history[0].outcome.provenance is Provenance.SANDBOXED


async def test_a_plan_and_its_result_show_the_arguments_that_were_passed(tmp_path: Path) -> None:
    from artis_sdk.backends import ScriptedBackend
    from artis_sdk.records import ToolCall

    real = Gives()
    tools = Toolset.from_object(real, include=["keeps", "changes"])
    arguments: dict[str, dict[str, Any]] = {
        "keeps": {"tweet": {"text": "hi", "tags": []}},
        "changes": {"items": [], "options": {"a": [1]}},
    }
    turn: Any = [ToolCall(tool=name, arguments=given) for name, given in arguments.items()]
    script = ScriptedBackend([turn, "done", turn, "done"])
    async with Session(
        agent=script,
        tools=tools,
        simulator=SANDBOX,
        strategy=Parallel(1),
        evaluate=False,
        summarize=False,
        journal=tmp_path / "journal.db",
        log=tmp_path / "log.db",
    ) as session:
        plan = await session.rehearse("Post.")
        assert real.kept == []
        assert [s.call.arguments for s in plan.attempts[0].steps] == list(arguments.values())
        result = await session.commit(plan)
    assert [c.call.arguments for c in result.calls] == list(arguments.values())
    assert all(c.predicted is not None and not c.diverged for c in result.calls)
    assert real.kept == [{"text": "hi", "tags": ["#x"]}]
    for request in script.requests:  # what the model was shown
        for message in request.messages:
            assert [c.arguments for c in message.tool_calls] in ([], list(arguments.values()))


async def test_an_own_agent_s_objects_reach_the_commit_and_the_record_is_from_before(tmp_path: Path) -> None:
    real = Gives()
    tools = Toolset.from_object(real, include=["keeps"])
    passed: list[dict[str, Any]] = []

    async def agent(task: str, *, tools: Toolset, guidance: str | None) -> str:
        tweet: dict[str, Any] = {"tags": []}
        passed.append(tweet)
        await asyncio.to_thread(tools["keeps"], tweet)
        return "done"

    async with Session(
        agent=agent,
        tools=tools,
        simulator=SANDBOX,
        strategy=Parallel(1),
        evaluate=False,
        summarize=False,
        journal=tmp_path / "journal.db",
    ) as session:
        result = await session.run("Post.")
    (made,) = result.calls
    assert made.call.arguments == {"tweet": {"tags": []}}
    assert made.predicted is not None
    assert real.kept[0] is passed[1]  # the caller's own object, as without a session
    assert passed == [{"tags": []}, {"tags": ["#x"]}]


class Till:
    def __init__(self) -> None:
        self.balance = 100

    @guarded_tool
    def pay(self, amount: int) -> int:
        self.balance -= amount
        return self.balance


@pytest.mark.parametrize("wrap", ["plain", "ladder"])
@pytest.mark.parametrize("state", [{"balance": 100}, None, lambda: {"balance": 0}])
async def test_a_given_state_and_a_sandbox_agree_in_the_second_turn(
    tmp_path: Path, state: Any, wrap: str
) -> None:
    till = Till()

    async def agent(task: str, *, tools: Toolset, guidance: str | None) -> str:
        return str(await asyncio.to_thread(tools["pay"], 30))

    async with Session(
        agent=agent,
        tools=[till.pay],
        simulator=SANDBOX if wrap == "plain" else Ladder([SANDBOX]),
        strategy=Parallel(2),
        evaluate=False,
        summarize=False,
        state=state,
        journal=tmp_path / "journal.db",
    ) as session:
        for expected in (70, 40, 10):
            plan = await session.rehearse("Pay.")
            assert [attempt.answer for attempt in plan.attempts] == [str(expected)] * 2
            result = await session.commit(plan)
            assert result.answer == str(expected)
            assert not result.calls[0].diverged


async def test_direct_needs_no_sandbox(tmp_path: Path) -> None:
    till = Till()

    async def agent(task: str, *, tools: Toolset, guidance: str | None) -> str:
        return str(await asyncio.to_thread(tools["pay"], 30))

    async with Session(
        agent=agent, tools=[till.pay], strategy=Direct(), journal=tmp_path / "journal.db"
    ) as session:
        assert (await session.run("Pay.")).answer == "70"


async def test_outcomes_of_forks_are_as_before(does: Does) -> None:
    history = await play(fork(SANDBOX, Toolset.from_object(Till())), [call("pay", amount=5)])
    assert outcomes(history) == [("success", 95)]
