"""The seal around a sandboxed body: an act that would leave the process is refused when it is tried.

Python announces such acts as audit events (PEP 578) before they happen. One hook listens to them; it
does nothing outside a sandboxed body, which it recognizes by a context variable. What is sent over a
connection that is already open is told by `sends`. A C library that opens files or sockets by itself
announces nothing.
"""

from __future__ import annotations

import os
import sqlite3
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar, Token
from dataclasses import dataclass, field
from threading import Lock, get_ident
from typing import Any

from artis_sdk.errors import ConfigurationError, SimulationError
from artis_sdk.simulators.acts import ACTS, is_bytecode, refused_database, within
from artis_sdk.simulators.sends import watch_sends

Predicate = Callable[[str, str], bool]
"""Whether a body may do an act, by the act's name and target."""


class Allowed:
    """The acts that a sandboxed body may do.

    Args:
        allow: audit events by name (`socket.connect`), files and folders by absolute path, and
            predicates over an act's name and its target.

    Raises:
        ConfigurationError: a name is neither a known act nor an absolute path.
    """

    def __init__(self, allow: Iterable[str | os.PathLike[str] | Predicate] = ()) -> None:
        self.acts: set[str] = set()
        self.paths: tuple[str, ...] = ()
        self._predicates: list[Predicate] = []
        for entry in allow:
            if isinstance(entry, str) and entry in ACTS:
                self.acts.add(entry)
            elif isinstance(entry, str | os.PathLike):
                if isinstance(entry, str) and not os.path.isabs(entry):
                    raise ConfigurationError(
                        f"SandboxSimulator(allow=...): {entry!r} is neither an act that the seal knows "
                        "(such as 'socket.connect' or 'subprocess.Popen') nor an absolute path"
                    )
                self.paths += (os.path.realpath(entry),)
            elif callable(entry):
                self._predicates.append(entry)
            else:
                raise ConfigurationError(
                    f"SandboxSimulator(allow=...): {entry!r} is not an act, path or predicate"
                )

    def __call__(self, act: str, target: str) -> bool:
        return act in self.acts or any(predicate(act, target) for predicate in self._predicates)


@dataclass(slots=True)
class Seal:
    """The rules of one sandboxed call.

    Args:
        tool: name of its tool, for errors.
        owner: the forked object; None for a function.
        allowed: see `Allowed`.
        folders: real paths of the folders that the fork made; its bodies may write there.
        refused: list of all refusals, including those that the body swallows.
    """

    tool: str
    owner: object | None = None
    allowed: Allowed = field(default_factory=Allowed)
    folders: Sequence[str] = ()
    refused: list[SimulationError] = field(default_factory=list)
    environment: dict[str, str | None] = field(default_factory=dict)
    """Earlier values of the environment variables that the body has set, by name; None for not set."""
    changed: list[str] = field(default_factory=list)
    """Names of what had to be restored after the call."""

    def restore_environment(self) -> None:
        """Restore the environment variables that the body has changed, and return their names."""
        for name, before in self.environment.items():
            if os.environ.get(name) == before:
                continue
            self.changed.append(f"os.environ[{name!r}]")
            if before is None:
                del os.environ[name]
            else:
                os.environ[name] = before

    def writable(self, path: str) -> bool:
        """Whether a body may write at a real path."""
        return (
            any(within(path, folder) for folder in (*self.folders, *self.allowed.paths))
            or path == os.devnull
            or is_bytecode(path)
        )

    def refuse(self, act: str, target: str, advice: str) -> SimulationError:
        """The error for an act, kept for the end of the call."""
        what = f"{act} of {target}" if target else act
        error = SimulationError(self.tool, f"the sandbox refused {what}. {advice}")
        self.refused.append(error)
        return error


def refusal(what: str, advice: str) -> SimulationError:
    """The error for a refusal by a fork itself; the call ends with it, as with any other refusal."""
    seal = _seal.get()
    return Seal("sandbox").refuse(what, "", advice) if seal is None else seal.refuse(what, "", advice)


_seal: ContextVar[Seal | None] = ContextVar("artis_sdk_seal", default=None)
_lock = Lock()
_listening = False
_elsewhere: tuple[Seal, int] | None = None
"""The seal of threads whose context has none, and the thread exempt from it."""


@contextmanager
def sealed(seal: Seal) -> Iterator[None]:
    """Refuse acts that leave the process in this context and in its copies, now and later."""
    _listen()
    token = _seal.set(seal)
    try:
        yield
    finally:
        _seal.reset(token)
        seal.restore_environment()


class unsealed:  # a context manager, and no generator: every request to a model enters one
    """Lifts the seal for code that is not the body's own: a session inside it that calls its model."""

    __slots__ = ("_sealed",)

    _sealed: Token[Seal | None]

    def __enter__(self) -> None:
        self._sealed = _seal.set(None)

    def __exit__(self, *_: object) -> None:
        _seal.reset(self._sealed)


def seal_other_threads(seal: Seal) -> None:
    """From now on, refuse acts that leave this process in every other thread whose context has no seal.

    For a process that runs nothing but sandboxed calls.
    """
    global _elsewhere
    _listen()
    _elsewhere = seal, get_ident()


def _listen() -> None:
    global _listening
    with _lock:
        if not _listening:
            sys.addaudithook(_hook)  # an audit hook can never be removed
            watch_sends(lambda: _seal.get() is not None or _elsewhere is not None, _hook)
            _listening = True


def _hook(event: str, args: tuple[Any, ...]) -> None:
    act = ACTS.get(event)
    if act is None:
        return
    seal = _seal.get()
    if seal is None and _elsewhere is not None and get_ident() != _elsewhere[1]:
        seal = _elsewhere[0]
    if seal is not None:
        act(seal, event, args)


_ATTACH = 24  # SQLITE_ATTACH, which VACUUM INTO asks for, too
_OK, _DENY = 0, 1


def guard_attach(connection: sqlite3.Connection) -> None:
    """Make a fork's connection refuse to attach, or be copied into, a file that a body may not write.

    A connection that a body made itself cannot be guarded: its event comes before it can be used.
    """

    def authorize(action: int, first: str | None, *rest: str | None) -> int:
        seal = _seal.get()
        if action != _ATTACH or seal is None:
            return _OK
        return _OK if refused_database(seal, "sqlite3.connect", first or "") is None else _DENY

    connection.set_authorizer(authorize)
