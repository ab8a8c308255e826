"""Whether an object has the members of a Protocol."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
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
    for name, is_method in _members(protocol):
        if (is_method and getattr(value, name, None) is None) or not hasattr(value, name):
            return False
    return True


@cache
def _members(protocol: Any) -> tuple[tuple[str, bool], ...]:
    """The names of a Protocol's members, each with whether it is a method."""
    names = sorted(get_protocol_members(protocol))
    return tuple((name, callable(getattr(protocol, name, None))) for name in names)
