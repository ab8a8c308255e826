"""Digests of values: numbers that differ when a value has changed."""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Iterable
from io import BytesIO, StringIO
from itertools import chain, count, cycle
from types import CellType, FunctionType
from typing import Any

from artis_sdk.simulators.libraries import is_installed, module_of, module_of_class
from artis_sdk.simulators.object_parts import ObjectParts, parts_of
from artis_sdk.tools import Toolset

_NODES = (
    10_000  # objects that a look digests, an atom counting a tenth; of the others it only counts the items
)
_DEPTH = 40
_BYTES = 1_000_000  # of an array
_ATOMS = (type(None), bool, int, float, complex, str, bytes)
_ATOM_IDS = frozenset(map(id, _ATOMS))  # a class of the application may compare and hash as it likes
_CONTAINERS = (dict, list, tuple, deque, set, frozenset)
_PLAIN = (str, bytes, int, float)
_EMPTY = CellType()


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
        if kind is count or kind is cycle:
            return hash(repr(value.__reduce__()))
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
        if base is dict:
            return self._items(chain.from_iterable(dict.items(value)), depth, 2 * dict.__len__(value))
        parts = self._parts(base.__iter__(value), depth, base.__len__(value))
        return hash((*(sorted(parts) if base in (set, frozenset) else parts),))

    def _items(self, items: Iterable[Any], depth: int, number: int | None = None) -> int:
        return hash((*self._parts(items, depth, number),))

    def _parts(self, items: Iterable[Any], depth: int, number: int | None = None) -> list[int]:
        """The digest of each; the number of items alone once the budget is spent."""
        listed = [*items] if number is None else None
        number = len(listed) if listed is not None else number
        assert number is not None
        if number > 10 * self._left or depth >= _DEPTH:
            return [number]
        self._left -= number // 10
        return [
            hash((type(item), item)) if id(type(item)) in _ATOM_IDS else self.digest(item, depth + 1)
            for item in (items if listed is None else listed)
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
    cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
    kept = {name: cell.cell_contents for name, cell in cells if cell != _EMPTY}
    if is_installed(module_of(function)):
        return {name: value for name, value in (kept | vars(function)).items() if name == "cache"}
    return kept | {name: value for name, value in vars(function).items() if not name.startswith("__")}


def _bytes(value: Any) -> int:
    """The hash of an array's content; of a large one's, its size."""
    if isinstance(value, StringIO | BytesIO):
        return id(value) if value.closed else hash((value.tell(), value.getvalue()))
    try:
        view = memoryview(value)
    except (TypeError, ValueError, BufferError):  # an array of objects or dates
        return id(value)
    return hash(view.tobytes()) if view.nbytes <= _BYTES else view.nbytes
