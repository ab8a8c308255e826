"""What a fork shares with the original, and what it holds open, is an error that names the path to it."""

from __future__ import annotations

import datetime
import decimal
import http.client
import http.server
import logging
import socket
import sqlite3
import sys
import types
import weakref
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self

import pytest
import requests
from helpers.counting_server import Handler, serving
from helpers.simulators import call, fork

from artis_sdk.errors import ConfigurationError, SimulationError
from artis_sdk.records import Provenance
from artis_sdk.simulators import SandboxSimulator, connections
from artis_sdk.tools import Toolset

SANDBOX = SandboxSimulator()


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with serving() as number:
        yield number


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

    for driver in connections._UNSEEN:  # another test may have imported one
        monkeypatch.delitem(sys.modules, driver, raising=False)
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
