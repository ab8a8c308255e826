"""Any Python value as JSON: what records, logs and prompts hold of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic_core import PydanticSerializationError, to_jsonable_python


def jsonable(value: Any) -> Any:
    """The value as JSON types.

    Objects that pydantic does not know are their public attributes, else `<their type>`: never a
    `repr`, whose address would differ between runs. Where a value refers back to itself, as a child to
    its parent, it stands there as `<its type>`; so does the whole of one that nests too deep.
    """
    if value is None or type(value) in _PLAIN:
        return value
    if isinstance(value, Iterator):  # reading it here would take it from whoever owns it
        return f"<{type(value).__name__}>"
    try:
        return to_jsonable_python(value, fallback=public_attributes)
    except (PydanticSerializationError, ValueError, RecursionError):
        pass
    try:
        return _without_cycles(value, ())
    except (PydanticSerializationError, ValueError, RecursionError):
        return f"<{type(value).__name__}>"


def _without_cycles(value: Any, above: tuple[int, ...]) -> Any:
    """The value as JSON types, with `<its type>` for each of the objects that it is part of.

    Args:
        above: their ids, outermost first.
    """
    if value is None or type(value) in _PLAIN:
        return value
    if id(value) in above:
        return f"<{type(value).__name__}>"
    if len(above) >= _DEEPEST:
        raise RecursionError
    inner = (*above, id(value))
    if not isinstance(value, dict | list | tuple | set | frozenset):
        attributes = public_attributes(value)
        if not isinstance(attributes, dict):  # a date, a path, or nothing to show
            return to_jsonable_python(value, fallback=public_attributes)
        value = attributes
    if isinstance(value, dict):
        keys: dict[str, Any] = to_jsonable_python(dict.fromkeys(value))
        return {key: _without_cycles(item, inner) for key, item in zip(keys, value.values(), strict=True)}
    return [_without_cycles(item, inner) for item in value]


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
_DEEPEST = 100  # objects inside one another, where some refer back
