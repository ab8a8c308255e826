"""Source 3: property-based calls, steered at the failure modes that are rarest so far.

Every call that reaches new lines, a new mode or a new type of outcome is kept with the calls before it.
A mode is then approached from the kept call that came nearest to it: its arguments, its start state and
the calls before it are changed where the mode's condition looks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from pydantic import JsonValue

from artis_sdk.records import ToolCall
from artis_sdk.records.outcome_type import SUCCESS
from artis_sdk.tools import GuardedTool
from artis_sdk.tools.source_checks.read import FailureMode
from artis_sdk.trainers.failure_modes.taxonomy import Taxonomy
from artis_sdk.trainers.generate.coverage import Coverage
from artis_sdk.trainers.generate.hints import Hints, described, neighbours, triggers
from artis_sdk.trainers.generate.mutation import Logged
from artis_sdk.trainers.generate.places import Places
from artis_sdk.trainers.generate.strategies import argument, draw
from artis_sdk.trainers.generate.tasks import CallResult, Draft, TaskRun
from artis_sdk.trainers.generate.trace import Line
from artis_sdk.trainers.generate.values import Pool
from artis_sdk.trainers.generate.worlds import Change, StartState

_BATCH = 24  # sets of arguments drawn at once
_LONGEST = 6  # calls of a task
_EXPLORING = 0.15  # share of the tasks about a tool, not about a mode
_KEPT = 30  # calls kept for one tool
_SEEDS = 4  # logged calls to begin from, for one tool


@dataclass(slots=True)
class Kept:
    """A call to start from, with the calls before it: the last call of its draft."""

    draft: Draft
    lines: frozenset[Line] = frozenset()
    type: str = SUCCESS
    modes: tuple[FailureMode, ...] = ()
    """Mode by which it failed."""
    tries: int = 0


class Guided:
    """Makes drafts, and learns from every task that was run.

    Args:
        worlds: worlds of the tasks.
        taxonomy: taxonomy of their tools.
        coverage: coverage so far.
        pool: values of logs and outcomes.
        places: places of the start states.
        logged: logged tasks to start from.
        random: source of random decisions.
        vary: whether to change start states too.
    """

    name = "property"

    def __init__(
        self,
        worlds: Sequence[StartState],
        taxonomy: Taxonomy,
        coverage: Coverage,
        pool: Pool,
        places: Places,
        logged: Sequence[Logged],
        random: Random,
        *,
        vary: bool = True,
    ) -> None:
        self._tools: dict[str, GuardedTool[..., Any]] = {}
        self._worlds: dict[str, list[int]] = {}
        for number, world in enumerate(worlds):
            for tool in world.tools:
                self._tools.setdefault(tool.name, tool)
                self._worlds.setdefault(tool.name, []).append(number)
        self._by_world = [list(world.tools.names) for world in worlds]
        self._coverage = coverage
        self._pool = pool
        self._places = places
        self._random = random
        self._vary = vary
        self._hints = {name: Hints(taxonomy.tools[name].functions) for name in self._tools}
        self._kept: dict[str, list[Kept]] = {name: [] for name in self._tools}
        self._worked: dict[frozenset[str], list[tuple[Change, ...]]] = {}
        """Changes of start states that led to a mode, by the names in its condition."""
        self._lines: set[tuple[str, Line]] = set()
        self._tries: Counter[Any] = Counter()
        self._called: Counter[str] = Counter()
        self._drawn: dict[tuple[str, str], list[JsonValue]] = {}
        self._seed = random.getrandbits(48)
        for task in logged:
            for at, call in enumerate(task.calls):
                kept = self._kept.get(call.tool)
                if kept is not None and len(kept) < _SEEDS:
                    calls = task.calls[max(0, at - 2 * len(kept)) : at + 1]
                    draft = Draft(self.name, task.world, calls, session=task.session)
                    kept.append(Kept(draft))

    # --- learning ---------------------------------------------------------------------------------

    def learn(self, ran: TaskRun, new: Sequence[CallResult]) -> None:
        """Keep calls to start from.

        Args:
            ran: finished task of any source.
            new: its calls that reached a mode or a type of outcome for the first time.
        """
        calls = tuple(reached.step.call for reached in ran.reached)
        for number, reached in enumerate(ran.reached):
            tool = reached.step.call.tool
            self._called[tool] += 1
            if reached.type == SUCCESS and isinstance(reached.step.outcome.value, dict):
                self._pool.add_state(reached.step.outcome.value)
            fresh = {(tool, line) for line in reached.lines} - self._lines
            self._lines |= fresh
            for mode in reached.modes if ran.draft.changes else ():
                self._worked.setdefault(mode.site.names, []).append(ran.draft.changes)
            if fresh or reached in new or len(self._kept[tool]) < _SEEDS:
                draft = replace(ran.draft, source=self.name, calls=calls[: number + 1][-_LONGEST:])
                self._keep(tool, Kept(draft, reached.lines, reached.type, reached.modes))

    def _keep(self, tool: str, found: Kept) -> None:
        kept = self._kept[tool]
        kept.append(found)
        if len(kept) > _KEPT:
            kept.remove(max(kept, key=lambda one: one.tries))

    # --- drafts -----------------------------------------------------------------------------------

    def draft(self) -> Draft:
        """The next task."""
        mode = None if self._random.random() < _EXPLORING else self._target()
        tool = mode.tool if mode is not None else self._rarest_tool()
        base = self._base(tool, mode)
        mode = self._obstacle(base, mode) or mode
        draft = replace(base.draft, calls=self._shortened(base.draft.calls))
        weights = self._weights(draft, mode)
        changes = self._random.choices(_CHANGES, weights, k=1 + (self._random.random() < 0.4))
        for change in dict.fromkeys(changes):
            draft = change(self, draft, mode)
        return draft

    def _weights(self, draft: Draft, mode: FailureMode | None) -> tuple[float, ...]:
        """Probability of each of `_CHANGES`, by whether it reaches the values in the condition."""
        names = mode.site.names if mode is not None else frozenset()
        arguments = not names or not names.isdisjoint(self._properties(draft.calls[-1].tool))
        state = self._vary and self._places.has(draft.world, names)
        before = any(self._hints[name].changes & names for name in self._here(draft.world))
        return (0.45 if arguments else 0.2, 0.35 if state else 0.08, 0.25 if before else 0.08, 0.1, 0.08)

    def _target(self) -> FailureMode | None:
        """A mode; rare and seldom tried ones are more likely."""
        modes = self._coverage.modes
        if not modes:
            return None
        weights = [
            0.02 / (1 + self._coverage.count(mode.key))
            if mode.key in self._coverage.first
            else 1 / (1 + self._tries[mode.key])
            for mode in modes
        ]
        mode = self._random.choices(modes, weights)[0]
        self._tries[mode.key] += 1
        return mode

    def _rarest_tool(self) -> str:
        names = list(self._tools)
        return self._random.choices(names, [1 / (1 + self._called[name]) for name in names])[0]

    def _obstacle(self, base: Kept, mode: FailureMode | None) -> FailureMode | None:
        """The other mode by which the call failed before it reached this one."""
        others = [other for other in base.modes if mode is None or other.key != mode.key]
        there = mode is not None and (mode.site.file, mode.site.gate) in base.lines
        if others and self._random.random() < (0.1 if there else 0.4):
            return self._random.choice(others)
        return None

    def _base(self, tool: str, mode: FailureMode | None) -> Kept:
        """The kept call that came nearest to a mode, or a new call."""
        kept = self._kept[tool]
        if not kept or self._random.random() < 0.1:
            world = self._random.choice(self._worlds[tool])
            return Kept(Draft(self.name, world, (self._new_call(tool, world),)))
        if mode is None or self._random.random() < 0.2:
            chosen = self._random.choice(kept)
        else:
            scores = [_nearness(one, mode) for one in kept]
            best = [one for one, score in zip(kept, scores, strict=True) if score == max(scores)]
            fewest = min(one.tries for one in best)
            chosen = self._random.choice([one for one in best if one.tries <= fewest + 2])
        chosen.tries += 1
        return chosen

    def _shortened(self, calls: tuple[ToolCall, ...]) -> tuple[ToolCall, ...]:
        """The draft without some of its earlier calls, which often were not needed."""
        if len(calls) > 1 and self._random.random() < 0.5:
            return (*(call for call in calls[:-1] if self._random.random() < 0.5), calls[-1])
        return calls

    # --- changes ---------------------------------------------------------------------------------

    def _other_world(self, draft: Draft, mode: FailureMode | None) -> Draft:
        """The same calls from another start state."""
        found = set(self._worlds[draft.calls[0].tool])
        for call in draft.calls[1:]:
            found &= set(self._worlds[call.tool])
        return replace(draft, world=self._random.choice(sorted(found)), changes=()) if found else draft

    def _arguments(self, draft: Draft, mode: FailureMode | None) -> Draft:
        """The last call with one or two arguments drawn again, those of the condition first."""
        *before, call = draft.calls
        parameters = list(self._properties(call.tool))
        if not parameters:
            return self._before(draft, mode)
        focus = [name for name in parameters if mode is not None and name in mode.site.names]
        arguments = dict(call.arguments)
        for _ in range(1 + (self._random.random() < 0.3)):
            name = self._random.choice(focus if focus and self._random.random() < 0.8 else parameters)
            if len(parameters) > 1 and self._random.random() < 0.1:
                arguments[name] = arguments.get(self._random.choice(parameters), arguments.get(name))
            else:
                arguments[name] = self._value(call.tool, name, draft.world, mode)
        return replace(draft, calls=(*before, ToolCall(tool=call.tool, arguments=arguments)))

    def _state(self, draft: Draft, mode: FailureMode | None) -> Draft:
        """The start state changed where the condition looks, else anywhere."""
        if not self._vary:
            return self._arguments(draft, mode)
        names = mode.site.names if mode is not None else frozenset()
        if names in self._worked and self._random.random() < 0.4:
            return replace(draft, changes=self._random.choice(self._worked[names]))
        hints = self._hints[draft.calls[-1].tool].of(names)
        near = frozenset(v for v in draft.calls[-1].arguments.values() if isinstance(v, str))
        change = self._places.change(draft.world, names, hints, self._random, near=near)
        if change is None:
            change = self._places.change(draft.world, self._places.names(draft.world), [], self._random)
        if change is None:
            return self._arguments(draft, mode)
        kept = tuple(old for old in draft.changes if old.path != change.path)
        return replace(draft, changes=(*kept, change)[-3:])

    def _again(self, draft: Draft, mode: FailureMode | None) -> Draft:
        """The call twice."""
        return replace(draft, calls=(*draft.calls, draft.calls[-1])[-_LONGEST:])

    def _before(self, draft: Draft, mode: FailureMode | None) -> Draft:
        """A call added before: of a tool that changes the values in the condition."""
        *before, call = draft.calls
        here = self._here(draft.world)
        names = mode.site.names if mode is not None else frozenset()
        changing = [name for name in here if self._hints[name].changes & names]
        tool = self._random.choice(changing if changing and self._random.random() < 0.9 else here)
        earlier = self._about(self._known_call(tool, draft.world), call)
        at = self._random.randint(0, len(before))
        return replace(draft, calls=(*before[:at], earlier, *before[at:], call)[-_LONGEST:])

    def _about(self, earlier: ToolCall, call: ToolCall) -> ToolCall:
        """An earlier call with some arguments of a later one."""
        dice = self._random.random()
        shared = {name: value for name, value in call.arguments.items() if name in earlier.arguments}
        if shared and dice < 0.5:
            return ToolCall(tool=earlier.tool, arguments={**earlier.arguments, **shared})
        if earlier.arguments and dice < 0.8:
            name = self._random.choice(list(earlier.arguments))
            alike = [v for v in call.arguments.values() if type(v) is type(earlier.arguments[name])]
            if alike:
                value = self._random.choice(alike)
                return ToolCall(tool=earlier.tool, arguments={**earlier.arguments, name: value})
        return earlier

    def _here(self, world: int) -> list[str]:
        """The tools of a world."""
        return self._by_world[world]

    # --- calls and values -------------------------------------------------------------------------

    def _known_call(self, tool: str, world: int) -> ToolCall:
        """A call that worked before, sometimes with an argument drawn again."""
        worked = [k for k in self._kept[tool] if k.type == SUCCESS]
        if not worked:
            return self._new_call(tool, world)
        call = self._random.choice([k for k in worked if k.draft.world == world] or worked).draft.calls[-1]
        known = [name for name in call.arguments if name in self._properties(tool)]
        if known and self._random.random() < 0.3:
            name = self._random.choice(known)
            value = self._value(tool, name, world, None)
            call = ToolCall(tool=tool, arguments={**call.arguments, name: value})
        return call

    def _new_call(self, tool: str, world: int) -> ToolCall:
        required = set(self._tools[tool].schema.get("required", ()))
        arguments = {
            name: self._value(tool, name, world, None)
            for name in self._properties(tool)
            if name in required or self._random.random() < 0.5
        }
        return ToolCall(tool=tool, arguments=arguments)

    def _value(self, tool: str, name: str, world: int, mode: FailureMode | None) -> JsonValue:
        """A value for a parameter: of this world, of the code's constants, or drawn by hypothesis."""
        groups = self._groups(tool, name, world, mode)
        if self._random.random() < 0.6:
            group = self._random.choice(groups)
            if group:
                return self._random.choice(group)
        return self._draw(tool, name)

    def _groups(self, tool: str, name: str, world: int, mode: FailureMode | None) -> list[list[JsonValue]]:
        """Values to try, by reason."""
        local, schema = self._places.pool(world), self._properties(tool)[name]
        text = str(schema.get("description", ""))
        near = local.near(name) or local.near(text)
        groups = [local.named(name), near, self._hints[tool].of((name,)), described(text)]
        kind = _KINDS.get(schema.get("type", ""))
        if kind is not None:
            groups.append(local.like(kind))
        if kind is str:
            groups.append(local.keys)
        if mode is not None and mode.tool == tool:
            names = mode.site.names - {name}
            beside = [v for other in sorted(names) for v in local.named(other) or local.near(other)]
            compared = self._hints[tool].of(names)
            if kind is str:  # a compared number may have been read from this text
                groups.append([str(v) for v in compared if type(v) in (int, float)])
            groups += [
                compared,
                [n for value in beside for n in (value, *neighbours(value))],
            ]
            groups += [triggers(mode.site.condition)] * 4
        return [group for group in groups if group] or [[]]

    def _draw(self, tool: str, name: str) -> JsonValue:
        """The next value that hypothesis has drawn for this parameter."""
        queue = self._drawn.setdefault((tool, name), [])
        if not queue:
            hints, schema = self._hints[tool], self._tools[tool].schema
            strategies = {
                parameter: argument(
                    properties,
                    (
                        self._pool.named(parameter),
                        self._pool.near(parameter),
                        hints.of((parameter,)),
                        hints.literals.list(),
                    ),
                    wrong=not self._tools[tool].checks_types,
                    root=schema,
                )
                for parameter, properties in self._properties(tool).items()
            }
            self._seed += 1
            for arguments in draw(strategies, _BATCH, self._seed):
                for parameter, value in arguments.items():
                    self._drawn.setdefault((tool, parameter), []).append(value)
            queue = self._drawn[tool, name]
        return queue.pop() if queue else None

    def _properties(self, tool: str) -> dict[str, Any]:
        properties: dict[str, Any] = self._tools[tool].schema.get("properties", {})
        return properties


_CHANGES = (Guided._arguments, Guided._state, Guided._before, Guided._again, Guided._other_world)
_KINDS: dict[str, type] = {"string": str, "integer": int, "number": float, "boolean": bool, "array": list}


def _nearness(kept: Kept, mode: FailureMode) -> int:
    """Progress of a call towards a mode: whether it met the nearest test, and the lines up to it."""
    site = mode.site
    before = sum(file == site.file and site.line - 40 <= line < site.line for file, line in kept.lines)
    return before + (1000 if (site.file, site.gate) in kept.lines else 0)
