"""Worlds of generated calls: toolsets over their objects, and start states made from these."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import JsonValue

from artis_sdk.records import State
from artis_sdk.tools import Toolset

Path = tuple[str, ...]
"""From the state's top: the object's name, an attribute, then keys."""


@dataclass(frozen=True, slots=True)
class StartState:
    """A start state: tools over objects, which are only ever copied."""

    tools: Toolset
    session: str | None = None
    """Session of this world's rows, which then stay on one side of a split; None for a session per
    generated task."""


@dataclass(frozen=True, slots=True)
class Change:
    """One value of the start state, changed before a task begins."""

    path: Path
    value: JsonValue


def worlds_of(given: Toolset | StartState | Sequence[Toolset | StartState]) -> list[StartState]:
    """The worlds, in order."""
    every = [given] if isinstance(given, Toolset | StartState) else list(given)
    return [world if isinstance(world, StartState) else StartState(world) for world in every]


def make_changes(tools: Toolset, changes: Iterable[Change]) -> None:
    """Make changes in the forked objects behind tools.

    A change that does not fit the object (a missing attribute, another type), or that would set
    or replace an address, is left out.
    """
    state = tools.state()
    named = dict(zip(state, tools.owners, strict=True)) if isinstance(state, dict) else {}
    for change in changes:
        owner = named.get(change.path[0])
        if owner is not None and len(change.path) > 1 and not is_address(change.path, change.value):
            _put(owner, change.path, change.value)


def shown(state: State, forked: State, real: State) -> State:
    """The state of a fork with the places that the fork itself has replaced, such as a database's path,
    as they are in the real objects.

    Args:
        state: state of the fork, after its changes.
        forked: state of the fork, before them.
        real: state of the real objects.
    """
    if forked == real:
        return state
    if isinstance(state, dict) and isinstance(forked, dict) and isinstance(real, dict):
        return {key: shown(value, forked.get(key), real.get(key)) for key, value in state.items()}
    return real


def is_address(path: Path, value: Any) -> bool:
    """Whether a place of the state is an address rather than a value for tools: a file's path, a URL, the
    address of a server."""
    if len(path) == 2 and _ADDRESS_NAME.search(path[1]) and not isinstance(value, dict | list):
        return True
    if not isinstance(value, str):
        return False
    if _ADDRESS.match(value):
        return True
    if not os.path.isabs(value) or "\0" in value:
        return False
    folder = os.path.dirname(value.rstrip(os.sep))
    return os.path.exists(value) or (folder != os.sep and os.path.isdir(folder))


# Names of an object's own attributes.
_ADDRESS_NAME = re.compile(r"(^|_)(dsn|url|uri|host|hostname|port|endpoint|path|dir|file)$", re.I)
_ADDRESS = re.compile(
    r"[a-z][a-z0-9+.-]*://|.*\bhost=.*\bdbname=|(localhost|(\d{1,3}\.){3}\d{1,3}|[\w-]+(\.[\w-]+)+):\d{1,5}$",
    re.I,
)


def leaves(state: State, *, most: int = 2000) -> Iterator[tuple[Path, JsonValue]]:
    """The plain values of a state, and its empty and filled containers, in a fixed order."""
    left: list[tuple[Path, JsonValue]] = [((), state)]
    while left and most > 0:
        path, value = left.pop(0)
        if isinstance(value, dict):
            left += [((*path, key), inner) for key, inner in value.items()]
        elif isinstance(value, list):
            left += [((*path, str(i)), inner) for i, inner in enumerate(value[:20])]
        if len(path) > 1:
            most -= 1
            yield path, value


def _put(thing: Any, path: Path, value: JsonValue) -> None:
    *way, last = path[1:]
    for key in way:
        thing = _inside(thing, key)
        if thing is None:
            return
    old = _inside(thing, last)
    if not _fits(old, value) or is_address(path, old):
        return
    if isinstance(thing, dict):
        thing[_key(thing, last)] = value
    elif isinstance(thing, list) and last.isdecimal() and int(last) < len(thing):
        thing[int(last)] = value
    elif hasattr(thing, "__dict__") and last in vars(thing):
        setattr(thing, last, value)


def _inside(thing: Any, key: str) -> Any:
    if isinstance(thing, dict):
        return thing.get(_key(thing, key))
    if isinstance(thing, list):
        return thing[int(key)] if key.isdecimal() and int(key) < len(thing) else None
    return getattr(thing, "__dict__", {}).get(key)


def _key(thing: dict[Any, Any], text: str) -> Any:
    """The key with this JSON text."""
    return text if text in thing else next((key for key in thing if str(key) == text), text)


def _fits(old: Any, new: JsonValue) -> bool:
    """Values keep their type; what was None may become plain, and plain may become None."""
    plain = (str, int, float, bool)
    if isinstance(old, dict | list):
        return type(new) is type(old) and not new
    if isinstance(old, int | float) and not isinstance(old, bool):
        return (isinstance(new, int | float) and not isinstance(new, bool)) or new is None
    return (old is None or type(old) in plain) and (new is None or type(new) is type(old) or old is None)
