"""The scalars of a JSON state, and how near each is to what an action names."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from pydantic import JsonValue

Path = tuple[str | int, ...]
"""Keys and positions from the root of a state to a value."""

NAMED: Final = 0
"""Under a key that the action names, or holding or beside a value that it names."""
LINKED: Final = 1
"""The same of what a named object points to, or an earlier step that is about the same."""
GLOBAL: Final = 2
"""In no row of a table, such as a date or the current user."""
REST: Final = 3

_TABLE = 16  # scalars in one container, above which each is a row of its own
_PIECES = re.compile(r"[\s/\\,;:|()\[\]{}\"'=]+")


def words(values: Iterable[tuple[str, JsonValue]]) -> frozenset[str]:
    """The words of values, in lower case: their texts, the pieces of these, and numbers with their name.

    A number names only an entry of the same name (`order_id=5` an `order_id` or an `id` of 5, or the key
    `"5"`), because equal amounts have nothing to do with each other.

    Args:
        values: pairs of a name, which may be empty, and a value.
    """
    found: set[str] = set()
    for name, value in values:
        _collect(name.casefold(), value, found)
    return frozenset(found)


def _collect(name: str, value: JsonValue, found: set[str]) -> None:
    if isinstance(value, str):
        text = value.casefold()
        if text:
            found.add(text)
        found.update(piece for piece in _PIECES.split(text) if len(piece) > 1)
    elif isinstance(value, dict):
        for key, inner in value.items():
            _collect(key.casefold(), inner, found)
    elif isinstance(value, list):
        for inner in value:
            _collect(name, inner, found)
    elif isinstance(value, int) and not isinstance(value, bool):
        found.update((str(value), f"{name}={value}", f"id={value}"))


class Entries:
    """A state as a list of its scalars and empty containers, in their order.

    A table is an entry too, before its rows, so that it shows even when none of its rows does.

    Args:
        state: an object or a list.

    Attributes:
        paths: path of each entry.
        values: value of each entry; None for a table.
        tables: numbers of the entries that are tables.
    """

    def __init__(self, state: JsonValue) -> None:
        self.paths: list[Path] = []
        self.values: list[JsonValue] = []
        self.tables: set[int] = set()
        self._in_row: list[bool] = []
        self._names: set[str] = set()
        """Keys of objects and lists, and the values of fields that identify an object."""
        self._loose: set[Path] = set()
        """Containers whose scalars have nothing to do with each other."""
        self._add((), state, in_row=False)

    def _add(self, path: Path, value: JsonValue, *, in_row: bool) -> None:
        if not isinstance(value, dict | list) or not value:
            self.paths.append(path)
            self.values.append(value)
            self._in_row.append(in_row)
            return
        items = list(value.values()) if isinstance(value, dict) else value
        scalars = sum(1 for item in items if not isinstance(item, dict | list))
        if scalars > _TABLE:
            self._loose.add(path)
        if not in_row and (scalars > _TABLE or _has_rows(value)):
            self.tables.add(len(self.paths))
            self.paths.append(path)
            self.values.append(None)
            self._in_row.append(False)
            in_row = True
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            if isinstance(key, str):
                if isinstance(inner, dict | list):
                    self._names.add(key.casefold())
                elif identifies(key):
                    self._names.add(str(inner).casefold())
            self._add((*path, key), inner, in_row=in_row)

    def tiers(
        self, named: frozenset[str], links: frozenset[str], reads: frozenset[str] = frozenset()
    ) -> list[int]:
        """`NAMED`, `LINKED`, `GLOBAL` or `REST` for each entry.

        Args:
            named: words of the action, by `words`.
            links: other words of earlier steps that share one of these.
            reads: names of fields that count as linked in an object of many scalars, such as a car's; the
                rows of a table all have them, so there they do not count.
        """
        near, pointing = self._near(named)
        pointed = {
            str(self.values[n]).casefold()
            for n in pointing
            if isinstance(self.values[n], str | int) and not isinstance(self.values[n], bool)
        }
        linked, _ = self._near(frozenset(pointed & self._names) | links)
        linked = [near_it or self._read(n, reads) for n, near_it in enumerate(linked)]
        return [
            NAMED
            if near[n]
            else LINKED
            if linked[n] or self._read(n, reads)
            else REST
            if self._in_row[n]
            else GLOBAL
            for n in range(len(self.paths))
        ]

    def _read(self, n: int, reads: frozenset[str]) -> bool:
        path = self.paths[n]
        return bool(reads) and any(
            path[depth] in reads for depth in range(len(path)) if path[:depth] in self._loose
        )

    def _near(self, named: frozenset[str]) -> tuple[list[bool], list[int]]:
        """Entries near a named word, and entries of an object that is named by its identifier."""
        by_key = [
            any(isinstance(key, str) and key.casefold() in named for key in path) for path in self.paths
        ]
        beside: set[Path] = set()
        identified: set[Path] = set()
        matched = [self._holds(n, named) for n in range(len(self.paths))]
        for n, hit in enumerate(matched):
            record = self._record(n)
            if hit and record is not None:
                beside.add(record)
                if identifies(str(self.paths[n][-1])):
                    identified.add(record)
        near: list[bool] = []
        pointing: list[int] = []
        for n, path in enumerate(self.paths):
            own = by_key[n] or any(path[:depth] in identified for depth in range(len(path)))
            near.append(own or matched[n] or path[:-1] in beside)
            if own:
                pointing.append(n)
        return near, pointing

    def _holds(self, n: int, named: frozenset[str]) -> bool:
        value = self.values[n]
        if isinstance(value, str):
            return value.casefold() in named
        if isinstance(value, int) and not isinstance(value, bool):
            field = next((key for key in reversed(self.paths[n]) if isinstance(key, str)), "")
            return f"{field.casefold()}={value}" in named
        return False

    def _record(self, n: int) -> Path | None:
        """The object whose fields belong together with this one; None in a table of scalars."""
        path = self.paths[n]
        while path and isinstance(path[-1], int):
            path = path[:-1]
        return path[:-1] if path and path[:-1] not in self._loose else None


def identifies(field: str) -> bool:
    """Whether a field's value identifies its object."""
    return field.casefold() in ("id", "name", "key")


def _has_rows(value: dict[str, JsonValue] | list[JsonValue]) -> bool:
    """Whether a container's items are objects or lists, of one kind or many."""
    if isinstance(value, list):
        return any(isinstance(item, dict | list) for item in value)
    inner = [item for item in value.values() if isinstance(item, dict | list)]
    alike = 1 < len(inner) == len(value) and len(set(map(_shape, inner))) == 1
    return alike or len(inner) > _TABLE


def _shape(item: dict[str, JsonValue] | list[JsonValue]) -> frozenset[str] | None:
    return frozenset(item) if isinstance(item, dict) else None
