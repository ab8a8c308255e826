"""Forks of SQLAlchemy's makers of sessions, as services hold them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers.simulators import call, fork
from helpers.stores import SANDBOX, played

from artis_sdk.errors import ConfigurationError
from artis_sdk.simulators import forks
from artis_sdk.tools import Toolset

sqlalchemy = pytest.importorskip("sqlalchemy", reason="SQLAlchemy is not installed")
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, scoped_session, sessionmaker  # noqa: E402

pytestmark = pytest.mark.usefixtures("copies")


class Base(DeclarativeBase):  # type: ignore[misc]
    pass


class Product(Base):
    __tablename__ = "products"
    name: Mapped[str] = mapped_column(primary_key=True)
    pieces: Mapped[int]


class Audited(Session):  # type: ignore[misc]
    """A session class of the application's."""


class Shop:
    """A service that holds no engine, only what makes its sessions."""

    def __init__(self, sessions: Any) -> None:
        self.sessions = sessions

    def take(self, name: str, pieces: int) -> int:
        with self.sessions() as session:
            product = session.get_one(Product, name)
            product.pieces -= pieces
            session.commit()
            assert isinstance(session, Audited)
            assert not session.expire_on_commit
            return int(product.pieces)


class ScopedShop(Shop):
    def take(self, name: str, pieces: int) -> int:
        product = self.sessions.get_one(Product, name)
        product.pieces -= pieces
        self.sessions.commit()
        self.sessions.remove()
        return int(product.pieces)


class EngineShop(Shop):
    """Both, bound to one engine."""

    def __init__(self, sessions: Any) -> None:
        super().__init__(sessions)
        self.engine = sessions.kw["bind"]

    def left(self, name: str) -> int:
        with self.engine.connect() as connection:
            return int(connection.scalar(sqlalchemy.select(Product.pieces).where(Product.name == name)))


@pytest.fixture
def sessions(tmp_path: Path) -> Iterator[Any]:
    """A maker of sessions over a file that holds five lamps, with a connection open in its pool."""
    engine = sqlalchemy.create_engine(f"sqlite:///{tmp_path / 'shop.db'}")
    Base.metadata.create_all(engine)
    made = sessionmaker(engine, class_=Audited, expire_on_commit=False)
    with made() as session:
        session.add(Product(name="lamp", pieces=5))
        session.commit()
    yield made
    engine.dispose()


def lamps(sessions: Any) -> int:
    with sessions() as session:
        return int(session.get_one(Product, "lamp").pieces)


async def test_a_sessionmaker(sessions: Any) -> None:
    committed: list[object] = []
    sqlalchemy.event.listen(sessions, "after_commit", committed.append)
    tools = Toolset.from_object(Shop(sessions), fork=forks.of(sessions=forks.engine))
    for _ in range(2):
        history = await played(
            tools, call("take", name="lamp", pieces=3), call("take", name="lamp", pieces=1)
        )
        assert history == [2, 1]
    assert len(committed) == 4  # the application's listener is heard in a rehearsal, too
    assert lamps(sessions) == 5


async def test_a_scoped_session(sessions: Any) -> None:
    registry = scoped_session(sessions)
    registry.get_one(Product, "lamp").pieces = 4  # a session of the application's, not committed
    tools = Toolset.from_object(ScopedShop(registry), fork=forks.of(sessions=forks.engine))
    history = await played(tools, call("take", name="lamp", pieces=3))
    assert history == [2]
    registry.rollback()
    registry.remove()
    assert lamps(sessions) == 5


async def test_the_engine_beside_it_is_the_same_fork(sessions: Any) -> None:
    tools = Toolset.from_object(EngineShop(sessions), fork=forks.of(sessions=forks.engine))
    history = await played(tools, call("take", name="lamp", pieces=3), call("left", name="lamp"))
    assert history == [2, 2]
    assert lamps(sessions) == 5


def test_the_error_without_a_fork_is_the_line_that_mends_it(sessions: Any) -> None:
    for shop in (Shop(sessions), Shop(scoped_session(sessions))):
        with pytest.raises(ConfigurationError) as caught:
            fork(SANDBOX, Toolset.from_object(shop))
        assert "it holds a maker of database sessions at Shop.sessions" in str(caught.value)
        line = str(caught.value).partition("Give it a fork: ")[2].partition(" (from artis_sdk")[0]
        assert line == "Toolset.from_object(shop, fork=forks.of(sessions=forks.engine))"


def test_makers_without_one_engine_are_refused(sessions: Any) -> None:
    engine = sessions.kw["bind"]
    for maker in (sessionmaker(), sessionmaker(engine, binds={Product: engine})):
        with pytest.raises(ConfigurationError, match="not bound to one engine; give the object a __fork__"):
            fork(SANDBOX, Toolset.from_object(Shop(maker), fork=forks.of(sessions=forks.engine)))
    with pytest.raises(ConfigurationError, match="not a int"):
        fork(SANDBOX, Toolset.from_object(Shop(3), fork=forks.of(sessions=forks.engine)))


async def test_sessions_beside_a_forked_engine_are_bound_to_it(sessions: Any) -> None:
    """Also ones that have been used, and makers that hold one for each thread."""

    class Till:
        def __init__(self, engine: Any) -> None:
            self.engine = engine.execution_options(logging_token="till")
            self.session = Session(self.engine)
            self.scoped = scoped_session(sessionmaker(self.engine))
            self.unbound = sessionmaker()  # it is bound where it is called

        def take(self, name: str, pieces: int) -> list[int]:
            found = []
            for session in (self.session, self.scoped(), self.unbound(bind=self.engine)):
                product = session.get_one(Product, name)
                product.pieces -= pieces
                session.commit()
                found.append(int(product.pieces))
            return found

    till = Till(sessions.kw["bind"])
    for used in (till.session, till.scoped()):
        used.get_one(Product, "lamp")
        used.commit()
    tools = Toolset.from_object(till, fork=forks.of(engine=forks.engine))
    assert await played(tools, call("take", name="lamp", pieces=1)) == [[4, 3, 2]]
    assert lamps(sessions) == 5
    till.session.close()
    till.scoped.remove()


async def test_an_engine_in_memory_ends_without_a_trace(capfd: pytest.CaptureFixture[str]) -> None:
    engine = sqlalchemy.create_engine("sqlite://")
    Base.metadata.create_all(engine)
    made = sessionmaker(engine, class_=Audited, expire_on_commit=False)
    with made() as session:
        session.add(Product(name="lamp", pieces=5))
        session.commit()
    tools = Toolset.from_object(Shop(made), fork=forks.of(sessions=forks.engine))
    assert await played(tools, call("take", name="lamp", pieces=3)) == [2]
    assert lamps(made) == 5
    engine.dispose()
    assert "Traceback" not in capfd.readouterr().err
