"""A state and a history too long for a prompt, cut to what the action refers to.

It knows nothing about the tools: an entry belongs to an action if its key, or its value, is one that
the action names. The result depends on the arguments alone, so that a model is trained on exactly the
prompts that it is served with.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from pydantic import JsonValue

from artis_sdk.prompts import Data, encode, encode_step
from artis_sdk.records import History, State, Step, ToolCall
from artis_sdk.simulators.entries import MARK, Container, Entries, name_cost, words
from artis_sdk.simulators.past import HistoryCursor
from artis_sdk.simulators.state_view import StateViews

_MARK_COST = 16  # characters of `"...":12345678,`
_MISSES = 64  # entries in a row without room, after which the rest of their group is not tried


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


class SeenStep(NamedTuple):
    """A step of a history as prompts show it, and its words."""

    text: Data
    words: frozenset[str]

    @classmethod
    def of(cls, step: Step) -> SeenStep:
        """Encode a step."""
        said = words([*step.call.arguments.items(), ("", step.outcome.content())])
        return cls(encode_step(step), said)


class Cutter:
    """Cuts the states and histories of one attempt: a state is indexed once, a step encoded once.

    Args:
        views: reader of the states, which attempts may share.
    """

    def __init__(self, views: StateViews | None = None) -> None:
        self._views = views or StateViews()
        self._past = HistoryCursor()
        self._steps: list[SeenStep] = []

    def steps(self, history: History) -> list[SeenStep]:
        """The steps of a history, of which those known already are not read again."""
        new = self._past.advance(history)
        if new is None:
            self._steps, new = [], history
        self._steps += map(SeenStep.of, new)
        return self._steps

    def cut(
        self,
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
        in no row of a table, then the rest; within each group the outer ones first, until many in a row have
        no room. In the history, steps that name the same things as the action come first, then the latest.
        Neither gets more than half of the room unless the other leaves it.

        What the tool's own checks read of an object with many fields counts as pointed to.

        Args:
            calls: the action.
            state, history: the state and the history that a simulator receives.
            room: maximum characters of both together; None for no limit.
            focus: whether to leave out all of the state that the action does not refer to, even if it fits.
            reads: names of the fields that the called tools' checks read.
        """
        steps = self.steps(history)
        view = self._views.of(state)
        whole = 0 if room is None else len(view.text)
        lengths = [len(step.text) + 1 for step in steps]
        if not focus and (room is None or whole + sum(lengths) <= room):
            return Cut(state, history)
        named = words(pair for call in calls for pair in call.arguments.items())
        related = [not named.isdisjoint(step.words) for step in steps]
        links = words(
            pair
            for step, near in zip(history, related, strict=True)
            if near
            for pair in step.call.arguments.items()
        )
        entries = view.entries
        choice = None if entries is None else _Choice(entries, named, links, reads, focus)
        focused = choice.cut(None) if choice is not None and focus else (state, 0, 0)
        if room is None:
            return Cut(focused[0], history, focused[1], 0, focused[2])
        shown = len(encode(focused[0])) if focus else whole
        need = max(whole, shown)  # marks can make a focused state longer than the whole one
        half = room - need if need <= room // 2 else room // 2
        kept, used, steps_lost = _cut_history(history, lengths, related, half)
        left = room - used
        fits = shown <= left or choice is None
        kept_state, out, lost = focused if fits or choice is None else choice.cut(left)
        return Cut(kept_state, kept, out, len(history) - len(kept), steps_lost + lost)


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


class _Choice:
    """The choice among a state's entries for one action.

    Args:
        entries: the state.
        named, links: words of the action, and of earlier steps that are about the same.
        reads: names of the fields that the called tools' checks read.
        focus: whether entries are left out that the action does not refer to, even if there is room.
    """

    def __init__(
        self,
        entries: Entries,
        named: frozenset[str],
        links: frozenset[str],
        reads: frozenset[str],
        focus: bool,
    ) -> None:
        self._entries = entries
        self._named, self._near = entries.near(named, links, reads)
        self._focus = focus

    def cut(self, room: int | None) -> tuple[State, int, int]:
        """The state that stays, the number of entries left out, and how many of these the action names."""
        entries, named, near = self._entries, self._named, self._near
        kept = _Kept(entries, room)
        found = kept.add(entries.ordered(named))
        kept.add(n for n in entries.ordered(near) if n not in named)
        kept.add(n for n in entries.outer if n not in near)
        if not self._focus:
            kept.add(n for n in entries.rows if n not in near)
        out = len(entries.values) - len(entries.tables) - kept.scalars
        state = entries.root.value if out == 0 else kept.rebuilt(entries.root)
        return state, out, len(named) - found


class _Kept:
    """The part of a state that stays.

    Args:
        entries: the whole state.
        room: maximum characters; None for no limit.
    """

    def __init__(self, entries: Entries, room: int | None) -> None:
        self._entries = entries
        self._left = room
        self.scalars = 0
        """Number of entries that stay, without tables."""
        self._inside: dict[Container, list[tuple[int, Container | None]]] = {}
        """By container its items: the number of an entry, and the container that begins there."""

    def add(self, numbers: Iterable[int]) -> int:
        """Keep the entries that have room; their number."""
        found = missed = 0
        for n in numbers:
            if self._left is not None and (cost := self._cost(n)) > self._left:
                missed += 1
                if missed == _MISSES:
                    break
                continue
            if self._left is not None:
                self._left -= cost
            self._keep(n)
            found, missed = found + 1, 0
        return found

    def _cost(self, n: int) -> int:
        """Characters that an entry adds, with its containers that are not yet kept."""
        cost = self._entries.cost(n)
        container: Container | None = self._entries.containers[n]
        while container is not None and container not in self._inside:
            cost += 3 + _MARK_COST + name_cost(container.key)
            container = container.parent
        return cost

    def _keep(self, n: int) -> None:
        container = self._entries.containers[n]
        self._open(container)
        if n not in self._entries.tables:
            self._inside[container].append((n, None))
            self.scalars += 1

    def _open(self, container: Container) -> None:
        if container in self._inside:
            return
        self._inside[container] = []
        if container.parent is not None:
            self._open(container.parent)
            self._inside[container.parent].append((container.span[0], container))

    def rebuilt(self, container: Container) -> JsonValue:
        """A container with what stays of it."""
        whole, kept = container.value, sorted(self._inside.get(container, ()), key=lambda item: item[0])
        values = self._entries.values
        if isinstance(whole, dict):
            inside = {
                str(self._entries.keys[n] if inner is None else inner.key): values[n]
                if inner is None
                else self.rebuilt(inner)
                for n, inner in kept
            }
            if len(inside) < len(whole) and MARK not in inside:
                inside[MARK] = len(whole) - len(inside)
            return inside
        items = [values[n] if inner is None else self.rebuilt(inner) for n, inner in kept]
        return [*items, {MARK: len(whole) - len(items)}] if len(items) < len(whole) else items
