"""The results that `functools.cache` and `lru_cache` keep: a body's are taken back, since real calls would be
answered with them."""

from __future__ import annotations

import datetime
import gc
import re
import uuid
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from functools import cache
from pathlib import PurePath
from types import FunctionType
from typing import Any, TypeGuard
from weakref import WeakKeyDictionary

from artis_sdk.simulators.object_parts import parts_of
from artis_sdk.simulators.shared import is_frozen

Cached = type(cache(len))
_LINK = "_lru_list_elem"
_MANY = 1_000  # results that are listed before a body
_DATA = (
    *(str, bytes, int, float, complex, type(None), type, FunctionType, Enum, Decimal, Fraction),
    *(datetime.date, datetime.time, datetime.timedelta, datetime.tzinfo, uuid.UUID, PurePath, re.Pattern),
)

_clears: WeakKeyDictionary[Any, int] = WeakKeyDictionary()
"""How often a cache was cleared here."""


def is_cached(value: Any) -> TypeGuard[Any]:
    """Whether a value is a function whose results are kept."""
    return type(value) is Cached


class CachedResults:
    """The results of one function as they are now.

    Args:
        function: a function under `functools.cache` or `lru_cache`.
    """

    def __init__(self, function: Any) -> None:
        self._function = function
        info = function.cache_info()
        self._misses, self._hits, self._size = info.misses, info.hits, info.currsize
        self._clears = _clears.get(function, 0)
        self.results: list[Any] = _results(function) if 0 < info.currsize <= _MANY else []
        """The objects, which a body may change; none of a cache with very many."""

    def forget_new(self) -> bool:
        """Forget the results that came since. The whole cache is cleared, which costs time alone, unless it
        holds objects that are known elsewhere.

        Returns:
            False if that cannot be: the cache had results before, and some are objects and not data, or the
            body has cleared it.
        """
        info = self._function.cache_info()
        if _clears.get(self._function, 0) == self._clears:
            if info.misses < self._misses or info.hits < self._hits or self._is_cleared(info.maxsize):
                return False
            if info.misses == self._misses:
                return True
            if self._size and not all(map(_is_data, _results(self._function))):
                return False
        # else another body's results were forgotten meanwhile: what is there came since
        self._function.cache_clear()
        _clears[self._function] = _clears.get(self._function, 0) + 1
        return True

    def _is_cleared(self, maxsize: int | None) -> bool:
        """Whether results are gone that need not have made room."""
        if not self.results or (maxsize is not None and self._size == maxsize):
            return False
        return not {*map(id, self.results)} <= {*map(id, _results(self._function))}


def _results(function: Any) -> list[Any]:
    """CPython shows a cache to its garbage collector alone: a dictionary of results, or a list of keys and
    results, each pair followed by the type of its link."""
    shown = gc.get_referents(function)
    kept = next(each for each in shown if type(each) is dict and each is not vars(function))
    if not any(type(each).__name__ == _LINK for each in kept.values()):
        return [*kept.values()]
    links = [n for n, each in enumerate(shown) if isinstance(each, type) and each.__name__ == _LINK]
    return [shown[n - 1] for n in links[: len(kept)]]


def _is_data(value: Any) -> bool:
    if isinstance(value, tuple | frozenset):
        return all(map(_is_data, value))
    if is_frozen(type(value)):
        return all(_is_data(each) for _, each in parts_of(type(value)).attributes(value))
    return isinstance(value, _DATA)
