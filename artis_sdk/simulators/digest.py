"""Digests of values: numbers that differ when a value has changed."""

from __future__ import annotations

from array import array
from collections import deque
from itertools import chain, count
from types import CellType, FunctionType
from typing import Any

from artis_sdk.simulators.libraries import is_installed, module_of
from artis_sdk.simulators.object_parts import ObjectParts, parts_of
from artis_sdk.tools import Toolset

_NODES = 10_000  # objects that a look digests; of the others it only counts the items
_DEPTH = 40
_BYTES = 1_000_000  # of an array
_ATOMS = (type(None), bool, int, float, complex, str, bytes)
_ATOM_IDS = frozenset(map(id, _ATOMS))  # a class of the application may compare and hash as it likes
_CONTAINERS = (dict, list, tuple, deque, set, frozenset)
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
        spent = self._left < 0 or depth > _DEPTH
        if issubclass(kind, _CONTAINERS):
            return hash((id(value), len(value) if spent else self._items(value, depth)))
        if issubclass(kind, bytearray):
            return hash(bytes(value))
        if issubclass(kind, str | bytes | int | float):
            return hash(value)
        if kind is count:
            return hash(repr(value))
        if kind is Toolset:  # itself it does not change, and its schemas are long
            return hash((id(value), *(self.digest(owner, depth + 1) for owner in value.owners)))
        if kind is array or kind.__module__ == "numpy":
            return hash((id(value), _bytes(value)))
        if kind is FunctionType:
            return hash((id(value), () if spent else self._items(tuple(kept_by(value).values()), depth)))
        parts = parts_of(kind)
        if spent or parts.is_opaque:
            return id(value)
        inner = (*self._lasting(value, parts), *parts.slots(value))
        return hash((id(value), self._items(inner, depth))) if inner else id(value)

    def _items(self, value: Any, depth: int) -> int:
        if isinstance(value, dict):
            return hash((*self._all([*chain.from_iterable([*dict.items(value)])], depth + 1),))
        parts = self._all([*value], depth + 1)
        return hash((*(sorted(parts) if isinstance(value, set | frozenset) else parts),))

    def _all(self, items: list[Any], depth: int) -> list[int]:
        """The digest of each, with fewer calls: most are atoms, and most containers hold nothing else."""
        kinds = [*map(type, items)]
        if _ATOM_IDS.issuperset(map(id, kinds)):
            return [hash((*kinds, *items))]
        return [
            hash((kind, item)) if id(kind) in _ATOM_IDS else self.digest(item, depth)
            for kind, item in zip(kinds, items, strict=True)
        ]

    def _lasting(self, value: object, parts: ObjectParts) -> tuple[Any, ...]:
        """The names and values of an object, without what was computed since the earlier look."""
        attributes = parts.dictionary(value)
        absent = parts.computed - attributes.keys()
        if absent:
            self._absent[id(value)] = absent
        ignored = self._ignored.get(id(value), ())
        kept = [(name, each) for name, each in list(attributes.items()) if name not in ignored]
        return (*chain.from_iterable(kept),)


def kept_by(function: FunctionType) -> dict[str, Any]:
    """By name, what a function of the application keeps in its closure and its attributes; nothing of a
    library's."""
    if "__guarded_tool__" in vars(function):
        return kept_by(function.__wrapped__)  # type: ignore[attr-defined]
    if is_installed(module_of(function)):
        return {}
    cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
    kept = {name: cell.cell_contents for name, cell in cells if cell != _EMPTY}
    return kept | {name: value for name, value in vars(function).items() if not name.startswith("__")}


def _bytes(value: Any) -> int:
    """The hash of an array's content; of a large one's, its size."""
    try:
        view = memoryview(value)
    except (TypeError, ValueError, BufferError):  # an array of objects or dates
        return id(value)
    return hash(view.tobytes()) if view.nbytes <= _BYTES else view.nbytes
