"""SQLAlchemy's makers of sessions, bound to a forked engine."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from artis_sdk.errors import ConfigurationError
from artis_sdk.simulators.forks.making import Making


def bound_engine(maker: Any) -> Any:
    """The engine of a `sessionmaker` or `scoped_session`, async or not; None for anything else.

    Raises:
        ConfigurationError: it has no engine, or one for each class.
    """
    from sqlalchemy.ext.asyncio import async_scoped_session, async_sessionmaker
    from sqlalchemy.orm import scoped_session, sessionmaker

    if isinstance(maker, scoped_session | async_scoped_session):
        return bound_engine(maker.session_factory)
    if not isinstance(maker, sessionmaker | async_sessionmaker):
        return None
    engine = maker.kw.get("bind")
    if engine is None or maker.kw.get("binds"):
        raise ConfigurationError(
            "forks.engine: the sessionmaker is not bound to one engine; give the object a __fork__ method "
            "that binds its sessions to forks of their engines"
        )
    return engine


def rebound(maker: Any, engine: Any) -> Any:
    """The same maker of sessions with another engine: their class, options and listeners are the same.

    A scoped session has a registry of its own, so that no session of the application's is in it.
    """
    from sqlalchemy.ext.asyncio import async_scoped_session
    from sqlalchemy.orm import scoped_session

    if isinstance(maker, scoped_session | async_scoped_session):
        scope = getattr(maker.registry, "scopefunc", None)
        return type(maker)(rebound(maker.session_factory, engine), scopefunc=scope)
    return type(maker)(class_=maker.class_, **{**maker.kw, "bind": engine})


def rebound_parts(parts: Iterable[Any], making: Making) -> None:
    """Let sessions, which cannot be copied, be bound in the copy to their engine's fork.

    Args:
        parts: objects of the original.
        making: record of what is made for the fork.
    """
    from sqlalchemy.ext.asyncio import AsyncSession, async_scoped_session
    from sqlalchemy.orm import Session, scoped_session

    for part in parts:
        if isinstance(part, Session | AsyncSession):
            engine = making.memo.get(id(part.bind))
            if engine is not None:
                options = part.sync_session if isinstance(part, AsyncSession) else part
                made = type(part)(
                    bind=engine, autoflush=options.autoflush, expire_on_commit=options.expire_on_commit
                )
                making.memo[id(part)] = made
                making.vouched.append(made)
        elif isinstance(part, scoped_session | async_scoped_session):
            engine = making.memo.get(id(getattr(part.session_factory, "kw", {}).get("bind")))
            if engine is not None:
                making.memo[id(part)] = rebound(part, engine)
