"""Forks of one's own, of several objects at once, and their end with the attempt or session."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from helpers.sessions import unjudged
from helpers.simulators import call, fork
from helpers.stores import SANDBOX, Shop, Store, notes, played

from artis_sdk import Parallel
from artis_sdk.errors import ConfigurationError
from artis_sdk.loop.worlds import SimulatedWorld
from artis_sdk.simulators import Ladder, forks
from artis_sdk.tools import Toolset

pytestmark = pytest.mark.usefixtures("copies")


# --- forks of one's own ------------------------------------------------------------------------


class Client:
    def __init__(self, sent: list[str]) -> None:
        self.sent = sent

    def send(self, text: str) -> int:
        self.sent.append(text)
        return len(self.sent)


class Mailer:
    def __init__(self, client: Client) -> None:
        self.client = client
        self.also = [client]

    def mail(self, text: str) -> int:
        self.also[0].send(text)
        return self.client.send(text)


async def test_a_stand_in_takes_a_client_s_place_wherever_the_object_has_it() -> None:
    mailer = Mailer(Client([]))
    closed: list[bool] = []

    @contextmanager
    def stand_in(real: Client) -> Iterator[Client]:
        yield Client(["already"])
        closed.append(True)

    tools = Toolset.from_object(mailer, fork=forks.of(client=stand_in))
    assert await played(tools, call("mail", text="x")) == [3]
    assert closed == [True]
    assert mailer.client.sent == []
    tools = Toolset.from_object(mailer, fork=forks.of(client=lambda real: Client([])))
    assert await played(tools, call("mail", text="x")) == [2]


async def test_objects_that_refer_to_a_forked_one_get_its_fork(tmp_path: Path) -> None:
    store = Store(tmp_path / "real.db")
    shop = Shop(store)
    tools = Toolset.from_object(shop) + Toolset.from_object(store, fork=forks.of(path=forks.sqlite))
    assert await played(tools, call("sell", what="x"), call("add", text="y")) == [1, 2]
    assert notes(tmp_path / "real.db") == 0


@dataclass(frozen=True)
class Frozen:
    path: str

    def add(self) -> int:
        return Store(self.path).add("x")


async def test_a_frozen_object_is_forked_too(tmp_path: Path) -> None:
    tools = Toolset.from_object(Frozen(str(tmp_path / "real.db")), fork=forks.of(path=forks.sqlite))
    assert await played(tools, call("add")) == [1]
    assert not (tmp_path / "real.db").exists()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: forks.of(), "names no attribute"),
        (lambda: forks.of(nothing=forks.sqlite), "no 'nothing'"),
        (lambda: forks.of(also=forks.sqlite), "forks.sqlite takes a path"),
        (lambda: forks.of(client=forks.engine), "forks.engine"),
        (lambda: lambda mailer: None, "is None"),
    ],
)
def test_a_fork_that_does_not_fit_is_an_error(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        fork(SANDBOX, Toolset.from_object(Mailer(Client([])), fork=make()))


def test_what_was_made_is_taken_away_when_a_later_fork_fails(tmp_path: Path) -> None:
    class Two(Store):
        other = 3

    tools = Toolset.from_object(
        Two(tmp_path / "real.db"), fork=forks.of(path=forks.sqlite, other=forks.sqlite)
    )
    with pytest.raises(ConfigurationError):
        fork(SANDBOX, tools)  # the fixture sees that no folder stays


def test_a_fork_can_be_used_by_itself(tmp_path: Path, copies: Path) -> None:
    store = Store(tmp_path / "real.db")
    with forks.of(path=forks.sqlite)(store) as copy:
        assert copy.add("x") == 1
        assert len(list(copies.iterdir())) == 1
    assert notes(store.path) == 0


# --- where an attempt ends ---------------------------------------------------------------------


async def test_each_attempt_of_a_session_takes_its_copies_away(tmp_path: Path, copies: Path) -> None:
    store = Store(tmp_path / "real.db")
    seen: list[int] = []

    async def agent(task: str, *, tools: Toolset, guidance: str | None) -> str:
        count = await asyncio.to_thread(tools["add"], "x")
        seen.append(len(os.listdir(copies)))
        if "fail" in task:
            raise ValueError
        return str(count)

    for simulator in (SANDBOX, Ladder([SANDBOX])):
        async with unjudged(
            agent,
            Toolset.from_object(store, fork=forks.of(path=forks.sqlite)),
            tmp_path / "journal.db",
            simulator=simulator,
            strategy=Parallel(2),
        ) as session:
            plan = await session.rehearse("Add.")
            assert [attempt.answer for attempt in plan.attempts] == ["1", "1"]
            await session.rehearse("Add and fail.")
            assert os.listdir(copies) == []
    assert notes(store.path) == 0
    assert max(seen) == 2


async def test_a_world_that_is_closed_twice_is_closed(tmp_path: Path) -> None:
    store = Store(tmp_path / "real.db")
    tools = Toolset.from_object(store, fork=forks.of(path=forks.sqlite))
    world = SimulatedWorld(fork(SANDBOX, tools), None)
    await world.aclose()
    await world.aclose()
    world.check()


@pytest.mark.parametrize("made", [forks.sqlite("a.db"), forks.temporary_folder(), "sqlite"])
def test_a_fork_that_was_called_already_is_refused_where_it_is_given(made: Any) -> None:
    class Service:
        path = "a.db"

        def look(self) -> str:
            return self.path

    with pytest.raises(ConfigurationError, match=r"fork= takes a function.*forks.of\(path=forks.sqlite\)"):
        Toolset.from_object(Service(), fork=made)
    with pytest.raises(ConfigurationError, match=r"path= takes a function"):
        forks.of(path=made)
