"""A call with its state and history as tokens, by which calls are compared."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator

from pydantic import JsonValue

from artis_sdk.records import History, Provenance, State, Step, ToolCall
from artis_sdk.records.outcome_type import outcome_type
from artis_sdk.simulators.entries import Entries, words
from artis_sdk.simulators.past import HistoryCursor

Token = tuple[str, str]
"""The part that it belongs to (`arguments`, `state`, `history`), and its text."""

_WORD = re.compile(r"[A-Za-z]+|\d+")
_LONG = 64  # characters of a value, above which only its words count


class Features:
    """The tokens of the calls of one attempt; a state that stays the same is read once.

    arguments: `name`, `name=value`, the words of a text, and what kind of value it is.
    state: the entries that the arguments name, what these point to, and what belongs to no row of a
    table (see `entries`), as `key=value`; and for each argument whether the state knows its value.
    history: the earlier calls with their outcome types, the last one apart; for each argument whether
    the history knows its value, and how the same call ended before.
    """

    def __init__(self) -> None:
        self._state: tuple[State, Entries | None, frozenset[str]] | None = None
        self._past = HistoryCursor()
        self._steps: Counter[str] = Counter()
        self._before: dict[str, str] = {}
        self._known: set[str] = set()
        self._last = ""

    def of(self, call: ToolCall, state: State, history: History) -> Counter[Token]:
        """The tokens of one call.

        Args:
            call: the action.
            state: the environment before the first call of the task.
            history: the calls before this one.
        """
        self._advance(history)
        entries, known = self._read(state)
        found: Counter[Token] = Counter()
        named = words(call.arguments.items())
        for name, value in _leaves("", call.arguments):
            found.update(("arguments", token) for token in _value_tokens(name, value))
            if isinstance(value, str | int) and not isinstance(value, bool):
                text = str(value).casefold()
                found["state", f"{name} known={text in known}"] += 1
                found["history", f"{name} known={text in self._known}"] += 1
        if entries is not None:
            for n, tier in entries.tiers(named):
                if n not in entries.tables:
                    found["state", f"{tier} {entries.field(n)}={_short(entries.values[n])}"] += 1
        found.update({("history", token): count for token, count in self._steps.items()})
        found["history", f"last {self._last}"] += 1
        found["history", f"again {self._before.get(_identity(call), '')}"] += 1
        return found

    def _read(self, state: State) -> tuple[Entries | None, frozenset[str]]:
        if self._state is None or self._state[0] is not state:
            entries = Entries(state) if isinstance(state, dict | list) else None
            known: set[str] = set()
            if entries is not None:
                known.update(str(key).casefold() for key in entries.all_keys)
                known.update(str(value).casefold() for value in entries.values)
            self._state = (state, entries, frozenset(known))
        return self._state[1:]

    def _advance(self, history: History) -> None:
        new = self._past.advance(history)
        if new is None:
            self._steps, self._before, self._known, self._last = Counter(), {}, set(), ""
            new = history
        for step in new:
            if step.outcome.provenance is not Provenance.FORCED:
                self._add(step)

    def _add(self, step: Step) -> None:
        type_ = outcome_type(step.outcome, step.call)
        self._last = f"{step.call.tool} {type_}"
        self._steps[self._last] += 1
        self._before[_identity(step.call)] = type_
        for values in (step.call.arguments, {"": step.outcome.content()}):
            self._known.update(str(value).casefold() for _, value in _leaves("", values))


def _leaves(name: str, value: JsonValue) -> Iterator[tuple[str, JsonValue]]:
    """The scalars in a value, each with its key; empty containers too."""
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _leaves(f"{name}.{key}" if name else key, inner)
    elif isinstance(value, list) and value:
        for inner in value:
            yield from _leaves(name, inner)
    else:
        yield name, value


def _value_tokens(name: str, value: JsonValue) -> Iterator[str]:
    yield name
    yield f"{name}:{_kind(value)}"
    yield f"{name}={_short(value)}"
    if isinstance(value, str):
        yield from (f"{name}~{word.casefold()}" for word in _WORD.findall(value))


def _kind(value: JsonValue) -> str:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return "negative" if value < 0 else "zero" if value == 0 else "positive"
    if isinstance(value, str):
        return "text" if value.strip() else "blank"
    return type(value).__name__


def _short(value: JsonValue) -> str:
    return str(value)[:_LONG]


def _identity(call: ToolCall) -> str:
    return json.dumps([call.tool, call.arguments], sort_keys=True)
