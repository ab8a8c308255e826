"""Any Python value as JSON: what records, logs and prompts hold of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic_core import PydanticSerializationError, to_jsonable_python


def jsonable(value: Any) -> Any:
    """The value as JSON types.

    Objects that pydantic does not know are their public attributes, else `<their type>`: never a
    `repr`, whose address would differ between runs. A value that refers to itself is `<its type>`.
    """
    if value is None or type(value) in _PLAIN:
        return value
    if isinstance(value, Iterator):  # reading it here would take it from whoever owns it
        return f"<{type(value).__name__}>"
    try:
        return to_jsonable_python(value, fallback=public_attributes)
    except (PydanticSerializationError, ValueError, RecursionError):
        return f"<{type(value).__name__}>"


def public_attributes(value: Any) -> Any:
    """An object's own public attributes, unconverted; a number of any kind is a float; `<its type>`
    when there is nothing to show."""
    if hasattr(type(value), "__float__"):  # Fraction, mpmath's and numpy's numbers
        return float(value)
    if isinstance(value, type) or callable(value):
        return f"<{getattr(value, '__qualname__', type(value).__name__)}>"
    attributes = dict(getattr(value, "__dict__", {}))
    for name in _slots(type(value)):
        if hasattr(value, name):
            attributes.setdefault(name, getattr(value, name))
    public = {name: item for name, item in attributes.items() if not name.startswith("_")}
    return public or f"<{type(value).__name__}>"


def _slots(cls: type) -> list[str]:
    found: list[str] = []
    for base in cls.__mro__:
        slots = base.__dict__.get("__slots__", ())
        found.extend((slots,) if isinstance(slots, str) else slots)
    return found


_PLAIN = (str, int, float, bool)
