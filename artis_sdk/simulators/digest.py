"""Digests of values: numbers that differ when a value has changed."""

from __future__ import annotations

from array import array
from collections import deque
from io import BytesIO, StringIO
from itertools import chain, count, cycle
from types import FunctionType
from typing import Any
from warnings import catch_warnings, simplefilter

from artis_sdk.simulators.libraries import is_installed, module_of, module_of_class
from artis_sdk.simulators.object_parts import ObjectParts, parts_of
from artis_sdk.tools import Toolset
from artis_sdk.tools.closures import closed_over

_NODES = 10_000  # objects of a look, ten atoms counting as one; of a container beyond it only the length
_DEPTH = 40
_BYTES = 1_000_000  # of an array
_ATOMS = (type(None), bool, int, float, complex, str, bytes)
_ATOM_IDS = frozenset(map(id, _ATOMS))  # a class of the application may compare and hash as it likes
_CONTAINERS = (dict, list, tuple, deque, set, frozenset)
_PLAIN = (str, bytes, int, float)


class Look:
    """One look at values, within a budget of objects.

    Args:
        earlier: the look before a body ran. An attribute that its class has computed since, as
            `functools.cached_property` does, is no change.
    """

    def __init__(self, earlier: Look | None = None) -> None:
        self._left = _NODES
        self._absent: dict[int, frozenset[str]] = {}
        """By the id of an object, the attributes that its class would compute and has not."""
        self._ignored = {} if earlier is None else earlier._absent

    def digest(self, value: Any, depth: int = 0) -> int:
        """A number that differs when the value has changed."""
        kind = type(value)
        if id(kind) in _ATOM_IDS:
            return hash((kind, value))
        self._left -= 1
        for plain in _PLAIN:
            if issubclass(kind, plain):
                return plain.__hash__(value)
        if kind is count:
            return hash(repr(value))
        if kind is cycle:
            return hash(_place(value))
        if kind is Toolset:  # itself it does not change, and its schemas are long
            return hash((id(value), *(self.digest(owner, depth + 1) for owner in value.owners)))
        if issubclass(kind, (array, bytearray, StringIO, BytesIO)) or module_of_class(kind) == "numpy":
            return hash((id(value), _bytes(value)))
        if kind is FunctionType:
            return hash((id(value), self._items([*kept_by(value).values()], depth)))
        base = next((base for base in _CONTAINERS if issubclass(kind, base)), None)
        held = 0 if base is None else self._contained(value, base, depth)
        if kind is base:
            return hash((id(value), held))
        parts = parts_of(kind)
        if parts.is_opaque:
            return id(value)
        return hash((id(value), held, self._items(self._lasting(value, parts), depth)))

    def _contained(self, value: Any, base: Any, depth: int) -> int:
        number = base.__len__(value)
        if number > 10 * self._left:
            return hash(number)
        if base is dict:
            return self._items([*chain.from_iterable(dict.items(value))], depth)
        parts = self._parts([*base.__iter__(value)], depth)
        return hash((*(sorted(parts) if base in (set, frozenset) else parts),))

    def _items(self, items: list[Any], depth: int) -> int:
        return hash((*self._parts(items, depth),))

    def _parts(self, items: list[Any], depth: int) -> list[int]:
        """The digest of each; their number alone once the budget is spent."""
        if len(items) > 10 * self._left or depth >= _DEPTH:
            return [len(items)]
        self._left -= len(items) // 10
        return [
            hash((type(item), item)) if id(type(item)) in _ATOM_IDS else self.digest(item, depth + 1)
            for item in items
        ]

    def _lasting(self, value: object, parts: ObjectParts) -> list[Any]:
        """The names and values of an object, without what was computed since the earlier look."""
        attributes = parts.attributes(value)
        absent = parts.not_computed(attributes)
        if absent:
            self._absent[id(value)] = absent
        ignored = self._ignored.get(id(value), ())
        return [part for pair in attributes if pair[0] not in ignored for part in pair]


def kept_by(function: FunctionType) -> dict[str, Any]:
    """By name, what a function of the application keeps in its closure and its attributes; of a library's
    wrapper only its cache, as `cachetools.cached` has one."""
    if "__guarded_tool__" in vars(function):
        return kept_by(function.__wrapped__)  # type: ignore[attr-defined]
    kept = closed_over(function)
    if is_installed(module_of(function)):
        return {name: value for name, value in (kept | vars(function)).items() if name == "cache"}
    return kept | {name: value for name, value in vars(function).items() if not name.startswith("__")}


def _place(value: cycle[Any]) -> object:
    """Where a cycle is. From Python 3.14 on nothing tells, and on 3.13 what tells it warns of that."""
    if not hasattr(value, "__setstate__"):
        return id(value)
    with catch_warnings():
        simplefilter("ignore", DeprecationWarning)
        return repr(value.__reduce__())


def _bytes(value: Any) -> int:
    """The hash of an array's content; of a large one's, its size."""
    if isinstance(value, StringIO | BytesIO):
        return id(value) if value.closed else hash((value.tell(), value.getvalue()))
    try:
        view = memoryview(value)
    except (TypeError, ValueError, BufferError):  # an array of objects or dates
        return id(value)
    return hash(view.tobytes()) if view.nbytes <= _BYTES else view.nbytes
