"""Values of the interpreter from a logged state, from objects and from a module's constants; and back."""

from __future__ import annotations

import sys
from abc import ABC
from collections.abc import Mapping
from contextlib import suppress
from enum import Enum
from types import MemberDescriptorType
from typing import Any, Final, Generic

from artis_sdk.simulators.interpreter.hints import Hint, fields_of
from artis_sdk.simulators.interpreter.values import (
    CannotTell,
    Hole,
    Member,
    Record,
    StoredDict,
    StoredList,
    body_of,
    is_a,
    mro_of,
    name_of,
    own_method,
    plain,
)

_MOST: Final = 200_000  # values of one state


class Lift:
    """Makes the values of one state; they share nothing with it.

    Raises:
        CannotTell: there are too many.
    """

    def __init__(self) -> None:
        self._made = 0
        self._seen: dict[int, Any] = {}
        self._kept: list[Any] = []

    def _count(self) -> None:
        self._made += 1
        if self._made > _MOST:
            raise CannotTell("the state is too large")

    def stored(self, value: Any, hint: Hint | None) -> Any:
        """A JSON value of the state.

        Args:
            value: JSON.
            hint: its annotation, if the source has one.
        """
        self._count()
        if hint is not None and hint.cls is not None:
            made = self._instance(value, hint.cls)
            if made is not None:
                return made
        if isinstance(value, dict):
            items = {k: self.stored(v, hint.item if hint else None) for k, v in value.items()}
            if hint is None or hint.kind is not dict:
                return StoredDict(items)
            if hint.key is int:
                return {_integer(key): item for key, item in items.items()}
            return items if hint.key is str else StoredDict(items)
        if isinstance(value, list):
            inner = [self.stored(item, hint.item if hint else None) for item in value]
            if hint is None or hint.kind not in (list, tuple, set):
                return StoredList(inner)
            kind: Any = hint.kind
            return kind(inner)
        if hint is not None and hint.time is not None and isinstance(value, str):
            with suppress(ValueError):
                return hint.time.fromisoformat(value)
        if hint is not None and hint.opaque:
            return Hole(f"a value that the state holds as text, {value!r:.40}")
        return value

    def _instance(self, value: Any, cls: type) -> Any:
        if issubclass(cls, Enum):
            known = type.__getattribute__(cls, "_member_map_").values()
            members = [m for m in known if plain(m._value_) and m._value_ == value]
            return _member(members[0]) if members else None
        if not isinstance(value, dict):
            return None
        return self.record(value, cls)

    def record(self, value: Mapping[str, Any], cls: type) -> Record:
        """An object of the state whose class is known."""
        hints = fields_of(cls)
        return Record(cls, {key: self.stored(item, hints.get(key)) for key, item in value.items()})

    def object(self, value: Any) -> Any:
        """An object that a `restore=` hook made, read without running its code."""
        self._count()
        kind = type(value)
        if plain(value):
            return value
        if id(value) in self._seen:
            return self._seen[id(value)]
        self._kept.append(value)
        if kind in (tuple, set, frozenset):
            return kind(self.object(item) for item in value)
        if kind is list:
            made: Any = []
            self._seen[id(value)] = made
            made.extend(self.object(item) for item in value)
            return made
        if kind is dict:
            made = {}
            self._seen[id(value)] = made
            made.update({self.object(key): self.object(item) for key, item in value.items()})
            return made
        if is_a(value, Enum):
            return _member(value)
        if not _readable(kind):
            return Hole(f"an object of {name_of(kind)}")
        made = Record(kind, whole=True)
        self._seen[id(value)] = made
        made.fields.update({name: self.object(item) for name, item in _attributes(value).items()})
        return made


def constant(value: Any, name: str) -> Any:
    """A constant of a module or a class, copied; a `Hole` where it is no constant.

    A list or dictionary counts as one under a name in capitals, if nothing in it can be changed: others are
    an application's state.
    """
    if plain(value):
        return value
    if is_a(value, Enum):
        return _member(value)
    if type(value) in (tuple, frozenset) or (
        type(value) in (list, dict, set) and name.lstrip("_")[:1].isalpha() and name.isupper()
    ):
        try:
            return _copied(value, deep=False)
        except CannotTell as error:
            return Hole(str(error))
    return Hole(f"{name}, which the state does not hold", name)


def _copied(value: Any, *, deep: bool) -> Any:
    kind = type(value)
    if plain(value):
        return value
    if is_a(value, Enum):
        return _member(value)
    fixed = kind in (tuple, frozenset)
    if not fixed and (deep or kind not in (list, dict, set)):
        raise CannotTell(f"a constant that holds a {name_of(kind)}")
    if len(value) > 10_000:
        raise CannotTell("a large constant")
    if kind is dict:
        return {_copied(k, deep=True): _copied(v, deep=True) for k, v in value.items()}
    return kind(_copied(item, deep=True) for item in value)


def lowered(value: Any, depth: int = 0) -> Any:
    """A value as the tool would return it, in Python's own types; objects as their public attributes.

    Raises:
        CannotTell: a part of it is not known, or it is nothing that a log holds.
    """
    if depth > 60:
        raise CannotTell("it returns a value that holds itself")
    if plain(value):
        return value
    if isinstance(value, Hole):
        raise CannotTell(f"it returns {value.why}")
    if isinstance(value, Member):
        return lowered(value.value, depth + 1)
    if isinstance(value, Record):
        every = own_method(value.cls, "__dataclass_fields__") is not None
        if not every and not value.whole:
            raise CannotTell(f"it returns an object of {name_of(value.cls)}")
        return {
            name: lowered(item, depth + 1)
            for name, item in value.fields.items()
            if every or not name.startswith("_")
        }
    if isinstance(value, dict):
        return {lowered(k, depth + 1): lowered(v, depth + 1) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [lowered(item, depth + 1) for item in value]
    if isinstance(value, set | frozenset):
        return {lowered(item, depth + 1) for item in value}
    raise CannotTell(f"it returns a {type(value).__name__}")


def _member(value: Enum) -> Any:
    """A member; one that is a text or a number as well is that."""
    inner = value._value_
    for kind in (str, int):
        if issubclass(type(value), kind):
            return kind.__str__(inner) if kind is str else int(inner)
    return Member(type(value), value._name_, inner)


def _integer(key: Any) -> Any:
    try:
        return int(key)
    except ValueError:
        return key


def _readable(kind: type) -> bool:
    """Whether an object's attributes are all that it is: no code of C or the library is behind it."""
    for base in mro_of(kind):
        module = body_of(base).get("__module__", "builtins")
        top = module.partition(".")[0] if type(module) is str else "builtins"
        if base not in (object, Generic, ABC) and top in sys.stdlib_module_names:
            return False
    return True


def _attributes(value: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    with suppress(AttributeError):
        found.update(object.__getattribute__(value, "__dict__"))
    for base in mro_of(type(value)):
        for name, slot in body_of(base).items():
            if type(slot) is MemberDescriptorType:
                try:
                    found[name] = slot.__get__(value, type(value))
                except AttributeError:
                    continue
    return found
