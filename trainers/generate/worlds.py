"""Where generated calls run: toolsets over their objects, and the start states made of those."""

from __future__ import annotations

import copy
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
    """Rows of this world carry it, so that they stay on one side of a split; None gives every
    generated task a session of its own."""


@dataclass(frozen=True, slots=True)
class Change:
    """One value of the start state, changed before a task begins."""

    path: Path
    value: JsonValue


def worlds_of(given: Toolset | StartState | Sequence[Toolset | StartState]) -> list[StartState]:
    """The worlds that were given, in order."""
    every = [given] if isinstance(given, Toolset | StartState) else list(given)
    return [world if isinstance(world, StartState) else StartState(world) for world in every]


def changed(tools: Toolset, changes: Iterable[Change]) -> Toolset:
    """The tools over copies of their objects with the changes made.

    A change that does not fit the object as it is (no such attribute, another type) is left out.
    """
    owners = tools.owners
    copies = dict(zip(map(id, owners), copy.deepcopy(owners), strict=True))
    state = tools.state()
    named = dict(zip(state, owners, strict=True)) if isinstance(state, dict) else {}
    for change in changes:
        owner = named.get(change.path[0])
        if owner is not None and len(change.path) > 1:
            _put(copies[id(owner)], change.path[1:], change.value)
    return Toolset(*(tool.on(copies[id(tool.owner)]) if tool.owner is not None else tool for tool in tools))


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
    *way, last = path
    for key in way:
        thing = _inside(thing, key)
        if thing is None:
            return
    old = _inside(thing, last)
    if not _fits(old, value):
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
    """The key that JSON writes so."""
    return text if text in thing else next((key for key in thing if str(key) == text), text)


def _fits(old: Any, new: JsonValue) -> bool:
    """Values keep their type; what was None may become plain, and plain may become None."""
    plain = (str, int, float, bool)
    if isinstance(old, dict | list):
        return type(new) is type(old) and not new
    if isinstance(old, int | float) and not isinstance(old, bool):
        return (isinstance(new, int | float) and not isinstance(new, bool)) or new is None
    return (old is None or type(old) in plain) and (new is None or type(new) is type(old) or old is None)
