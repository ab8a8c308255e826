"""Source 2: logged tasks, changed (section 4.3.2): arguments swapped, dropped, retyped, taken from the
state or from other sessions, and the order of calls."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

from pydantic import JsonValue

from artis_sdk.records import ToolCall
from artis_sdk.trainers.generate.tasks import Draft
from artis_sdk.trainers.generate.values import Pool

_SHARE = 0.6  # share of a task's calls that are changed


@dataclass(frozen=True, slots=True)
class Logged:
    """A task out of a log, placed in a world."""

    world: int
    calls: tuple[ToolCall, ...]
    session: str | None = None


class Mutation:
    """Makes drafts from logged tasks, without regard to coverage.

    Args:
        logged: the tasks, at least one.
        pool: values of states and of other sessions.
        random: source of random decisions.
    """

    name = "mutation"

    def __init__(self, logged: Sequence[Logged], pool: Pool, random: Random) -> None:
        self._logged = logged
        self._pool = pool
        self._random = random

    def draft(self) -> Draft:
        """The next task."""
        task = self._random.choice(self._logged)
        calls = list(task.calls)
        if self._random.random() < 0.3:
            calls = self._reordered(calls)
        calls = [self.changed(call) if self._random.random() < _SHARE else call for call in calls]
        return Draft(self.name, task.world, tuple(calls), session=task.session)

    def changed(self, call: ToolCall) -> ToolCall:
        """The call with one of its arguments changed; one without arguments stays unchanged."""
        if not call.arguments:
            return call
        change = self._random.choice(_CHANGES)
        arguments = change(self, dict(call.arguments))
        return ToolCall(id=call.id, tool=call.tool, arguments=arguments)

    # --- one argument -----------------------------------------------------------------------------

    def _swap(self, arguments: dict[str, JsonValue]) -> dict[str, JsonValue]:
        one, other = self._random.choice(list(arguments)), self._random.choice(list(arguments))
        return arguments | {one: arguments[other], other: arguments[one]}

    def _drop(self, arguments: dict[str, JsonValue]) -> dict[str, JsonValue]:
        gone = self._random.choice(list(arguments))
        return {name: value for name, value in arguments.items() if name != gone}

    def _retype(self, arguments: dict[str, JsonValue]) -> dict[str, JsonValue]:
        name = self._random.choice(list(arguments))
        return arguments | {name: self._random.choice(retyped(arguments[name]))}

    def _from_elsewhere(self, arguments: dict[str, JsonValue]) -> dict[str, JsonValue]:
        name = self._random.choice(list(arguments))
        values = self._pool.named(name) if self._random.random() < 0.5 else self._pool.near(name)
        return arguments | {name: self._random.choice(values)} if values else self._edge(arguments)

    def _edge(self, arguments: dict[str, JsonValue]) -> dict[str, JsonValue]:
        name = self._random.choice(list(arguments))
        return arguments | {name: self._random.choice(edges(arguments[name]))}

    # --- the order --------------------------------------------------------------------------------

    def _reordered(self, calls: list[ToolCall]) -> list[ToolCall]:
        if not calls:
            return calls
        at, to = self._random.randrange(len(calls)), self._random.randrange(len(calls))
        match self._random.randrange(4):
            case 0:
                calls[at], calls[to] = calls[to], calls[at]
            case 1:
                calls.insert(to, calls[at])
            case 2:
                del calls[at]
            case _:
                calls = calls[: at + 1]
        return calls


_CHANGES: tuple[Callable[[Mutation, dict[str, JsonValue]], dict[str, JsonValue]], ...] = (
    Mutation._swap,
    Mutation._drop,
    Mutation._retype,
    Mutation._from_elsewhere,
    Mutation._from_elsewhere,
    Mutation._edge,
)


def retyped(value: JsonValue) -> list[JsonValue]:
    """The value as other JSON types."""
    text = value if isinstance(value, str) else json.dumps(value)
    found: list[JsonValue] = [text, [value], {"value": value}, None, True]
    if isinstance(value, str) and value.lstrip("-").isdecimal() and len(value) < 300:
        found.append(int(value))
    if isinstance(value, list):
        found += value[:1]
    return [other for other in found if type(other) is not type(value)] or [None]


def edges(value: JsonValue) -> list[JsonValue]:
    """Values of the same type at the edge of it, or a little beside it."""
    match value:
        case bool():
            return [not value]
        case int() | float():
            return [0, -1, 1, -value, value + 1, value - 1, value * 1000, 0.5, 10**9]
        case str():
            return ["", " ", value + "x", value[:-1], value.upper(), f"{value}/{value}", "unknown", "-1"]
        case list():
            return [[], value + value, value[:1], [None], [*value, "x"]]
        case dict():
            return [{}, {**value, "x": 1}, dict(list(value.items())[:1])]
    return ["", 0, [], {}]
