"""The objects behind the tools of one attempt, made from the logged state, on which calls are computed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import FunctionType, MethodType
from typing import Any, Final

from artis_sdk.records import Outcome, Provenance, State
from artis_sdk.records.outcome_type import returned_type
from artis_sdk.simulators.interpreter.classes import module_of
from artis_sdk.simulators.interpreter.copying import copied
from artis_sdk.simulators.interpreter.defaults import Defaults
from artis_sdk.simulators.interpreter.errors import made_error
from artis_sdk.simulators.interpreter.examples import Example
from artis_sdk.simulators.interpreter.lift import Lift
from artis_sdk.simulators.interpreter.lowered import MOST_RETURNED, lowered
from artis_sdk.simulators.interpreter.sources import Sources
from artis_sdk.simulators.interpreter.statements import Interpreter
from artis_sdk.simulators.interpreter.values import (
    CannotTell,
    Hole,
    Method,
    Pending,
    Record,
    Thrown,
    plain,
    reached,
    size_of,
)
from artis_sdk.tools import GuardedTool, Invocation
from artis_sdk.tools.source_checks.static import name_of

_SHOWN: Final = (int, float, str, bool)
"""Types of drawn values that an outcome shows as they were."""

Tool = GuardedTool[..., Any]
Drawn = dict[tuple[Any, ...], Any]
Restore = Callable[[State], Iterable[object]]
"""Function of a logged state: the objects behind the tools, as they were then, in the tools' order."""


@dataclass(frozen=True, slots=True)
class Computed:
    """What a call does, as far as it is computed.

    Attributes:
        outcome: the outcome; None if it returns a value that is not known, and shows no failure.
        unknown: why the value is not known.
    """

    outcome: Outcome | None
    unknown: str = ""


class ComputedWorld:
    """Objects made from one state.

    Args:
        tools: the session's tools, of which objects and classes are read, never called.
        state: state before the first call.
        restore: see `Restore`; None to make the objects from the JSON alone.

    Raises:
        CannotTell: the state is too large, or lacks an object.
    """

    def __init__(self, tools: Iterable[Tool], state: State, restore: Restore | None = None) -> None:
        every = list(tools)
        owners = {id(tool.owner): tool.owner for tool in every if tool.owner is not None}
        names = _names(owners.values())
        functions = [function for tool in every if (function := _function(tool)) is not None]
        lift = Lift(functions[0].__module__ if functions else "")
        lift.measure(state)
        self._sources = Sources(functions)
        self._objects: dict[int, Record] = {}
        self._defaults = Defaults()
        self._void: dict[int, str] = {}
        """Why an object is not known any more, by the id of the real one."""
        if restore is not None:
            self._restored(owners, lift, restore(state))
        for key, owner in owners.items():
            inside = state.get(names[key]) if isinstance(state, dict) else None
            if key not in self._objects and isinstance(inside, dict):
                lift.home = module_of(type(owner))
                made = lift.stored(inside, None, Example([owner], here=True))
                self._objects[key] = made if isinstance(made, Record) else lift.record(inside, type(owner))
        lift.tell_apart()
        every_id = [_changeable(record) for record in self._objects.values()]
        self._shared = sum(map(len, every_id)) > len(set().union(*every_id))

    def _restored(self, owners: Mapping[int, object], lift: Lift, made: Iterable[object]) -> None:
        left = list(made)
        for key, owner in owners.items():
            at = next((n for n, one in enumerate(left) if type(one) is type(owner)), None)
            if at is not None:
                record = lift.object(left.pop(at))
                if isinstance(record, Record):
                    self._objects[key] = record

    def void(self, tool: Tool, why: str) -> None:
        """The effects of a call are not known, so its object is not known from now on.

        Objects that hold the same things go with it, and all do when the tool is no method.
        """
        alone = tool.owner is not None and not self._shared
        for key in (id(tool.owner),) if alone else self._objects:
            self._void[key] = why
        self._defaults.void(why)

    def copy(self) -> ComputedWorld:
        """The same objects once more, for a call that leaves these as they are."""
        made = object.__new__(ComputedWorld)
        known: dict[int, Any] = {}
        made._objects = {key: copied(record, known) for key, record in self._objects.items()}
        made._defaults = self._defaults.copy(known)
        made._void = dict(self._void)
        made._shared = self._shared
        made._sources = self._sources
        return made

    def compute(self, invocation: Invocation, drawn: Drawn | None = None) -> Computed:
        """Carry out a call on the objects.

        Args:
            invocation: the checked call.
            drawn: what its draws gave, by their paths, as far as a log tells.

        Raises:
            CannotTell: source and state do not determine whether it returns; the objects are void then.
        """
        return self._run(invocation, drawn)[0]

    def repeat(self, invocation: Invocation, outcome: Outcome) -> ComputedWorld:
        """The objects after a call that was made, with the values that its outcome shows.

        Raises:
            CannotTell: its effects are not determined, or it had another outcome than is computed.
        """
        first = self.copy()
        found, value, holes = first._run(invocation, None)
        drawn = {
            hole.path: said for hole in holes if (said := _drawn(hole, value, outcome.value)) is not None
        }
        if drawn:
            first = self.copy()
            found, value, holes = first._run(invocation, drawn)
        if found.outcome is None:
            if outcome.raised:
                raise CannotTell("an earlier call raised where the source returns")
        elif not _alike(found.outcome, outcome):
            raise CannotTell("an earlier call had another outcome than its source gives")
        return first.copy()  # which fails where the call left an iterator in the objects

    def _run(self, invocation: Invocation, drawn: Drawn | None) -> tuple[Computed, Any, list[Hole]]:
        tool = invocation.tool
        function = tool.function
        on = None
        if type(function) is MethodType:
            function = function.__func__
            on = tool.bound_to if tool.owner is None else self._objects.get(id(tool.owner))
            if id(tool.owner) in self._void:
                raise CannotTell(self._void[id(tool.owner)])
            if on is None:
                raise CannotTell(f"the state does not hold the object of {tool.name}")
        if type(function) is not FunctionType:
            raise CannotTell("it is not written in Python")
        lift = Lift(function.__module__)
        values = [lift.object(value) for value in invocation.args]
        named = {key: lift.object(value) for key, value in invocation.kwargs.items()}
        named |= {name: Hole(f"the hidden {name}") for name in tool.hidden if name not in named}
        interpreter = Interpreter(function, self._sources, drawn, self._defaults)
        value: Any = None
        try:
            value = interpreter.call(Method(function, on, on is not None), values, named)
            if isinstance(value, Pending):
                value = value.run()
            found = _returned(tool, value)
        except Thrown as thrown:
            error = made_error(thrown)
            found = Computed(tool.outcome_of_error(error, Provenance.CHECKED))
        return found, value, interpreter.holes


def _returned(tool: Tool, value: Any) -> Computed:
    try:
        plain = lowered(value)
    except CannotTell as error:
        if size_of(value, objects=True) > MOST_RETURNED:
            raise
        shown = _shown(value, 0)
        if tool.failure_type(shown) is not None or returned_type(shown) is not None:
            raise CannotTell(f"it fails, and {error}") from None
        return Computed(None, str(error))
    return Computed(tool.outcome(plain, Provenance.CHECKED))


def _shown(value: Any, depth: int) -> Any:
    """A value with a mark where it is not known, to see whether it is a failure."""
    if depth > 20:
        return None
    if isinstance(value, dict):
        return {str(key): _shown(item, depth + 1) for key, item in value.items() if isinstance(key, str)}
    if isinstance(value, list | tuple):
        return [_shown(item, depth + 1) for item in value]
    return value if plain(value) else "unknown"


def _changeable(record: Record) -> set[int]:
    """The ids of the objects and containers that a call may change."""
    return {key for key, one in reached(record).items() if isinstance(one, (Record, list, dict, set))}


def _function(tool: Tool) -> FunctionType | None:
    function = tool.function
    function = function.__func__ if type(function) is MethodType else function
    return function if type(function) is FunctionType else None


def _names(owners: Iterable[object]) -> dict[int, str]:
    """The key of each object in a state, as `Toolset.state` writes it."""
    found: dict[int, str] = {}
    for owner in owners:
        name = base = name_of(type(owner))
        number = 1
        while name in found.values():
            number += 1
            name = f"{base}_{number}"
        found[id(owner)] = name
    return found


def _drawn(hole: Hole, value: Any, said: Any) -> Any:
    """What a recorded value has where the computed one has a drawn one; None if it does not show it."""
    found = _in_place(hole, value, said)
    return found if hole.kind in _SHOWN and type(found) is hole.kind else None


def _in_place(hole: Hole, value: Any, said: Any) -> Any:
    if value is hole:
        return said
    if isinstance(value, Record):
        value = value.fields
    if isinstance(value, dict) and isinstance(said, dict):
        pairs = [(item, said.get(key)) for key, item in value.items() if isinstance(key, str)]
    elif isinstance(value, list | tuple) and isinstance(said, list):
        pairs = list(zip(value, said, strict=False))
    else:
        return None
    return next((one for item, inner in pairs if (one := _in_place(hole, item, inner)) is not None), None)


def _alike(computed: Outcome, real: Outcome) -> bool:
    if computed.ok != real.ok or computed.raised != real.raised:
        return False
    if computed.raised:
        return computed.failure_type == real.failure_type and computed.message == real.message
    return computed.content() == real.content()
