"""Whether an object has the members of a Protocol."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import repeat
from operator import is_not
from typing import Any, TypeVar

from typing_extensions import TypeIs, get_protocol_members

T = TypeVar("T")


def fits(value: object, protocol: Callable[..., T]) -> TypeIs[T]:
    """As `isinstance`, which lists the members of a Protocol anew for each object.

    Args:
        value: any object.
        protocol: a Protocol that can be checked at run time; typed so that mypy takes an abstract one.
    """
    if protocol in type(value).__mro__:
        return True
    fields, methods = _members(protocol)
    found = map(getattr, repeat(value), methods, repeat(None))
    return all(map(is_not, found, repeat(None))) and all(map(hasattr, repeat(value), fields))


@cache
def _members(protocol: Any) -> tuple[list[str], list[str]]:
    """The names of a Protocol's fields, and of its methods."""
    names = sorted(get_protocol_members(protocol))
    methods = [name for name in names if callable(getattr(protocol, name, None))]
    return [name for name in names if name not in methods], methods
