"""Values computed once for each object, by the identity of the object."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Remembered(Generic[T]):
    """A function whose results are remembered by the identity of its argument, which does not change.

    For arguments that are costly to hash or compare, such as frozen records.

    Args:
        compute: the function.
        most: results that are kept at once; more only cost their computation again.
    """

    def __init__(self, compute: Callable[[Any], T], most: int) -> None:
        self._compute = compute
        self._most = most
        self._known: dict[int, tuple[Any, T]] = {}  # holds the argument, so that its id stays its own

    def forget(self) -> None:
        """Compute everything again."""
        self._known.clear()

    def __call__(self, value: Any) -> T:
        known = self._known.get(id(value))
        if known is not None:
            return known[1]
        if len(self._known) >= self._most:
            self._known.clear()
        found = self._compute(value)
        self._known[id(value)] = (value, found)
        return found
