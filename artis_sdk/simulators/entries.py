"""The scalars of a JSON state, indexed by the words that an action may name them by."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Final

from pydantic import JsonValue

from artis_sdk.prompts import encode
from artis_sdk.simulators.collection import no_collection

NAMED: Final = 0
"""Under a key that the action names, or holding or beside a value that it names."""
LINKED: Final = 1
"""The same of what a named object points to, or an earlier step that is about the same."""
GLOBAL: Final = 2
"""In no row of a table, such as a date or the current user."""

MARK: Final = "..."
"""The key for the number of entries that a cut object lacks; a cut list ends with `{"...": n}`."""

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


class Container:
    """An object or a list of the state.

    Args:
        value: the container itself.
        parent: the container around it; None for the state.
        key: its key or position in that.

    Attributes:
        loose: whether its scalars have nothing to do with each other.
        table: number of the entry that stands for it, if it is a table; else None.
        span: numbers of the entries within it, from the first to before the last's next.
        direct: numbers of the entries right in it, tables among its items included.
    """

    __slots__ = ("direct", "key", "loose", "parent", "span", "table", "value")

    def __init__(
        self, value: dict[str, JsonValue] | list[JsonValue], parent: Container | None, key: str | int
    ) -> None:
        self.value = value
        self.parent = parent
        self.key = key
        self.loose = False
        self.table: int | None = None
        self.span = (0, 0)
        self.direct: list[int] = []


class EntryRanges:
    """A set of entries as ranges of their numbers.

    Args:
        spans: ranges, from a number to before another, in any order.
    """

    def __init__(self, spans: Iterable[tuple[int, int]]) -> None:
        self.spans: list[tuple[int, int]] = []
        for start, end in sorted(spans):
            if self.spans and start <= self.spans[-1][1]:
                self.spans[-1] = (self.spans[-1][0], max(end, self.spans[-1][1]))
            elif start < end:
                self.spans.append((start, end))
        self._starts = [start for start, _ in self.spans]

    def __contains__(self, n: object) -> bool:
        assert isinstance(n, int)
        at = bisect_right(self._starts, n) - 1
        return at >= 0 and n < self.spans[at][1]

    def __len__(self) -> int:
        return sum(end - start for start, end in self.spans)

    def __iter__(self) -> Iterator[int]:
        for span in self.spans:
            yield from range(*span)


class Entries:
    """A state as a list of its scalars and empty containers, in their order, indexed once.

    A table is an entry too, before its rows, so that it shows even when none of its rows does. What an action
    names is looked up: that costs by what it names, not by the size of the state.

    Args:
        state: an object or a list.

    Attributes:
        root: the state.
        values: value of each entry; None for a table.
        keys: key or position of each entry in its container.
        containers: container of each entry; of a table's entry the table itself.
        tables: numbers of the entries that are tables.
        all_keys: every key and position in it.
    """

    def __init__(self, state: dict[str, JsonValue] | list[JsonValue]) -> None:
        self.values: list[JsonValue] = []
        self.keys: list[str | int] = []
        self.containers: list[Container] = []
        self.tables: set[int] = set()
        self.all_keys: set[str | int] = set()
        self._in_row: list[bool] = []
        self._levels: list[list[int]] = []
        """Numbers of the entries by the length of their path, ascending."""
        self._names: set[str] = set()
        """Keys of objects and lists, and the values of fields that identify an object."""
        self._by_key: dict[str, list[tuple[int, int]]] = {}
        """What is under each key, in lower case."""
        self._loose: dict[str, list[tuple[int, int]]] = {}
        """What is under each key of a container whose scalars have nothing to do with each other."""
        self._by_value: dict[str, list[int]] = {}
        """The entries with each text, in lower case, or each number as `field=number`."""
        self._costs: dict[int, int] = {}
        self.root = Container(state, None, 0)
        with no_collection():
            self._read(self.root, 0, "", in_row=False)

    # --- reading the state --------------------------------------------------------------------

    def _read(self, container: Container, depth: int, field: str, *, in_row: bool) -> None:
        """Read a container's entries.

        Args:
            container: the container.
            depth: length of its path.
            field: the last key on its path that is a text, in lower case.
            in_row: whether it is a part of a table's row.
        """
        start, value = len(self.values), container.value
        if not value:
            self._entry(container, value, 0, depth, in_row=in_row)
            container.span = (start, start + 1)
            return
        items = list(value.values()) if isinstance(value, dict) else value
        scalars = sum(1 for item in items if not isinstance(item, dict | list))
        container.loose = scalars > _TABLE
        if not in_row and (container.loose or _has_rows(value)):
            container.table = start
            self.tables.add(start)
            self._entry(container, None, container.key, depth, in_row=False)
            in_row = True
            if container.parent is not None:
                container.parent.direct.append(start)
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            at = len(self.values)
            self.all_keys.add(key)
            name = key.casefold() if isinstance(key, str) else None
            under = field if name is None else name
            if isinstance(inner, dict | list) and inner:
                self._read(Container(inner, container, key), depth + 1, under, in_row=in_row)
            else:
                container.direct.append(at)
                self._entry(container, inner, key, depth + 1, in_row=in_row)
                self._value(at, inner, under)
            if name is not None:
                self._key(container, str(key), inner, (at, len(self.values)))
        container.span = (start, len(self.values))

    def _value(self, n: int, value: JsonValue, field: str) -> None:
        if isinstance(value, str):
            self._by_value.setdefault(value.casefold(), []).append(n)
        elif isinstance(value, int) and not isinstance(value, bool):
            self._by_value.setdefault(f"{field}={value}", []).append(n)

    def _key(self, container: Container, key: str, inner: JsonValue, span: tuple[int, int]) -> None:
        name = key.casefold()
        if isinstance(inner, dict | list):
            self._names.add(name)
        elif identifies(name):
            self._names.add(str(inner).casefold())
        self._by_key.setdefault(name, []).append(span)
        if container.loose:
            self._loose.setdefault(key, []).append(span)

    def _entry(
        self, container: Container, value: JsonValue, key: str | int, depth: int, *, in_row: bool
    ) -> None:
        while len(self._levels) <= depth:
            self._levels.append([])
        self._levels[depth].append(len(self.values))
        self.values.append(value)
        self.keys.append(key)
        self.containers.append(container)
        self._in_row.append(in_row)

    # --- what an action names -----------------------------------------------------------------

    def near(
        self, named: frozenset[str], links: frozenset[str], reads: frozenset[str] = frozenset()
    ) -> tuple[EntryRanges, EntryRanges]:
        """The entries that are `NAMED`, and those that are `LINKED` or `NAMED`.

        Args:
            named: words of the action, by `words`.
            links: other words of earlier steps that share one of these.
            reads: names of fields that count as linked in an object of many scalars, such as a car's; the
                rows of a table all have them, so there they do not count.
        """
        near, own = self._near(named)
        pointed = {
            str(value).casefold()
            for n in EntryRanges(own)
            if isinstance(value := self.values[n], str | int) and not isinstance(value, bool)
        }
        linked, _ = self._near(frozenset(pointed & self._names) | links)
        read = [span for name in reads for span in self._loose.get(name, ())]
        return EntryRanges(near), EntryRanges([*near, *linked, *read])

    def tiers(self, named: frozenset[str]) -> Iterator[tuple[int, int]]:
        """The entries near an action and those in no table, each with `NAMED`, `LINKED` or `GLOBAL`.

        Args:
            named: words of the action, by `words`.
        """
        spans, near = self.near(named, frozenset())
        yield from ((n, NAMED) for n in spans)
        yield from ((n, LINKED) for n in near if n not in spans)
        yield from ((n, GLOBAL) for n in self.outer if n not in near)

    def field(self, n: int) -> str:
        """The last key on an entry's path that is a text; empty without one."""
        key, container = self.keys[n], self.containers[n]
        while isinstance(key, int) and container.parent is not None:
            key, container = container.key, container.parent
        return key if isinstance(key, str) else ""

    def _near(self, named: frozenset[str]) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        """What is near a named word, and of that what is under a named key or in an object that is named by
        its identifier."""
        own = [span for word in named for span in self._by_key.get(word, ())]
        near: list[tuple[int, int]] = []
        for n in (n for word in named for n in self._by_value.get(word, ())):
            near.append((n, n + 1))
            record = self._record(n)
            if record is None:
                continue
            near += ((other, other + 1) for other in record.direct)
            if identifies(str(self.keys[n])):
                start, end = record.span
                own.append((start if record.table is None else start + 1, end))
        return near + own, own

    def _record(self, n: int) -> Container | None:
        """The object whose fields belong together with this one; None in a table of scalars."""
        container: Container | None = self.containers[n]
        key = self.keys[n]
        while container is not None and isinstance(key, int):
            key, container = container.key, container.parent
        return None if container is None or container.loose else container

    # --- in order -----------------------------------------------------------------------------

    def ordered(self, spans: EntryRanges) -> Iterator[int]:
        """These entries, the outer ones first."""
        for level in self._levels:
            for start, end in spans.spans:
                at = bisect_left(level, start)
                while at < len(level) and level[at] < end:
                    yield level[at]
                    at += 1

    @cached_property
    def outer(self) -> list[int]:
        """The entries in no row of a table, the outer ones first."""
        return [n for level in self._levels for n in level if not self._in_row[n]]

    @cached_property
    def rows(self) -> list[int]:
        """The entries in rows of tables, the outer ones first."""
        return [n for level in self._levels for n in level if self._in_row[n]]

    def cost(self, n: int) -> int:
        """Characters of an entry with its key; 0 for a table, which costs what its container does."""
        if n in self.tables:
            return 0
        found = self._costs.get(n)
        if found is None:
            found = self._costs[n] = len(encode(self.values[n])) + 1 + name_cost(self.keys[n])
        return found


def name_cost(key: str | int) -> int:
    """Characters of a key; 0 for a position in a list."""
    return len(encode(key)) + 1 if isinstance(key, str) else 0


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
