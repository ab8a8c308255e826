"""The live objects as examples of the types that the state does not show; never of its values."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from artis_sdk.records.jsonable import jsonable
from artis_sdk.simulators.interpreter.classes import NOTHING, attributes_of, is_one
from artis_sdk.simulators.interpreter.enums import is_member, known_enum
from artis_sdk.simulators.interpreter.values import plain

NATURAL: Final = (str, int, float, bool)
"""Types that JSON has."""
_MAPPINGS: Final = (dict, defaultdict, Counter)
_SEQUENCES: Final = (list, tuple, set, frozenset)
_OF_TEXT: Final = (str, Decimal, datetime, date, timedelta, bytes)


class Example:
    """Live values, one of which stands where a value of the state stands, or beside it.

    Args:
        values: at least one.
        here: whether the one value stands at this very place.
    """

    __slots__ = ("_inner", "_keys", "here", "kind", "kinds", "values")

    def __init__(self, values: list[Any], *, here: bool = False) -> None:
        self.values = values
        self.here = here
        self.kinds: list[type] = []
        for value in values:
            if value is not None and not any(type(value) is kind for kind in self.kinds):
                self.kinds.append(type(value))
        self.kind = self.kinds[0] if len(self.kinds) == 1 else None
        """The type of all of them but None."""
        self._inner: dict[Any, Example | None] = {}
        self._keys: dict[str, Any] | None = None

    @property
    def one(self) -> Any:
        """The live value at this very place; `NOTHING` if there is none."""
        return self.values[0] if self.here else NOTHING

    def fitting(self, value: Any) -> Example:
        """Those of them that JSON can show in the form of a value."""
        if self.kind is not None or not self.kinds:
            return self
        form = type(value)
        kept = [one for one in self.values if _fits(one, form)]
        return Example(kept, here=self.here) if kept and len(kept) < len(self.values) else self

    def attribute(self, name: str) -> Example | None:
        """The attribute of that name."""
        if (_ATTRIBUTE, name) not in self._inner:
            held = self._inner_attributes()
            found = [one[name] for one in held if name in one]
            self._inner[_ATTRIBUTE, name] = Example(found, here=self.here) if found else None
        return self._inner[_ATTRIBUTE, name]

    def _inner_attributes(self) -> list[dict[str, Any]]:
        made = self._inner.get(_ATTRIBUTE)
        if made is None:
            kept = [one for one in self.values if one is not None]
            made = self._inner[_ATTRIBUTE] = Example([attributes_of(one) for one in kept])
        return made.values

    def item(self, key: Any = NOTHING) -> Example | None:
        """The item under a live key or index; without a key, or where there is none, all items."""
        if key is not NOTHING:
            if key not in self._inner:
                found = [one[key] for one in self.values if type(one) in _MAPPINGS and key in one]
                self._inner[key] = Example(found, here=self.here) if found else self.item()
            return self._inner[key]
        if _ALL not in self._inner:
            every: list[Any] = []
            for one in self.values:
                if type(one) in _MAPPINGS:
                    every.extend(dict.values(one))
                elif type(one) in _SEQUENCES:
                    every.extend(one)
            self._inner[_ALL] = Example(every) if every else None
        return self._inner[_ALL]

    def at(self, index: int, length: int) -> Example | None:
        """The item at an index of a sequence of some length."""
        live = self.one
        if type(live) in (list, tuple) and len(live) == length:
            return Example([live[index]], here=True)
        return self.item()

    def keys(self) -> dict[str, Any] | None:
        """Live keys by the text that JSON has for them; None if they have no text of their own."""
        if self._keys is None:
            found: dict[str, Any] = {}
            for one in self.values:
                own: set[str] = set()
                if type(one) in _MAPPINGS and not found and all(map(_is_ascii, one)):
                    found.update(zip(one, one, strict=True))
                    continue
                for key in dict.keys(one) if type(one) in _MAPPINGS else ():
                    if not _keyed(key):
                        return None
                    text = key if type(key) is str and key.isascii() else next(iter(jsonable({key: None})))
                    if text in own or (text in found and type(found[text]) is not type(key)):
                        return None
                    own.add(text)
                    found[text] = key
            self._keys = found
        return self._keys


_ATTRIBUTE: Final = object()
_ALL: Final = object()


def _fits(live: Any, form: type) -> bool:
    kind = type(live)
    if is_member(live):
        return form is type(jsonable(live))
    if form is dict:
        return not (live is None or plain(live) or is_one(kind, (*_SEQUENCES, bytes)))
    if form is list:
        return is_one(kind, _SEQUENCES)
    if form is str:
        return not is_one(kind, (int, float, bool, *_MAPPINGS, *_SEQUENCES))
    return is_one(kind, (int, float, bool)) or not (plain(live) or is_one(kind, (*_MAPPINGS, *_SEQUENCES)))


def _is_ascii(key: Any) -> bool:
    return type(key) is str and key.isascii()


def _keyed(key: Any) -> bool:
    if type(key) is tuple:
        return all(map(_keyed, key))
    return plain(key) or (is_member(key) and known_enum(type(key)))
