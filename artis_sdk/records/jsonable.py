"""Any Python value as JSON, as records, logs, journal and prompts hold it; only this module decides it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import repeat
from math import isfinite
from operator import is_
from types import NoneType
from typing import Any

from artis_sdk.records.plain_forms import Pairs, module_of, plain_text, public_attributes, simpler, stand_in
from artis_sdk.records.services import is_service

_DEEPEST = 128  # containers inside one another; JSON parsers stop at 200, and records put some around
_LARGEST = 100_000_000  # characters, about: one can take 6 bytes in JSON, and SQLite's texts have 10^9
_INTEGERS_END = 10**4300  # Python and JSON parsers read integers of 4,300 digits
_LARGEST_KEY = 100_000  # characters of a key that is not a text
_KEY_LEVELS = 3  # a key within a key is an escape within an escape
_MOST_STEPS = 8  # from an object to its plain value
_ITEM, _CONTAINER_SIZE = 4, 40  # characters that each counts as, beside its text
_WORD = 2**63
_FEW, _SHORT = 32, 10_000  # entries and characters of a value that is checked in one go

# Types by id: hashing or comparing a class may run its metaclass.
_TEXT = {id(str)}
_LEAVES = {id(kind) for kind in (str, int, float, bool, NoneType)}
_CONTAINERS = {id(kind) for kind in (dict, list, tuple, set, frozenset, Pairs)}


def jsonable(value: Any) -> Any:
    """The value as JSON: a copy made of dict, list, str, int, float, bool and None, and of nothing else.

    It raises no `Exception` and ends for every value. JSON stays unchanged; other values become JSON:

    - an integer of any type stays an integer up to 4,300 digits; beyond that it is its hexadecimal text;
    - NaN and the infinities are the texts `NaN`, `Infinity`, `-Infinity`; half of a surrogate pair is
      its escape, as `\\ud83d`;
    - bytes are their UTF-8 text, or a base64 `data:` URL;
    - sets are sorted; a key that is not a text is its JSON text (None is `None`), with a number if that
      key exists already;
    - dates, decimals, paths and the like are the texts that pydantic writes; models, dataclasses and
      mappings are objects, arrays are lists, tables are columns, index and data;
    - another object is its public attributes as they are stored, without running a property.

    A value without such a form becomes `<its type>`, and the values around it stay whole: an iterator,
    which belongs to its reader; a reference to itself; a value that raises; one too large for a file.
    A value nested deeper than 128 levels is its JSON text.
    """
    kind = type(value)
    if value is None or kind is bool or (kind is int and -_WORD < value < _WORD):
        return value
    if kind is dict and (flat := _flat(value)) is not None:
        return flat
    return _Conversion().of(value)


def _flat(value: dict[Any, Any]) -> dict[str, Any] | None:
    """A copy of a small object of leaves and lists of leaves, like most arguments and outcomes; else None.

    `_Conversion` returns the same, at several times the cost.
    """
    if len(value) > _FEW:
        return None
    out: dict[str, Any] = {}
    leaves: list[Any] = []
    for key, item in list(value.items()):
        if type(key) is not str or not key.isascii():
            return None
        if type(item) is list:
            if len(item) > _FEW:
                return None
            item = list(item)
            leaves += item
        else:
            leaves.append(item)
        out[key] = item
    for leaf in leaves:
        kind = type(leaf)
        if kind is str:
            if len(leaf) > _SHORT or not leaf.isascii():
                return None
        elif kind is float:
            if not isfinite(leaf):
                return None
        elif kind is int:
            if not -_WORD < leaf < _WORD:
                return None
        elif kind is not bool and leaf is not None:
            return None
    return out


def _of_type(kind: type, items: list[Any], found: set[int]) -> list[Any]:
    """The items of a type.

    Args:
        kind: a type whose instances cannot change.
        items: any items.
        found: ids of the items' types.
    """
    return items if len(found) == 1 else [item for item in items if type(item) is kind]


def snapshot(value: object) -> Any:
    """An object's public attributes as JSON, for any kind of object; see `jsonable`.

    A library's service inside it, such as an engine or a logger, is `<its type>`.
    """
    home = module_of(type(value)).partition(".")[0]
    return _Conversion(home=home).of(public_attributes(value), value)


class _Container:
    """A container being converted."""

    __slots__ = ("id", "is_set", "key", "out", "pairs")

    def __init__(self, pairs: Iterable[tuple[Any, Any]], out: Any, *, is_set: bool = False) -> None:
        self.pairs = iter(pairs)
        """Key or index, and the unconverted item."""
        self.out = out
        self.is_set = is_set
        self.id = 0
        """Id of the object that it was made from."""
        self.key: Any = None
        """Key or index in the container around it."""


class _Conversion:
    """Conversion of one value; without recursion, so that no depth is too deep.

    Args:
        left: maximum characters of the result.
        key_levels: maximum nesting of keys in keys, as in a dataclass key with a mapping.
        home: package of the object whose state it is, in which services are left out.
    """

    def __init__(self, left: int = _LARGEST, key_levels: int = _KEY_LEVELS, home: str | None = None) -> None:
        self.left = left
        self.key_levels = key_levels
        self.home = home

    def of(self, value: Any, source: object = None) -> Any:
        """The value as JSON.

        Args:
            value: the value.
            source: the object that it was taken from, if that is another one.
        """
        whole = self.part(value)
        if type(whole) is not _Container:
            return whole
        whole.id = id(value if source is None else source)
        stack, above = [whole], {whole.id}
        while stack:
            here = stack[-1]
            out, is_last = here.out, len(stack) == _DEEPEST
            for key, item in here.pairs:
                part = self.part(item)
                if type(part) is not _Container:
                    out[key] = _json_text(part) if is_last and isinstance(part, list | dict) else part
                elif id(item) in above:
                    out[key] = stand_in(item)
                else:
                    out[key] = part.out
                    part.id, part.key = id(item), key
                    above.add(part.id)
                    stack.append(part)
                    break
            else:
                stack.pop()
                above.discard(here.id)
                if here.is_set:
                    out[:] = _sorted(out)
                if len(stack) == _DEEPEST:
                    stack[-1].out[here.key] = _json_text(out)
        return whole.out

    def part(self, item: Any) -> Any:
        """The item as JSON if it has no items; else a `_Container`."""
        kind = type(item)
        if kind is str and len(item) <= self.left:
            self.left -= len(item)
            return item if item.isascii() else plain_text(item)
        if item is None or kind is bool:
            return item
        try:
            return self._simple(item)
        except Exception:  # noqa: BLE001  an application's own code, on any value
            return stand_in(item)

    def _simple(self, item: Any) -> Any:
        plain = item
        for _ in range(_MOST_STEPS):
            kind = type(plain)
            if kind is int:
                return self._integer(plain)
            if kind is float:
                return plain if isfinite(plain) else _not_finite(plain)
            if kind is str:
                return self._text(plain)
            if plain is None or kind is bool:
                return plain
            if id(kind) in _CONTAINERS:
                return self._opened(plain, kind)
            nearer = simpler(plain, kind)
            if self.home is not None and type(nearer) is dict and is_service(plain, kind, self.home):
                return stand_in(item)
            plain = nearer
        return stand_in(item)

    def _integer(self, number: int) -> Any:
        if number.bit_length() <= 64:
            return number
        text = self._text(hex(number))
        return number if -_INTEGERS_END < number < _INTEGERS_END and text[0] != "<" else text

    def _text(self, text: str) -> str:
        if len(text) > self.left:
            return stand_in(text, "too large")
        self.left -= len(text)
        return plain_text(text)

    def _opened(self, plain: Any, kind: type) -> Any:
        size = _CONTAINER_SIZE + _ITEM * len(plain)
        if size > self.left:
            return stand_in(plain, "too large")
        self.left -= size
        if kind is dict or kind is Pairs:
            plain_keys = kind is dict and self._are_leaves(list(plain), _TEXT)
            if plain_keys and self._are_leaves(list(plain.values()), _LEAVES):
                return dict(plain)
            return _Container(self._keyed(list(plain.items())), {})
        items = list(plain)
        is_set = kind is set or kind is frozenset
        if self._are_leaves(items, _LEAVES):
            return _sorted(items) if is_set else items
        return _Container(enumerate(items), [None] * len(items), is_set=is_set)

    def _are_leaves(self, items: list[Any], kinds: set[int]) -> bool:
        """Whether all are of these types and JSON already; a quick check, whose False is not certain."""
        if not items:
            return True
        types = map(type, items)
        first = next(types)
        # Most are of one type, and an id costs more than a comparison.
        found = {id(first)} if all(map(is_, types, repeat(first))) else set(map(id, map(type, items)))
        if not found <= kinds:
            return False
        if id(int) in found:
            integers = _of_type(int, items, found)
            if min(integers) <= -_WORD or max(integers) >= _WORD:
                return False
        if id(float) in found and not all(map(isfinite, _of_type(float, items, found))):
            return False
        if id(str) in found:
            texts = _of_type(str, items, found)
            size = sum(map(len, texts))
            if size > self.left or not all(map(str.isascii, texts)):
                return False
            self.left -= size
        return True

    def _keyed(self, pairs: list[tuple[Any, Any]]) -> Iterator[tuple[str, Any]]:
        """The pairs in order, their keys as texts, no two alike."""
        used: set[str] = set()
        for key, item in pairs:
            text = key if type(key) is str and key.isascii() else self._key(key)
            self.left -= len(text)
            number = len(used)
            name = text if self.left > 0 else str(number)
            while name in used:
                number += 1
                name = f"{text} ({number})"
            used.add(name)
            yield name, item

    def _key(self, key: Any) -> str:
        if key is None:
            return "None"
        if self.key_levels == 0:
            return stand_in(key)
        inner = _Conversion(min(max(self.left, 0), _LARGEST_KEY), self.key_levels - 1)
        plain = inner.of(key)
        return plain if isinstance(plain, str) else _json_text(plain)


def _not_finite(number: float) -> str:
    return "NaN" if number != number else "Infinity" if number > 0 else "-Infinity"


def _sorted(items: list[Any]) -> list[Any]:
    """The items in an order that is the same in every process, unlike that of a set of texts."""
    kinds = set(map(type, items))
    return sorted(items) if kinds in ({int}, {float}, {str}) else sorted(items, key=_json_text)


def _json_text(value: Any) -> str:
    """Compact JSON text, however deep the value is."""
    if not isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False)
    pieces: list[str] = []
    waiting: list[Any] = [value]  # containers, and texts that are JSON already; the next one last
    while waiting:
        item = waiting.pop()
        if isinstance(item, str):
            pieces.append(item)
        elif isinstance(item, dict):
            waiting.append("}")
            for n, (key, inner) in enumerate(reversed(item.items())):
                start = "{" if n == len(item) - 1 else ","
                waiting += [_rendered(inner), f"{start}{json.dumps(key, ensure_ascii=False)}:"]
            if not item:
                waiting.append("{")
        else:
            waiting.append("]")
            for n, inner in enumerate(reversed(item)):
                waiting += [_rendered(inner), "[" if n == len(item) - 1 else ","]
            if not item:
                waiting.append("[")
    return "".join(pieces)


def _rendered(inner: Any) -> Any:
    return inner if isinstance(inner, dict | list) else json.dumps(inner, ensure_ascii=False)
