"""Values under the name of a secret: in an object, beside the name, or after it in a list."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from operator import is_
from typing import NamedTuple, cast

from pydantic import JsonValue

from artis_sdk.logs.leaves import FLAT, Leaves, leaves, map_leaves
from artis_sdk.logs.secret_budget import SecretBudget
from artis_sdk.logs.secret_names import SecretNames
from artis_sdk.logs.secret_places import LONGEST_NAME
from artis_sdk.logs.secret_text import SecretTexts
from artis_sdk.logs.secret_tokens import looks_random
from artis_sdk.logs.secrets import Secrets, replaced

# Keys of an object that names what stands in it, as headers, variables and forms do, and of that value.
_NAMED_BY = frozenset({"name", "key", "type", "field", "label", "header", "parameter", "variable"})
_VALUES = frozenset({"value", "content", "val"})
_SHORT_FLAGS = frozenset({"-u", "--user", "-p", "-a"})
_OBJECTS = {dict}
_LONGEST = max(map(len, _NAMED_BY | _VALUES))
_WORDS = 64  # of a command line as a list


class _Names(NamedTuple):
    """Names of secrets in a value."""

    keys: frozenset[str] = frozenset()
    """Keys that are such names."""
    texts: frozenset[str] = frozenset()
    """Texts that are, and flags of command lines."""
    told_by: tuple[str, ...] = ()
    """Keys of objects that say by a text what stands under one of `told`."""
    told: frozenset[str] = frozenset()


class SecretNamed:
    """Replaces what stands under the name of a secret.

    Args:
        names: the names of secrets.
        texts: finds the secrets of a command line.
    """

    def __init__(self, names: SecretNames, texts: SecretTexts) -> None:
        self._names = names
        self._texts = texts

    def cover(self, value: JsonValue, parts: Leaves, budget: SecretBudget) -> tuple[JsonValue, Leaves]:
        """The value with placeholders for what stands under such names, and its parts; the same objects if
        nothing does.

        Args:
            value: any JSON value.
            parts: its parts.
            budget: receives the secrets.
        """
        keys = self._keys(parts)
        if keys:
            value = self._covered(value, _Names(keys), budget, False)
            parts = leaves(value)  # a secret is no name
        found = self._told_names(parts)
        if found.texts and (told := self._covered(value, found, budget, False)) is not value:
            return told, leaves(told)
        return value, parts

    def none_in(self, parts: Leaves) -> bool:
        """Whether no name of a secret stands in these parts. True is certain."""
        return not self._keys(parts) and not self._told_names(parts).texts

    def _keys(self, parts: Leaves) -> frozenset[str]:
        return frozenset(filter(self._names.is_secret, self._names.suspects([*parts.keys])))

    def _told_names(self, parts: Leaves) -> _Names:
        short = [text for text in parts.texts if len(text) <= LONGEST_NAME]
        texts = frozenset(filter(self._names.is_secret, self._names.suspects(short)))
        if self._names.any:
            texts |= _SHORT_FLAGS & parts.texts
        told = frozenset(key for key in parts.keys if len(key) <= _LONGEST and key.lower() in _VALUES)
        told_by = [key for key in parts.keys if told and len(key) <= _LONGEST and key.lower() in _NAMED_BY]
        return _Names(texts=texts, told_by=tuple(told_by), told=told)

    def _covered(self, value: JsonValue, names: _Names, budget: SecretBudget, pair: bool) -> JsonValue:
        if isinstance(value, dict):
            return self._covered_object(value, names, budget)
        if not isinstance(value, list):
            return value
        kinds = set(map(type, value))
        if names.texts and str in kinds and any(type(item) is str and item in names.texts for item in value):
            return self._covered_list(value, names, budget, pair)
        if kinds <= FLAT:
            return value
        if kinds == _OBJECTS and not names.texts:
            return self._covered_rows(value, names, budget)
        pairs = list in kinds and bool(names.texts) and all(map(_is_pair, value))
        items = [item if type(item) in FLAT else self._covered(item, names, budget, pairs) for item in value]
        return value if all(map(is_, items, value)) else items

    def _covered_rows(self, value: list[JsonValue], names: _Names, budget: SecretBudget) -> JsonValue:
        """A list of objects, in less time: there may be very many."""
        keys, add = [*names.keys], budget.add
        objects = cast(list[dict[str, JsonValue]], value)
        flat = FLAT.issuperset(map(type, chain.from_iterable(map(dict.values, objects))))
        rows: list[JsonValue] = []
        for row in objects:
            if not flat and not FLAT.issuperset(map(type, row.values())):
                rows.append(self._covered_object(row, names, budget))
                continue
            for key in keys:
                if key in row:
                    item = row[key]
                    row = row.copy()
                    row[key] = add(item) if type(item) is str and item else cover_all(item, budget)
            rows.append(row)
        return value if all(map(is_, rows, value)) else rows

    def _covered_object(self, value: dict[str, JsonValue], names: _Names, budget: SecretBudget) -> JsonValue:
        under = names.keys.intersection(value)
        if names.texts and not names.told.isdisjoint(value) and _is_told(value, names):
            under |= names.told.intersection(value)
        flat = FLAT.issuperset(map(type, value.values()))
        if flat and not under:
            return value
        new = value.copy()
        for key in sorted(under) if len(under) > 1 else under:
            new[key] = cover_all(value[key], budget)
        if flat:
            return new
        for key, item in value.items():
            if type(item) not in FLAT and key not in under:
                new[key] = self._covered(item, names, budget, False)
        return value if all(map(is_, new.values(), value.values())) else new

    def _covered_list(
        self, value: list[JsonValue], names: _Names, budget: SecretBudget, pair: bool
    ) -> list[JsonValue]:
        """A list in which a name of a secret stands: a pair of name and value, or a command line."""
        items = [self._covered(item, names, budget, False) for item in value]
        for place, name in enumerate(value[:-1]):
            if not (isinstance(name, str) and name in names.texts) or name in _SHORT_FLAGS:
                continue
            item = items[place + 1]
            if isinstance(item, str) and item not in names.texts:
                if looks_random(item, 6) or (name.startswith("-") and item and not item.startswith("-")):
                    items[place + 1] = budget.add(item)
                elif pair and item:  # perhaps a word: not hidden elsewhere
                    items[place + 1] = budget.pass_by(item)
            elif len(value) == 2 and isinstance(item, int | float) and not isinstance(item, bool):
                items[place + 1] = budget.add(item)
        if len(value) <= _WORDS and all(isinstance(item, str) for item in value):
            return self._covered_command([str(item) for item in items], budget)
        return items

    def _covered_command(self, words: list[str], budget: SecretBudget) -> list[JsonValue]:
        """The words of a command line, read as one text."""
        line = " ".join(words)
        spans = {found.start: found for found in self._texts.find(line)} if len(line) < 8_192 else {}
        first = 0
        covered: list[JsonValue] = []
        for word in words:
            inside = [
                (start - first, found.end - first, budget.add(found.value))
                for start, found in spans.items()
                if first <= start and found.end <= first + len(word) and not found.prose
            ]
            covered.append(replaced(word, inside))
            first += len(word) + 1
        return covered


def cover_all(value: JsonValue, known: SecretBudget | Secrets) -> JsonValue:
    """The value with placeholders for all texts and numbers in it."""
    if type(value) is str and value:  # most are
        return known.add(value)
    return map_leaves(value, lambda leaf: leaf if leaf == "" else known.add(leaf))


def _is_pair(value: JsonValue) -> bool:
    return isinstance(value, list) and len(value) == 2 and isinstance(value[0], str)


def _is_told(value: Mapping[str, JsonValue], names: _Names) -> bool:
    """Whether the object names its value by one of these names: `{"name": "API_KEY", "value": "x"}`."""
    said = [value.get(key) for key in names.told_by]
    return any(isinstance(text, str) and text in names.texts for text in said)
