"""The plainer value that represents a Python object in JSON; see `jsonable`.

Hostile classes are read through `type` itself: their properties, `__getattribute__` and `__class__`
do not run. Only application code written for this runs: a model's serializer, a mapping's and a
sequence's items, a number's value, an exception's text, a time zone.
"""

from __future__ import annotations

import base64
import dataclasses
import operator
import re
from collections import OrderedDict
from collections.abc import Collection, Iterator, Mapping, Sequence, ValuesView
from collections.abc import Set as AbstractSet
from contextlib import suppress
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from itertools import islice
from numbers import Integral, Real
from pathlib import PurePath
from types import (
    BuiltinFunctionType,
    FunctionType,
    GetSetDescriptorType,
    MappingProxyType,
    MemberDescriptorType,
    MethodType,
)
from typing import Any
from uuid import UUID

from pydantic import AnyUrl, Secret, SecretBytes, SecretStr
from pydantic_core import PydanticSerializationError, SchemaSerializer, to_jsonable_python

from artis_sdk.errors import ToolFailure
from artis_sdk.records.array_forms import array_form, table_form, tensor_form

_MOST_ITEMS = 1_000_000  # of an application's own container, which may be endless

_KNOWN_TO_PYDANTIC = (
    date, time, timedelta, Decimal, Fraction, complex, UUID, re.Pattern,
    IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network,
    AnyUrl, Secret, SecretStr, SecretBytes,
)  # fmt: skip
BASE_64 = "data:application/octet-stream;base64,"
"""What stands in front of bytes that are no UTF-8 text."""
_NAMED = (FunctionType, BuiltinFunctionType, MethodType)

_name_of = type.__dict__["__name__"].__get__
_qualified_name_of = type.__dict__["__qualname__"].__get__
_module_of = type.__dict__["__module__"].__get__
_bases_of = type.__dict__["__mro__"].__get__
_namespace_of = type.__dict__["__dict__"].__get__


class Pairs(list[tuple[Any, Any]]):
    """The pairs of a mapping, whose keys need not be hashed for it."""

    def items(self) -> list[tuple[Any, Any]]:
        """As a dict's."""
        return self


def plain_text(text: str) -> str:
    """The text, with escapes for half surrogate pairs, which no encoder accepts."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace").decode()
    return text


def stand_in(value: Any, why: str = "") -> str:
    """`<its type>`, for a value without JSON."""
    return f"<{type_name(value)}{', ' if why else ''}{why}>"


def public_attributes(value: Any) -> dict[str, Any]:
    """An object's own public attributes, unconverted, as stored: no property runs."""
    return {name: item for name, item in stored_attributes(value).items() if not name.startswith("_")}


def inherits(kind: type, *classes: type) -> bool:
    """Whether a class is or inherits one of these; nothing of a metaclass or an abstract class runs."""
    return any(base is known for base in _bases_of(kind) for known in classes)


def class_attribute(kind: type, name: str) -> Any:
    """A class's attribute from its namespaces, or None; nothing of a metaclass runs."""
    return next((found for base in _bases_of(kind) if (found := _namespace_of(base).get(name))), None)


def stored_attributes(value: Any) -> dict[str, Any]:
    """All that an object itself holds, by name: its `__dict__` and its slots."""
    found: dict[str, Any] = {}
    for base in _bases_of(type(value)):
        namespace = _namespace_of(base)
        holder = namespace.get("__dict__")
        if issubclass(type(holder), GetSetDescriptorType | MemberDescriptorType):
            held = holder.__get__(value)  # of a class it is a read-only view
            items = MappingProxyType.items(held) if type(held) is MappingProxyType else dict.items(held)
            found.update((name, item) for name, item in items if type(name) is str)
    for base in _bases_of(type(value)):
        for name, slot in () if base is object else _namespace_of(base).items():
            if type(slot) is MemberDescriptorType and name not in found and name != "__dict__":
                try:
                    found[name] = slot.__get__(value)
                except AttributeError:  # not set
                    continue
    return found


def module_of(kind: type) -> str:
    """The name of a class's module; nothing of a metaclass runs."""
    return str(_module_of(kind))


def type_name(value: object) -> str:
    """The name of its class; nothing of a metaclass runs."""
    return plain_text(_name_of(type(value)))


def message_of(error: BaseException) -> str:
    """The text of an exception; empty if making it raises."""
    try:
        said: object = error.message if isinstance(error, ToolFailure) else error
        return plain_text(str.__str__(str(said)))
    except Exception:  # noqa: BLE001  an application's own `__str__`
        return ""


def simpler(value: Any, kind: type) -> Any:
    """A value that is nearer to JSON, or `<its type>`.

    Args:
        value: a value of a type that JSON lacks.
        kind: its type.

    Raises:
        Exception: raised by the value's own code.
    """
    builtin = _of_builtin(value, kind)
    if builtin is not value:
        return builtin
    parts = {module_of(base).partition(".")[0] for base in _bases_of(kind)}
    for library, form in (("numpy", array_form), ("pandas", table_form), ("torch", tensor_form)):
        if library in parts and (found := form(value, kind)) is not value:
            return found
    if issubclass(kind, PurePath):  # of which pydantic knows only those of this system
        return PurePath.__str__(value)
    if issubclass(kind, _KNOWN_TO_PYDANTIC):
        return to_jsonable_python(value)
    declared = _declared(value, kind)
    if declared is not None:
        return declared
    if issubclass(kind, BaseException):
        return f"{type_name(value)}: {message_of(value)}"
    if issubclass(kind, type):
        return f"<{plain_text(_qualified_name_of(value))}>"
    if issubclass(kind, _NAMED):
        return f"<{plain_text(value.__qualname__)}>"
    if issubclass(kind, Iterator) or (callable(value) and not issubclass(kind, Collection)):
        return stand_in(value)  # reading an iterator would use it up for its owner
    if issubclass(kind, Integral):
        return operator.index(value)
    if issubclass(kind, Real):
        return float(value)
    return _contents(value, kind)


def _of_builtin(value: Any, kind: type) -> Any:
    """The plain value of an enum's member and of a subclass of a built-in type; else the value itself."""
    if issubclass(kind, Enum):
        return stored_attributes(value)["_value_"]
    if issubclass(kind, str):
        return str.__str__(value)
    if issubclass(kind, int):
        return int.__index__(value)
    if issubclass(kind, float):
        return float.__float__(value)
    if issubclass(kind, bytes | bytearray | memoryview):
        return _of_bytes(memoryview(value).tobytes())
    if kind is OrderedDict:
        return Pairs(OrderedDict.items(value))
    if issubclass(kind, dict):
        return Pairs(dict.items(value))
    if issubclass(kind, list):
        return list.copy(value)
    if issubclass(kind, tuple):
        return list(tuple.__iter__(value))
    if issubclass(kind, set):
        return set(set.__iter__(value))
    if issubclass(kind, frozenset):
        return frozenset(frozenset.__iter__(value))
    return value


def _of_bytes(data: bytes) -> str:
    """As text, else in base 64; a text that reads like base 64 is written in it, too, to be given back."""
    with suppress(UnicodeDecodeError):
        text = data.decode()
        if not text.startswith(BASE_64):
            return text
    return BASE_64 + base64.b64encode(data).decode()


def _declared(value: Any, kind: type) -> Any:
    """The fields of a pydantic model or a dataclass; None for anything else."""
    serializer = class_attribute(kind, "__pydantic_serializer__")
    if isinstance(serializer, SchemaSerializer):
        return _of_model(value, kind, serializer)
    if class_attribute(kind, "__dataclass_fields__") is None:
        return None
    stored = stored_attributes(value)
    return {field.name: stored[field.name] for field in dataclasses.fields(kind) if field.name in stored}


def _of_model(value: Any, kind: type, serializer: SchemaSerializer) -> Any:
    """JSON by the model's own serializer; if an odd value prevents that, field by field."""
    stored = stored_attributes(value)
    reads_up = any(issubclass(type(item), Iterator) for item in stored.values())
    for mode in ("python",) if reads_up else ("json", "python"):
        try:
            return serializer.to_python(value, mode=mode, by_alias=True, warnings=False)
        except (PydanticSerializationError, ValueError, RecursionError, TypeError):
            continue
    fields = class_attribute(kind, "__pydantic_fields__") or {}
    shown = {name for name, field in fields.items() if not field.exclude}
    return {name: item for name, item in stored.items() if name in shown}


def _contents(value: Any, kind: type) -> Any:
    """The items of a mapping, a sequence or a set; else public attributes; else a number's value."""
    if issubclass(kind, Mapping) or (class_attribute(kind, "keys") and class_attribute(kind, "__getitem__")):
        keys = list(islice(iter(value.keys()), _MOST_ITEMS + 1))
        if len(keys) > _MOST_ITEMS:
            return stand_in(value, "too large")
        return Pairs([(key, value[key]) for key in keys])
    if kind is range and len(value) > _MOST_ITEMS:
        return repr(value)
    if issubclass(kind, Sequence | AbstractSet | ValuesView):
        items = list(islice(iter(value), _MOST_ITEMS + 1))
        return stand_in(value, "too large") if len(items) > _MOST_ITEMS else items
    attributes = public_attributes(value)
    if attributes:
        return attributes
    if class_attribute(kind, "__index__") is not None:
        return operator.index(value)
    return float(value) if class_attribute(kind, "__float__") is not None else stand_in(value)
