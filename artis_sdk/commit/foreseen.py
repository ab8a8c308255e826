"""The calls that a plan foresees, each used once, as real calls and their outcomes arrive."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import JsonValue

from artis_sdk.loop.foresee import foreseen_calls
from artis_sdk.loop.identifiers import is_distinctive
from artis_sdk.records import CallKind, ForeseenCall, JsonPath, Outcome, Plan, Risk, ToolSpec
from artis_sdk.records.places import exchanged, replaced, value_at, word
from artis_sdk.records.redacted import is_redacted
from artis_sdk.records.same_call import canonical, with_defaults


@dataclass(frozen=True, slots=True)
class Match:
    """A real call beside the foreseen ones."""

    kind: CallKind
    index: int | None
    """Index of the foreseen call that it is, or for a changed call of the next one of its tool."""
    foreseen: ForeseenCall | None
    approved_by: str | None = None
    """Who put the call where it is, during the commit."""


UNFORESEEN = Match("unforeseen", None, None)


@dataclass(frozen=True, slots=True)
class _Put:
    """How a call came to stand among the foreseen ones during the commit."""

    kind: CallKind
    by: str


class ForeseenCalls:
    """The foreseen calls of one commit: the plan's, and those that an approver puts in their places.

    An identifier that the simulator made up is unknown until the real call that gives it was made; a call
    that refers to it is foreseen with the real one only.

    Args:
        plan: plan being committed.
    """

    def __init__(self, plan: Plan) -> None:
        planned = plan.foreseen if plan.digest is not None else foreseen_calls(plan)
        self.planned = len(planned)
        """Number of the plan's own; calls that an approver added stand after them."""
        self.calls = list(planned)
        self._put: dict[int, _Put] = {}
        self._left = dict.fromkeys(range(len(self.calls)))
        self._wanted: dict[int, str] = {}
        """Arguments of the calls without references, as canonical JSON."""
        self._real: dict[tuple[int, JsonPath], JsonValue] = {}
        """Real identifiers, by call and place."""
        self._names: dict[str, str] = {}
        """Real identifiers, by those that were made up; only such as are nothing else."""

    @property
    def left(self) -> tuple[ForeseenCall, ...]:
        """Foreseen calls that were not made."""
        return tuple(self.calls[index] for index in self._left)

    @property
    def changed(self) -> frozenset[int]:
        """Indices of the calls that an approver put where they are."""
        return frozenset(self._put)

    @property
    def is_over(self) -> bool:
        """Whether every foreseen call of the agent's that may change something was made."""
        return not any(call.risk is not Risk.READ_ONLY and not call.nested for call in self.left)

    def take(
        self, tool: str, spec: ToolSpec | None, arguments: Mapping[str, JsonValue], *, nested: bool
    ) -> Match:
        """Match a real call, as `look_up`; a foreseen call that it is counts as made from now on."""
        if not self._left:
            return UNFORESEEN
        index = self.find(tool, spec, arguments, nested=nested)
        if index is not None:
            del self._left[index]
        return self._match(index, tool, nested=nested)

    def look_up(
        self, tool: str, spec: ToolSpec | None, arguments: Mapping[str, JsonValue], *, nested: bool
    ) -> Match:
        """Find a call among the foreseen ones that were not made.

        Args:
            tool: name of the tool.
            spec: spec of the tool, for the defaults of omitted arguments; None if it is not known.
            arguments: arguments by name.
            nested: whether another tool's body makes the call.
        """
        return self._match(self.find(tool, spec, arguments, nested=nested), tool, nested=nested)

    def next_of(self, tool: str, *, nested: bool) -> Match:
        """The place of a real call that is none of the foreseen ones; arguments as in `look_up`."""
        return self._match(None, tool, nested=nested)

    def _match(self, index: int | None, tool: str, *, nested: bool) -> Match:
        if index is not None:
            put = self._put.get(index, _FORESEEN)
            return Match(put.kind, index, self.calls[index], put.by or None)
        changed = next((left for left in self._left if self._is_of(left, tool, nested=nested)), None)
        return UNFORESEEN if changed is None else Match("changed", changed, self.calls[changed])

    def find(
        self, tool: str, spec: ToolSpec | None, arguments: Mapping[str, JsonValue], *, nested: bool
    ) -> int | None:
        """Index of the foreseen call that was not made and is this one; arguments as in `look_up`."""
        if not self._left:
            return None
        made = canonical(with_defaults(spec, arguments))
        for index in self._left:
            if self._is_of(index, tool, nested=nested) and self._canonical(index, spec) == made:
                return index
        return None

    def is_left(self, index: int) -> bool:
        """Whether a foreseen call was not made."""
        return index in self._left

    def _is_of(self, index: int, tool: str, *, nested: bool) -> bool:
        foreseen = self.calls[index]
        return foreseen.call.tool == tool and foreseen.nested is nested

    def _canonical(self, index: int, spec: ToolSpec | None) -> str | None:
        """The arguments of a foreseen call as canonical JSON; None while they are not known."""
        if index in self._wanted:
            return self._wanted[index]
        arguments = self.arguments(index)
        if arguments is None or is_redacted(arguments):  # what a secret was is not known either
            return None
        text = canonical(with_defaults(spec, arguments))
        if not self.calls[index].references:
            self._wanted[index] = text
        return text

    def put(self, call: ForeseenCall, index: int | None, kind: CallKind, by: str) -> int:
        """Put a call in the place of a foreseen one, or after all of them; its index.

        Args:
            call: the call that somebody approved.
            index: index of the foreseen call, which is not foreseen any more; None to add the call.
            kind: kind of the call once it is made.
            by: who approved it.
        """
        if index is None:
            index = len(self.calls)
            self.calls.append(call)
        else:
            self.calls[index] = call
            self._wanted.pop(index, None)
        self._left[index] = None
        self._put[index] = _Put(kind, by)
        return index

    def arguments(self, index: int) -> dict[str, JsonValue] | None:
        """The arguments of a foreseen call with real identifiers; None while one of them is unknown."""
        call = self.calls[index]
        arguments: JsonValue = dict(call.call.arguments)
        within: dict[JsonPath, dict[str, str]] = {}
        for reference in call.references:
            source = (reference.call, reference.outcome)
            if source not in self._real:
                return None
            if reference.part:
                made_up = self._made_up(reference.call, reference.outcome)
                within.setdefault(reference.argument, {})[str(made_up)] = str(self._real[source])
            else:
                arguments = replaced(arguments, reference.argument, self._real[source])
        for place, names in within.items():
            arguments = replaced(arguments, place, exchanged(value_at(arguments, place), names))
        assert isinstance(arguments, dict)
        return arguments

    def _made_up(self, index: int, place: JsonPath) -> JsonValue:
        """The identifier that the simulator made up at a place of a call's outcome."""
        predicted = self.calls[index].predicted
        assert predicted is not None
        return value_at(predicted.value, place)

    def expected(self, index: int, outcome: Outcome) -> Outcome | None:
        """The predicted outcome of a foreseen call with real identifiers, which it learns from the real one.

        Nothing was predicted for an edited call: of it success or failure is expected, as of the call before.

        Args:
            index: index of the call.
            outcome: its real outcome.

        Returns:
            None where nothing is expected, or an edited call's outcome is of the expected type.
        """
        call = self.calls[index]
        found = {place: _identifier_at(outcome, place) for place in call.made_up}
        real = {place: value for place, value in found.items() if value is not None}
        for place, value in real.items():
            self._real[index, place] = value
            made_up = self._made_up(index, place)
            if is_distinctive(made_up):
                self._names[str(made_up)] = str(value)
        if call.predicted is None or (call.edited_from is not None and call.predicted.ok is outcome.ok):
            return None
        expected = exchanged(call.predicted.value, self._names)
        for place, value in real.items():
            expected = replaced(expected, place, value)
        message = exchanged(call.predicted.message, self._names)
        if expected == call.predicted.value and message == call.predicted.message:
            return call.predicted
        return call.predicted.model_copy(update={"value": expected, "message": message})

    def told(self, text: str) -> str | None:
        """A text of the rehearsal's with real identifiers; None where it may hold one that was made up."""
        for index, call in enumerate(self.calls):
            for place in call.made_up:
                made_up = self._made_up(index, place)
                known = is_distinctive(made_up) and (index, place) in self._real
                if not known and word(str(made_up)).search(text):
                    return None
        return str(exchanged(text, self._names))


_FORESEEN = _Put("foreseen", "")
"""A call of the plan's."""


def _identifier_at(outcome: Outcome, place: JsonPath) -> str | int | None:
    """The value at a place of a real outcome, if it can be an identifier: a whole number, or a text of one
    word. In the place of a word that somebody approved no sentence of a tool's is put."""
    try:
        value = value_at(outcome.value, place) if outcome.ok else None
    except LookupError:
        return None
    if isinstance(value, str):
        return value if value and value.isprintable() and " " not in value else None
    return value if isinstance(value, int) and not isinstance(value, bool) else None
