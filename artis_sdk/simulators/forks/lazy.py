"""Large trees, copied as they are used: a fork of 50 MB in milliseconds.

A dictionary or list with many rows becomes one whose rows are copied when they are first read; the rest
of the tree is copied at once. Rows that have not been read are not in it yet: C code that reads past its
methods finds placeholders, never the original.
"""

from __future__ import annotations

import copy
import datetime
from collections import deque
from collections.abc import ItemsView, Iterable, Iterator, ValuesView
from decimal import Decimal
from typing import Any, NoReturn, SupportsIndex
from uuid import UUID

from pydantic_core import SchemaSerializer, core_schema

from artis_sdk.simulators.collection import no_collection
from artis_sdk.simulators.forks.making import attempt, vouch
from artis_sdk.simulators.seal import refusal

_MANY = 64  # rows from which on they are copied one by one
_PLAIN = frozenset(
    {type(None), bool, int, float, complex, str, bytes, Decimal, UUID, datetime.date, datetime.datetime,
     datetime.time, datetime.timedelta}
)  # fmt: skip


def copy_on_write(tree: Any) -> Any:
    """A copy of a tree of dictionaries, lists and objects such as pydantic models.

    A dictionary or list with 64 rows or more becomes a subclass that copies a row when it is first
    read; a body that reads all rows copies all. The tree itself must not be changed while attempts
    run: rows not copied yet would be copied with the changes. The subclass is a `dict`, and
    `type(x) is dict` is false. `json`, `pickle` and `copy` work, and a tool may return it. C code that
    reads it past its methods is refused (`heapq`; pydantic's validation of the whole, and `model_dump`
    of the model that holds it) or fails (`orjson`).

    Args:
        tree: any value; as a fork of a whole object, the object.
    """
    with attempt() as making:
        memo = making.memo
        with no_collection():
            for rows in _large(tree):
                memo[id(rows)] = lazy = _lazy(rows, memo)
                vouch(rows, lazy)
        return copy.deepcopy(tree, memo)


def _large(tree: Any) -> Iterator[dict[Any, Any] | list[Any]]:
    """The large dictionaries and lists of a tree, without those inside their rows."""
    waiting, seen = deque([tree]), {id(tree)}
    while waiting:
        value = waiting.popleft()
        if type(value) in (dict, list):
            if len(value) >= _MANY:
                yield value
                continue
            inner: Iterable[Any] = value.values() if type(value) is dict else value
        elif type(value) in (tuple, set, frozenset):
            inner = value
        else:
            attributes = getattr(value, "__dict__", None)
            inner = attributes.values() if type(attributes) is dict else ()
        for one in inner:
            if type(one) not in _PLAIN and id(one) not in seen:
                seen.add(id(one))
                waiting.append(one)


def _lazy(rows: Any, memo: dict[int, Any]) -> Any:
    values = rows.values() if type(rows) is dict else rows
    if _PLAIN.issuperset(map(type, values)):
        return rows.copy()
    if type(rows) is dict:
        return LazyDict(zip(rows, map(NotCopied, values), strict=True), memo)
    return LazyList(map(NotCopied, rows), memo)


class NotCopied:
    """Placeholder for a row that has not been copied yet; refuses every use by a body."""

    __slots__ = ("_original",)

    # Its JSON form is read from the original, which reading does not change.
    __pydantic_serializer__ = SchemaSerializer(
        core_schema.any_schema(
            serialization=core_schema.plain_serializer_function_ser_schema(lambda row: row._original)
        )
    )

    def __init__(self, original: Any) -> None:
        self._original = original

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        self._refuse()

    def _refuse(self, *_: Any) -> NoReturn:
        raise refusal(
            "reading a row that is copied on write past its dictionary's or list's methods",
            "C code has read it directly (heapq, or a pydantic model made of it). Give the object a fork "
            "without forks.copy_on_write, or take the rows out one by one",
        )

    __getitem__ = __setitem__ = __delitem__ = __iter__ = __len__ = __contains__ = __call__ = _refuse
    __eq__ = __lt__ = __le__ = __gt__ = __ge__ = __bool__ = __repr__ = __str__ = _refuse
    __hash__ = _refuse


class LazyDict(dict[Any, Any]):
    """A dictionary whose values are copied when they are taken out."""

    __slots__ = ("_memo",)

    def __init__(self, rows: Any = (), memo: dict[int, Any] | None = None) -> None:
        super().__init__(rows)
        self._memo = {} if memo is None else memo

    def __getitem__(self, key: Any) -> Any:
        value = super().__getitem__(key)
        if type(value) is NotCopied:
            value = copy.deepcopy(value._original, self._memo)
            super().__setitem__(key, value)
        return value

    def _all(self) -> LazyDict:
        for key in list(self):
            self[key]
        return self

    def __iter__(self) -> Iterator[Any]:  # without this, C code would read the original list directly
        return super().__iter__()

    def get(self, key: Any, default: Any = None) -> Any:
        return self[key] if key in self else default  # noqa: SIM401  this is what that calls

    def setdefault(self, key: Any, default: Any = None) -> Any:
        return self[key] if key in self else super().setdefault(key, default)

    def pop(self, key: Any, *default: Any) -> Any:
        if key in self:
            self[key]
        return super().pop(key, *default)

    def popitem(self) -> tuple[Any, Any]:
        for key in reversed(self):
            self[key]
            break
        return super().popitem()

    def values(self) -> Any:
        return ValuesView(self)

    def items(self) -> Any:
        return ItemsView(self)

    def copy(self) -> dict[Any, Any]:
        return dict(self.items())

    def __eq__(self, other: object) -> bool:
        return dict.__eq__(self._all(), other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = None

    def __or__(self, other: Any) -> Any:
        return self.copy() | other

    def __ror__(self, other: Any) -> Any:
        return other | self.copy()

    def __repr__(self) -> str:
        return repr(self.copy())

    def __reduce_ex__(self, protocol: SupportsIndex) -> Any:
        return dict, (self.copy(),)

    def __deepcopy__(self, memo: dict[int, Any]) -> dict[Any, Any]:
        made = memo[id(self)] = dict[Any, Any]()
        for key, value in self.items():
            made[copy.deepcopy(key, memo)] = copy.deepcopy(value, memo)
        return made


class LazyList(list[Any]):
    """A list whose items are copied when they are taken out."""

    __slots__ = ("_memo",)

    def __init__(self, rows: Iterable[Any] = (), memo: dict[int, Any] | None = None) -> None:
        super().__init__(rows)
        self._memo = {} if memo is None else memo

    def _at(self, index: SupportsIndex) -> Any:
        value = super().__getitem__(index)
        if type(value) is NotCopied:
            value = copy.deepcopy(value._original, self._memo)
            super().__setitem__(index, value)
        return value

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self._at(i) for i in range(*index.indices(len(self)))]
        return self._at(index)

    def _all(self) -> LazyList:
        for index in range(len(self)):
            self._at(index)
        return self

    def __iter__(self) -> Iterator[Any]:
        index = 0
        while index < len(self):  # it may grow meanwhile, as with any list
            yield self._at(index)
            index += 1

    def __reversed__(self) -> Iterator[Any]:
        for index in range(len(self) - 1, -1, -1):
            yield self._at(index)

    def pop(self, index: SupportsIndex = -1) -> Any:
        if -len(self) <= index.__index__() < len(self):
            self._at(index)
        return super().pop(index)

    def remove(self, value: Any) -> None:
        list.remove(self._all(), value)

    def index(self, value: Any, *within: Any) -> int:
        return list.index(self._all(), value, *within)

    def count(self, value: Any) -> int:
        return list.count(self._all(), value)

    def sort(self, **how: Any) -> None:
        list.sort(self._all(), **how)

    def copy(self) -> list[Any]:
        return list(self)

    def __contains__(self, value: object) -> bool:
        return list.__contains__(self._all(), value)

    def __eq__(self, other: object) -> bool:
        return list.__eq__(self._all(), other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = None

    def __lt__(self, other: list[Any]) -> bool:
        return self.copy() < other

    def __le__(self, other: list[Any]) -> bool:
        return self.copy() <= other

    def __gt__(self, other: list[Any]) -> bool:
        return self.copy() > other

    def __ge__(self, other: list[Any]) -> bool:
        return self.copy() >= other

    def __add__(self, other: Any) -> Any:
        return self.copy() + other

    def __radd__(self, other: Any) -> Any:
        return other + self.copy()

    def __mul__(self, times: SupportsIndex) -> list[Any]:
        return self.copy() * times

    __rmul__ = __mul__

    def __imul__(self, times: SupportsIndex) -> Any:
        list.__imul__(self._all(), times)
        return self

    def __repr__(self) -> str:
        return repr(self.copy())

    def __reduce_ex__(self, protocol: SupportsIndex) -> Any:
        return list, (self.copy(),)

    def __deepcopy__(self, memo: dict[int, Any]) -> list[Any]:
        made = memo[id(self)] = list[Any]()
        made.extend(copy.deepcopy(value, memo) for value in self)
        return made
