"""Values harvested from states, calls and outcomes, indexed by name and by type."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache

from pydantic import JsonValue

from artis_sdk.logs.codec import dumps
from artis_sdk.records import State, ToolCall

_MOST = 400  # values of one name
_LONGEST = 2000  # characters of a value
_EMPTY_WORDS = {
    *(
        "id",
        "ids",
        "list",
        "name",
        "number",
        "key",
        "keys",
        "new",
        "the",
        "of",
        "to",
        "from",
        "that",
        "whose",
    ),
    *("and", "such", "identifier", "for", "with", "which", "this", "will", "are", "can", "only", "default"),
}


class Values:
    """Distinct JSON values, in the order of their text, so that runs are reproducible."""

    def __init__(self) -> None:
        self._by_text: dict[str, JsonValue] = {}
        self._list: list[JsonValue] | None = None

    def __len__(self) -> int:
        return len(self._by_text)

    def add(self, value: JsonValue) -> None:
        """Add a value, unless it is too long or the limit is reached."""
        text = dumps(value)
        if len(text) <= _LONGEST and len(self._by_text) < _MOST and text not in self._by_text:
            self._by_text[text] = value
            self._list = None

    def update(self, values: Iterable[JsonValue]) -> None:
        for value in values:
            self.add(value)

    def list(self) -> list[JsonValue]:
        """All, in order."""
        if self._list is None:
            self._list = [value for _, value in sorted(self._by_text.items())]
        return self._list


class Pool:
    """The values to choose from."""

    def __init__(self) -> None:
        self._named: dict[str, Values] = {}
        self._keys = Values()
        self._near: dict[str, tuple[int, list[JsonValue]]] = {}

    def add_state(self, state: State) -> None:
        """Add the values of a state, or of an outcome, under their names."""
        for name, value in _named(state, ""):
            self._named.setdefault(name, Values()).add(value)
            self._keys.add(name)

    def add_call(self, call: ToolCall) -> None:
        """Add a call's arguments under their parameters' names."""
        for name, value in call.arguments.items():
            self._named.setdefault(name, Values()).add(value)
            self.add_state({name: value})

    def named(self, name: str) -> list[JsonValue]:
        """The values of exactly this name."""
        return self._named[name].list() if name in self._named else []

    @property
    def keys(self) -> list[JsonValue]:
        """Keys of dictionaries, which are often identifiers."""
        return self._keys.list()

    def like(self, kind: type) -> list[JsonValue]:
        """Plain values of one JSON type, under any name."""
        size = len(self._named)
        known = self._near.get(f"<{kind.__name__}>")
        if known is None or known[0] != size:
            found = Values()
            for name in sorted(self._named):
                found.update(value for value in self._named[name].list() if type(value) is kind)
            known = self._near[f"<{kind.__name__}>"] = (size, found.list())
        return known[1]

    def near(self, name: str) -> list[JsonValue]:
        """Plain values whose name shares a word with this one, such as `orders` with `order_id`."""
        size = len(self._named)
        known = self._near.get(name)
        if known is None or known[0] != size:
            found = Values()
            wanted = words(name)
            for other in sorted(self._named):
                if other != name and wanted & words(other):
                    found.update(v for v in self._named[other].list() if not isinstance(v, dict | list))
            known = self._near[name] = (size, found.list())
        return known[1]


@lru_cache(maxsize=10_000)
def words(name: str) -> frozenset[str]:
    """The words of a name, singular and in lower case, without generic ones."""
    split = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
    return frozenset(w.removesuffix("s") for w in re.split(r"\W|_", split) if len(w) > 2) - _EMPTY_WORDS


def _named(value: JsonValue, name: str) -> Iterator[tuple[str, JsonValue]]:
    """Each plain value under the nearest key above it; a dictionary's keys under its own name."""
    left: list[tuple[str, JsonValue]] = [(name, value)]
    while left:
        key, inner = left.pop()
        if isinstance(inner, dict):
            for name_inside, value_inside in inner.items():
                if key:
                    yield key, name_inside
                left.append((name_inside, value_inside))
        elif isinstance(inner, list):
            left += [(key, item) for item in inner[:50]]
            if key and inner and not isinstance(inner[0], dict | list):
                yield key, inner
        elif key:
            yield key, inner
