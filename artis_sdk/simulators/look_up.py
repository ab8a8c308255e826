"""The state entries that an action's arguments refer to, so that a model need not search for them.

It knows nothing about the tools. An entry is an object of the state; an argument refers to it by its key, or
by its field `id`, `name` or `key`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from pydantic import JsonValue

from artis_sdk.records import State, ToolCall
from artis_sdk.simulators.entries import MARK, identifies

Entry = dict[str, JsonValue]
_MOST: Final = 4
"""Maximum items of a list that are looked up."""


class LookUp:
    """The entries of one state by their names.

    Args:
        state: the state that a simulator receives.
    """

    def __init__(self, state: State) -> None:
        self._entries: dict[str, Entry] = {}
        for name, entry in _named(state):
            self._entries.setdefault(name, entry)

    def of(self, calls: Sequence[ToolCall]) -> list[dict[str, Entry | None]]:
        """For each call the entries that its arguments refer to, and the entries that these refer to.

        Args:
            calls: the action.

        Returns:
            By argument (`source`), or by argument and field (`source.owner`). None for a text that
            refers to nothing, which may be why a call fails. An entry shows its scalars, and of its
            objects and lists only their number of items.
        """
        return [self._of_one(call) for call in calls]

    def _of_one(self, call: ToolCall) -> dict[str, Entry | None]:
        found: dict[str, Entry | None] = {}
        for argument, value in call.arguments.items():
            for name, one in _several(argument, value):
                entry = self._entry(name, one)
                if entry is not None or isinstance(one, str):
                    found[name] = _shown(entry)
                for field, inner in (entry or {}).items():
                    pointed = self._entry(field, inner)
                    if pointed is not None and pointed is not entry:
                        found[f"{name}.{field}"] = _shown(pointed)
        return found

    def _entry(self, name: str, value: JsonValue) -> Entry | None:
        if isinstance(value, str):
            return self._entries.get(value.casefold())
        if isinstance(value, int) and not isinstance(value, bool) and name.casefold().endswith("id"):
            return self._entries.get(str(value))  # other numbers are amounts, not names
        return None


def _several(argument: str, value: JsonValue) -> list[tuple[str, JsonValue]]:
    if isinstance(value, list):
        return [(f"{argument}[{n}]", item) for n, item in enumerate(value[:_MOST])]
    return [(argument, value)]


def _named(value: JsonValue) -> Iterator[tuple[str, Entry]]:
    """Every object of a state with its names, the outer ones first."""
    layer: list[JsonValue] = [value]
    while layer:
        inner: list[JsonValue] = []
        for one in layer:
            if not isinstance(one, dict | list):
                continue
            for key, item in one.items() if isinstance(one, dict) else enumerate(one):
                inner.append(item)
                if isinstance(item, dict):
                    if isinstance(key, str):
                        yield key.casefold(), item
                    for field, name in item.items():
                        if identifies(field) and isinstance(name, str | int):
                            yield str(name).casefold(), item
        layer = inner


def _shown(entry: Entry | None) -> Entry | None:
    if entry is None:
        return None
    return {
        key: {MARK: len(value)} if isinstance(value, dict | list) and value else value
        for key, value in entry.items()
    }
