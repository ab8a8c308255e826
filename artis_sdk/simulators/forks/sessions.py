"""SQLAlchemy's makers of sessions, bound to a forked engine."""

from __future__ import annotations

from typing import Any

from artis_sdk.errors import ConfigurationError


def bound_engine(maker: Any) -> Any:
    """The engine of a `sessionmaker` or `scoped_session`; None for anything else.

    Raises:
        ConfigurationError: it has no engine, or one for each class.
    """
    from sqlalchemy.orm import scoped_session, sessionmaker

    if isinstance(maker, scoped_session):
        return bound_engine(maker.session_factory)
    if not isinstance(maker, sessionmaker):
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
    from sqlalchemy.orm import scoped_session

    if isinstance(maker, scoped_session):
        scope = getattr(maker.registry, "scopefunc", None)
        return scoped_session(rebound(maker.session_factory, engine), scopefunc=scope)
    return type(maker)(class_=maker.class_, **{**maker.kw, "bind": engine})
