"""Values of the interpreter from a logged state and from objects."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from json import dumps
from typing import Any, Final

from artis_sdk.records.jsonable import jsonable
from artis_sdk.simulators.interpreter.classes import NOTHING, attributes_of, is_one, readable
from artis_sdk.simulators.interpreter.enums import is_member, known_enum, shown_by, stored_member
from artis_sdk.simulators.interpreter.examples import NATURAL, Example
from artis_sdk.simulators.interpreter.forms import doubtful, of_text
from artis_sdk.simulators.interpreter.hints import Hint, fields_of, has_subclasses
from artis_sdk.simulators.interpreter.lowered import lowered
from artis_sdk.simulators.interpreter.values import (
    CannotTell,
    Hole,
    Record,
    StoredDict,
    StoredList,
    empty_like,
    fills_in,
    plain,
)
from artis_sdk.tools.source_checks.static import name_of, subclass

_MOST: Final = 40_000  # values of one state
_NOT_FINITE: Final = ("NaN", "Infinity", "-Infinity")
_TEXTS: Final = (Decimal, datetime, date, timedelta)


class _NotTold(Exception):
    """The state does not tell what a key or an item was."""


class Lift:
    """Makes the values of one state; they share nothing with it.

    Args:
        home: module of a tool, whose project's classes are read.

    Raises:
        CannotTell: there are too many.
    """

    def __init__(self, home: str) -> None:
        self.home = home
        self._made = 0
        self._seen: dict[int, Any] = {}
        self._kept: list[Any] = []
        self._live: dict[int, list[tuple[Any, Any]]] = {}
        """What was made of a live object's places, each with its JSON."""
        self._records: list[tuple[Record, Mapping[str, Any]]] = []
        self._moved: list[Mapping[str, Any]] = []
        """JSON of objects that no live one stands for, or one that also stands for another one."""
        self._of_enums: dict[str, frozenset[str | int]] = {}
        self._above: dict[int, Record] = {}
        """Records that are being made, by the id of their live object."""

    def _count(self) -> None:
        self._made += 1
        if self._made > _MOST:
            raise CannotTell("the state is too large")

    def measure(self, state: Any) -> None:
        """Refuse a state that is too large, before anything is made of it."""
        waiting, count = [state], 0
        while waiting and count <= _MOST:
            one = waiting.pop()
            if isinstance(one, dict | list):
                count += len(one)
                inner = one.values() if isinstance(one, dict) else one
                waiting.extend(item for item in inner if isinstance(item, dict | list))
        if count > _MOST:
            raise CannotTell("the state is too large")

    # --- of the state -----------------------------------------------------------------------------

    def stored(self, value: Any, hint: Hint | None = None, example: Example | None = None) -> Any:
        """A JSON value of the state.

        Args:
            value: JSON.
            hint: its annotation, if the source has one.
            example: live values at its place.
        """
        self._count()
        if value is None:
            return None
        if example is not None and example.kinds:
            example = example.fitting(value)
            if example.kind is not None:
                return self._like(value, hint, example, example.kind)
            natural = all(is_one(kind, NATURAL) for kind in example.kinds)
            if natural and type(value) in NATURAL and value not in _NOT_FINITE:
                return value
            return Hole("a value whose type the state does not tell")
        return self._hinted(value, hint)

    def _like(self, value: Any, hint: Hint | None, example: Example, kind: type) -> Any:
        if is_one(kind, NATURAL):
            return self._natural(value, hint, kind)
        form = type(value)
        live = example.one
        if form is dict and (kind is dict or _filling(example) is not None):
            return self._once(value, live, lambda: self._mapping(value, hint, example, kind))
        if form is list and is_one(kind, (list, tuple, set, frozenset)):
            return self._once(value, live, lambda: self._sequence(value, hint, example, kind))
        if subclass(kind, Enum):
            member = stored_member(value, kind)
            return Hole(f"a member of {name_of(kind)}", kind=kind) if member is None else member
        if is_one(kind, _TEXTS) and form is str:
            made = of_text(value, kind)
            if made is None and live is not NOTHING and self._shows(live, value):
                return live
            return Hole(f"a {name_of(kind)}", kind=kind) if made is None else made
        if readable(kind, self.home):
            if form is dict and live is NOTHING and has_subclasses(kind):
                return Hole(f"an object of {name_of(kind)} or of a class of it")
            if form is dict:
                return self._once(value, live, lambda: self.record(value, kind, example))
            if value == f"<{name_of(kind)}>":
                above = self._above.get(id(live))
                return Record(kind, kinds=_kinds(live, ())) if above is None else above
        if is_one(kind, (dict, list, tuple, set, frozenset, *_TEXTS)):
            return self._hinted(value, hint)  # it had another type then
        return Hole(f"an object of {name_of(kind)}", kind=kind)

    def _natural(self, value: Any, hint: Hint | None, kind: type) -> Any:
        if type(value) is not str:
            return value if type(value) in NATURAL else self._hinted(value, hint)
        if kind is str:
            return value
        if kind is float and value in _NOT_FINITE[1:]:
            return float(value)
        return self._hinted(value, hint)

    def _once(self, value: Any, live: Any, make: Any) -> Any:
        """What is made of a value; of a live object that stands in two places with equal JSON, one thing."""
        if live is NOTHING:
            return make()
        known = self._live.setdefault(id(live), [])
        for json, made in known:
            if _equal(json, value):
                return made
        made = make()
        if known and isinstance(made, Record):
            self._moved.extend(json for json, _ in (*known, (value, made)))
        known.append((value, made))
        return made

    def _mapping(self, value: dict[str, Any], hint: Hint | None, example: Example | None, kind: type) -> Any:
        made: dict[Any, Any] = {} if example is None or kind is dict else empty_like(_filling(example))
        inner = None if hint is None else hint.item
        try:
            known = {} if example is None else example.keys()
            if known is None:
                raise _NotTold
            keys = [known[text] if text in known else _key(text, known, hint) for text in value]
            if (
                not known
                and (hint is None or hint.key is None)
                and not self._shown_by_enums().isdisjoint(value)
            ):
                raise _NotTold
        except _NotTold:
            return Hole("a dictionary whose keys the state does not tell")
        live = {} if example is None or example.one is NOTHING else example.one
        for key, item in zip(keys, value.values(), strict=True):
            if type(item) in NATURAL and type(live.get(key)) is type(item):
                made[key] = item  # as `stored` has it, at a fraction of the time
                self._count()
            else:
                made[key] = self.stored(item, inner, None if example is None else example.item(key))
        return made

    def _sequence(self, value: list[Any], hint: Hint | None, example: Example | None, kind: Any) -> Any:
        live: Any = () if example is None else example.one
        exact = type(live) in (list, tuple) and len(live) == len(value)
        every = None if example is None else example.item()
        moves = kind is list and every is not None and every.kind is None  # which of its items is where

        def item(n: int) -> Any:
            if exact and type(value[n]) in NATURAL and type(live[n]) is type(value[n]):
                self._count()
                return value[n]
            inner = None if hint is None else hint.at(n)
            if moves and example is not None and not (exact and self._shows(live[n], value[n])):
                return self.stored(value[n], inner, example.item())
            return self.stored(value[n], inner, None if example is None else example.at(n, len(value)))

        try:
            return kind([item(n) for n in range(len(value))])
        except TypeError:
            return Hole("a set whose items the state does not tell")
        except CannotTell:
            if self._made > _MOST or kind in (list, tuple):
                raise
            return Hole("a set whose items the state does not tell")

    def _shows(self, live: Any, value: Any) -> bool:
        """Whether JSON shows a live value, as far as that can be told without running its code."""
        try:
            plain = lowered(Lift(self.home).object(live))
        except CannotTell:
            return False
        return bool(jsonable(plain) == value)

    def record(self, value: Mapping[str, Any], cls: type, example: Example | None = None) -> Record:
        """An object of the state whose class is known.

        Args:
            value: its attributes.
            cls: its class.
            example: live objects of the class.
        """
        live = NOTHING if example is None else example.one
        made = Record(cls, kinds=_kinds(live, value))
        self._records.append((made, value))
        if live is NOTHING:
            self._moved.append(value)
        self._above[id(live)] = made
        hints = fields_of(cls)
        for name, item in value.items():
            inner = None if example is None else example.attribute(name)
            made.fields[name] = self.stored(item, hints.get(name), inner)
        del self._above[id(live)]
        return made

    def tell_apart(self) -> None:
        """Objects of the state that may be one and the same: their attributes are not known."""
        if not self._moved:
            return
        doubtful = {_text(json) for json in self._moved}
        alike: dict[tuple[int, str], list[Record]] = {}
        for record, json in self._records:
            text = _text(json)
            if text in doubtful:
                alike.setdefault((id(record.cls), text), []).append(record)
        for records in alike.values():
            for record in records if len(records) > 1 else ():
                record.alike = True
                why = f"an object of {name_of(record.cls)} that may be another one of the state"
                record.fields = dict.fromkeys(record.fields, Hole(why))

    def _shown_by_enums(self) -> frozenset[str | int]:
        """What may be a member of an enumeration where nothing tells its type."""
        if self.home not in self._of_enums:
            self._of_enums[self.home] = shown_by(self.home)
        return self._of_enums[self.home]

    def _hinted(self, value: Any, hint: Hint | None) -> Any:
        """A value of which only the annotation tells the type, if anything does."""
        form = type(value)
        if hint is not None and hint.cls is not None:
            if subclass(hint.cls, Enum):
                member = stored_member(value, hint.cls)
                return Hole(f"a member of {name_of(hint.cls)}", kind=hint.cls) if member is None else member
            if form is dict and not has_subclasses(hint.cls) and readable(hint.cls, self.home):
                return self.record(value, hint.cls)
            return Hole(f"an object of {name_of(hint.cls)} or of a class of it")
        if hint is not None and hint.leaf is not None and form is str:
            made = of_text(value, hint.leaf)
            return Hole(f"a {name_of(hint.leaf)}") if made is None else made
        if hint is not None and hint.opaque:
            return Hole(f"a value that the state holds in another form, {value!r:.40}")
        if form is dict:
            if hint is not None and hint.kind is dict:
                return self._mapping(value, hint, None, dict)
            return StoredDict({k: self.stored(v, hint.item if hint else None) for k, v in value.items()})
        if form is list:
            if hint is not None and hint.kind in (list, tuple, set, frozenset):
                return self._sequence(value, hint, None, hint.kind)
            return StoredList([self.stored(item, hint.item if hint else None) for item in value])
        exact = hint is not None and (hint.text if form is str else hint.leaf is None and not hint.opaque)
        if form in (str, int) and not exact and value in self._shown_by_enums():
            return Hole(f"a value that may be a member of an enumeration, {value!r:.40}")
        if form is str and not exact and doubtful(value):
            return Hole(f"a value that the state holds as text, {value!r:.40}")
        return value

    # --- of objects -------------------------------------------------------------------------------

    def object(self, value: Any) -> Any:
        """An object that a `restore=` hook made, or an argument, read without running its code."""
        self._count()
        kind = type(value)
        if plain(value):
            return value
        if id(value) in self._seen:
            return self._seen[id(value)]
        self._kept.append(value)
        made: Any
        if is_one(kind, (tuple, set, frozenset)):
            made = kind([self.object(item) for item in value])
            self._seen[id(value)] = made
            return made
        if kind is list:
            made = []
            self._seen[id(value)] = made
            made.extend([self.object(item) for item in value])
            return made
        if kind is dict or fills_in(value):
            made = empty_like(value)
            self._seen[id(value)] = made
            made.update([(self.object(key), self.object(item)) for key, item in value.items()])
            return made
        if is_member(value):
            return value if known_enum(kind) else Hole(f"a member of {name_of(kind)}", kind=kind)
        if not readable(kind, self.home, models=True):
            return Hole(f"an object of {name_of(kind)}", kind=kind)
        made = Record(kind, whole=True)
        self._seen[id(value)] = made
        made.fields.update({name: self.object(item) for name, item in attributes_of(value).items()})
        return made


def _filling(example: Example) -> Any:
    """A live dictionary that fills in what it lacks, as all of them do; None if they differ."""
    live = [one for one in example.values if one is not None]
    made = [getattr(one, "default_factory", None) for one in live if fills_in(one)]
    return live[0] if len(made) == len(live) and all(one is made[0] for one in made) else None


def _kinds(live: Any, told: Any) -> dict[str, type]:
    if live is NOTHING or live is None:
        return {}
    return {name: type(item) for name, item in attributes_of(live).items() if name not in told}


def _key(text: str, known: dict[str, Any], hint: Hint | None) -> Any:
    """The key that JSON shows as a text, and that no live dictionary has.

    Args:
        text: the text.
        known: live keys by their texts.
        hint: annotation of the dictionary.
    """
    kinds = {id(type(key)): type(key) for key in known.values()}
    if len(kinds) > 1:
        raise _NotTold
    kind = next(iter(kinds.values()), None if hint is None else hint.key)
    if kind is str:
        return text
    if kind is int:
        with suppress(ValueError):
            if str(int(text)) == text:
                return int(text)
    elif kind is not None and subclass(kind, Enum):
        member = stored_member(text, kind)
        if member is not None:
            return member
    elif (
        kind is None and not doubtful(text) and text not in ("true", "false", "None") and text[:1] not in "[{"
    ):
        return text
    raise _NotTold


def _text(json: Mapping[str, Any]) -> str:
    return dumps(json, sort_keys=True)


def _equal(left: Any, right: Any) -> bool:
    """Whether two JSON values are the same, types included."""
    if left is right:
        return True
    if type(left) is not type(right):
        return False
    if type(left) is dict:
        return left.keys() == right.keys() and all(_equal(item, right[key]) for key, item in left.items())
    if type(left) is list:
        return len(left) == len(right) and all(map(_equal, left, right))
    return bool(left == right)
