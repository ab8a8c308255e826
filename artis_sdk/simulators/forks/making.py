"""The fork that is being made: the things that it owns, and that are removed with it."""

from __future__ import annotations

import copy
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any


@dataclass(slots=True)
class Making:
    """The things that the forks of one attempt have made."""

    memo: dict[int, Any] = field(default_factory=dict)
    """As `copy.deepcopy` takes it: the copies by the id of the original."""
    forked: dict[tuple[object, ...], tuple[Any, Any]] = field(default_factory=dict)
    """Forks of attributes with their originals, by fork and original: what two objects share, their copies
    share too."""
    engines: dict[int, Any] = field(default_factory=dict)
    """Forks of engines, to which sessions have to be bound, by the id of the original."""
    folders: list[str] = field(default_factory=list)
    """Real paths of the folders that belong to the attempt; its bodies may write there."""
    vouched: list[Any] = field(default_factory=list)
    """Originals and copies that, by their fork's word, share nothing that matters."""
    allowed: list[str] = field(default_factory=list)
    """Acts that its bodies may do, beside what the simulator allows."""
    contents: dict[str, Callable[[], Any]] = field(default_factory=dict)
    """Read what a forked file or database holds, as JSON, by its name."""
    checks: list[Callable[[], None]] = field(default_factory=list)
    """Called after each sandboxed call; raise `SimulationError` where the fork does not hold any more."""
    stack: ExitStack = field(default_factory=ExitStack)
    """Removes all of it."""

    provide: Callable[[object, Making], None] | None = None
    """Puts stand-ins for parts of an object that cannot be copied into the memo."""

    def copied(self, original: object) -> Any:
        """A deep copy. Where that fails, parts that cannot be copied get stand-ins first."""
        if self.engines and self.provide is not None:
            self.provide(original, self)
        before = dict(self.memo)
        try:
            return copy.deepcopy(original, self.memo)
        except (TypeError, copy.Error):
            if self.provide is None:
                raise
            self.memo.clear()  # it holds objects that are half made
            self.memo.update(before)
            self.provide(original, self)
            return copy.deepcopy(original, self.memo)

    def restore_singletons(self) -> None:
        """Restore the attributes of objects that a deep copy cannot copy, such as a class's one instance:
        `copy.deepcopy` has replaced these attributes by copies."""
        same = [
            value
            for key, value in self.memo.items()
            if key == id(value) and hasattr(value, "__dict__") and not isinstance(value, ModuleType)
        ]
        if not same:
            return
        kept = self.memo.get(id(self.memo), ())  # where `copy.deepcopy` keeps what it copied
        originals = {id(self.memo[id(one)]): one for one in kept if id(one) in self.memo}
        for value in same:
            for name, part in vars(value).items():
                vars(value)[name] = originals.get(id(part), part)

    def result(self, made: Any, original: object) -> Any:
        """The result of a fork: the copy, or the value of its context manager, open for the attempt."""
        if isinstance(made, AbstractContextManager) and not isinstance(made, type(original)):
            return self.stack.enter_context(made)
        return made


_making: ContextVar[Making | None] = ContextVar("artis_sdk_making", default=None)


@contextmanager
def forking(making: Making) -> Iterator[None]:
    """Make forks that are called inside the block belong to one attempt."""
    token = _making.set(making)
    try:
        yield
    finally:
        _making.reset(token)


@contextmanager
def attempt() -> Iterator[Making]:
    """The attempt that is being forked; outside of one, an attempt that lasts for the block."""
    making = _making.get()
    if making is not None:
        yield making
        return
    making = Making()
    with making.stack:
        yield making


def vouch(*objects: Any) -> None:
    """Declare that a sandbox need not check what these originals and copies share."""
    making = _making.get()
    if making is not None:
        making.vouched.extend(objects)


def stand_in(original: object, made: object) -> None:
    """Let what else in the object refers to an engine refer to its copy, sessions included."""
    making = _making.get()
    if making is not None:
        making.memo[id(original)] = made
        making.engines[id(original)] = made


def stands_in(original: object) -> Any:
    """What stands in for an engine in this attempt already; None if nothing does."""
    making = _making.get()
    return None if making is None else making.engines.get(id(original))


def allow(*acts: str) -> None:
    """Say in a `__fork__` method that the tools may do such acts in a sandbox, whichever object they are
    of: for what an object is there for and keeps apart itself, such as starting a process.

    Args:
        acts: as in `SandboxSimulator(allow=...)`.
    """
    making = _making.get()
    if making is not None:
        making.allowed.extend(acts)


def show_content(name: str, read: Callable[[], Any]) -> None:
    """Let the attempt's state have the content of a forked file or database.

    Args:
        name: its name; numbered from the second of a name on.
        read: function that reads it as JSON, at any time until the attempt is over.
    """
    making = _making.get()
    if making is None:
        return
    free, number = name, 1
    while free in making.contents:
        number += 1
        free = f"{name}_{number}"
    making.contents[free] = read


def check_after_calls(check: Callable[[], None]) -> None:
    """Register a fork's own check, made after each sandboxed call."""
    making = _making.get()
    if making is not None:
        making.checks.append(check)


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """An empty folder that lasts as long as the attempt, in which its tools may write."""
    making = _making.get()
    with tempfile.TemporaryDirectory(prefix="artis-fork-", ignore_cleanup_errors=True) as name:
        folder = os.path.realpath(name)
        if making is not None:
            making.folders.append(folder)
        yield Path(folder)
