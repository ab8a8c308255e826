"""A state and a history too long for a prompt, cut to what the action refers to.

It knows nothing about the tools: an entry belongs to an action if its key, or its value, is one that
the action names. The result depends on the arguments alone, so that a model is trained on exactly the
prompts that it is served with.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from pydantic import JsonValue

from artis_sdk.prompts import encode, encode_step
from artis_sdk.records import History, State, Step, ToolCall
from artis_sdk.simulators.entries import GLOBAL, NAMED, Entries, Path, words

MARK = "..."
"""The key for the number of entries that a cut object lacks; a cut list ends with `{"...": n}`."""

_MARK_COST = 16  # characters of `"...":12345678,`


class Cut(NamedTuple):
    """A state and a history after cutting."""

    state: State
    history: History
    entries: int = 0
    """Number of scalars of the state that were left out."""
    steps: int = 0
    """Number of steps of the history that were left out, oldest first."""
    lost: int = 0
    """Number of entries and steps left out for lack of room although the action names them."""


def cut(
    calls: Sequence[ToolCall],
    state: State,
    history: History,
    *,
    room: int | None,
    focus: bool,
    reads: frozenset[str] = frozenset(),
) -> Cut:
    """Fit a state and a history into a number of characters, as prompts encode them.

    First come entries that the action names (by a key above them, by their own value, or by a value
    beside them in one object), then those that an object named by its identifier points to, then those
    in no row of a table, then the rest; within each group the outer ones first. In the history, steps
    that name the same things as the action come first, then the latest. Neither gets more than half of
    the room unless the other leaves it.

    What the tool's own checks read of an object with many fields counts as pointed to.

    Args:
        calls: the action.
        state, history: the state and the history that a simulator receives.
        room: maximum characters of both together; None for no limit.
        focus: whether to leave out all of the state that the action does not refer to, even if it fits.
        reads: names of the fields that the called tools' checks read.
    """
    lengths = [len(encode_step(step)) + 1 for step in history]
    whole = len(encode(state))
    if not focus and (room is None or whole + sum(lengths) <= room):
        return Cut(state, history)
    named = words(pair for call in calls for pair in call.arguments.items())
    related = [_names(step, named) for step in history]
    links = words(
        pair
        for step, near in zip(history, related, strict=True)
        if near
        for pair in step.call.arguments.items()
    )
    focused = _cut_state(state, named, links, None, focus, reads) if focus else (state, 0, 0)
    if room is None:
        return Cut(focused[0], history, focused[1], 0, focused[2])
    shown = len(encode(focused[0]))
    need = max(whole, shown)  # marks can make a focused state longer than the whole one
    half = room - need if need <= room // 2 else room // 2
    kept, used, steps_lost = _cut_history(history, lengths, related, half)
    left = room - used
    kept_state, entries, entries_lost = (
        focused if shown <= left else _cut_state(state, named, links, left, focus, reads)
    )
    return Cut(kept_state, kept, entries, len(history) - len(kept), steps_lost + entries_lost)


def _names(step: Step, named: frozenset[str]) -> bool:
    """Whether a step's arguments or outcome name something that the action names."""
    mine = words([*step.call.arguments.items(), ("", step.outcome.content())])
    return not named.isdisjoint(mine)


def _cut_history(
    history: History, lengths: list[int], related: list[bool], room: int
) -> tuple[History, int, int]:
    """The steps that stay, their characters, and the number of related steps without room."""
    if sum(lengths) <= room:
        return history, sum(lengths), 0
    used = _MARK_COST  # the line that says how many are missing
    kept: set[int] = set()
    for n in sorted(range(len(history)), key=lambda n: (not related[n], -n)):
        if used + lengths[n] <= room:
            kept.add(n)
            used += lengths[n]
    lost = sum(1 for n, near in enumerate(related) if near and n not in kept)
    return tuple(step for n, step in enumerate(history) if n in kept), used, lost


def _cut_state(
    state: State,
    named: frozenset[str],
    links: frozenset[str],
    room: int | None,
    focus: bool,
    reads: frozenset[str],
) -> tuple[State, int, int]:
    """The state that stays, the number of entries left out, and how many of these the action names."""
    if not isinstance(state, dict | list):
        return state, 0, 0
    entries = Entries(state)
    tiers = entries.tiers(named, links, reads)
    order = sorted(range(len(tiers)), key=lambda n: (tiers[n], len(entries.paths[n]), n))
    kept: set[Path] = set()
    left = room
    out = lost = 0
    for n in order:
        wanted = not focus or tiers[n] <= GLOBAL
        cost = _cost(entries, n, kept) if wanted and left is not None else 0
        if not wanted or (left is not None and cost > left):
            out += n not in entries.tables
            lost += tiers[n] == NAMED
            continue
        path = entries.paths[n]
        kept.update(path[:depth] for depth in range(len(path) + 1))
        if left is not None:
            left -= cost
    return (state if out == 0 else _rebuilt(state, (), kept)), out, lost


def _cost(entries: Entries, n: int, kept: set[Path]) -> int:
    """Characters that an entry adds, with its containers that are not yet counted."""
    path = entries.paths[n]
    cost = 0 if n in entries.tables else len(encode(entries.values[n])) + 1
    for depth in range(len(path), -1, -1):
        if path[:depth] in kept:
            break
        if depth < len(path) or n in entries.tables:
            cost += 3 + _MARK_COST
        if depth and isinstance(path[depth - 1], str):
            cost += len(encode(path[depth - 1])) + 1
    return cost


def _rebuilt(value: JsonValue, path: Path, kept: set[Path]) -> JsonValue:
    if isinstance(value, dict):
        inside = {key: _rebuilt(v, (*path, key), kept) for key, v in value.items() if (*path, key) in kept}
        if len(inside) < len(value) and MARK not in inside:
            inside[MARK] = len(value) - len(inside)
        return inside
    if isinstance(value, list):
        items = [_rebuilt(v, (*path, n), kept) for n, v in enumerate(value) if (*path, n) in kept]
        return [*items, {MARK: len(value) - len(items)}] if len(items) < len(value) else items
    return value
