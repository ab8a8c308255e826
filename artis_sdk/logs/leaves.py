"""Keys, texts and numbers of a JSON value, and values with other texts in their place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import chain
from types import NoneType
from typing import Any, NamedTuple

from pydantic import JsonValue


class Leaves(NamedTuple):
    """What a JSON value consists of."""

    keys: set[str]
    texts: set[str]
    numbers: list[int | float]


FLAT = frozenset({str, int, float, bool, type(None)})
"""Types of values that hold no others."""


def leaves(value: JsonValue) -> Leaves:
    """Each key and text once, and every number; null and booleans are left out.

    All containers of one depth are opened together: a look at each would take several times as long.
    """
    keys: set[str] = set()
    texts: set[str] = set()
    numbers: list[int | float] = []
    items: list[Any] = [value]
    while items:
        kinds = set(map(type, items))
        objects: list[dict[str, JsonValue]] = []
        lists: list[list[JsonValue]] = []
        takers = {kind: _takers(kind, texts, objects, lists, numbers) for kind in kinds}
        if len(kinds) == 1:
            takers[kinds.pop()][1](items)
        else:
            takes = {kind: take for kind, (take, _) in takers.items()}
            for item in items:
                takes[type(item)](item)
        keys.update(*objects)
        items = [*chain.from_iterable(map(dict.values, objects)), *chain.from_iterable(lists)]
    return Leaves(keys, texts, numbers)


def _takers(
    kind: type,
    texts: set[str],
    objects: list[dict[str, JsonValue]],
    lists: list[list[JsonValue]],
    numbers: list[int | float],
) -> tuple[Callable[[Any], object], Callable[[Any], object]]:
    """What takes one value of this type, and what takes many."""
    if issubclass(kind, str):
        return texts.add, texts.update
    if issubclass(kind, dict):
        return objects.append, objects.extend
    if issubclass(kind, list):
        return lists.append, lists.extend
    if kind is bool or kind is NoneType:
        return bool, bool  # keeps none
    return numbers.append, numbers.extend


def all_texts(value: JsonValue) -> list[str]:
    """Keys, strings and numbers, as texts, each once."""
    found = leaves(value)
    return [*(found.keys | found.texts), *dict.fromkeys(map(str, found.numbers))]


def exchanged(value: JsonValue, others: Mapping[str, str]) -> JsonValue:
    """The value with other keys, texts and numbers.

    Args:
        others: what takes the place of a key, a text, or a number's text; the rest stays.
    """
    if isinstance(value, str):
        return others.get(value, value)
    if isinstance(value, dict):
        changed = {others.get(key, key): exchanged(item, others) for key, item in value.items()}
        if len(changed) == len(value):
            return changed
        return renamed({key: exchanged(item, others) for key, item in value.items()}, others)
    if isinstance(value, list):
        return [exchanged(item, others) for item in value]
    if value is None or value is True or value is False:
        return value
    return others.get(str(value), value)


def renamed(value: Mapping[str, JsonValue], others: Mapping[str, str]) -> dict[str, JsonValue]:
    """The object with other keys; those that become the same are numbered."""
    changed: dict[str, JsonValue] = {}
    numbers: dict[str, int] = {}
    for key, item in value.items():
        new = other = others.get(key, key)
        while new in changed:
            numbers[other] = numbers.get(other, 1) + 1
            new = f"{other} ({numbers[other]})"
        changed[new] = item
    return changed


def map_leaves(
    value: JsonValue,
    leaf: Callable[[str | int | float], JsonValue],
    key: Callable[[str], str] = lambda name: name,
) -> JsonValue:
    """The value with every string and number mapped; null and booleans stay unchanged."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, dict):
        return {key(name): map_leaves(item, leaf, key) for name, item in value.items()}
    if isinstance(value, list):
        return [map_leaves(item, leaf, key) for item in value]
    return leaf(value)
