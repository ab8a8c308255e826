"""The paper's perfect simulator: the real code over a fork of its objects."""

from __future__ import annotations

import copy
import inspect
import os
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property, partial
from itertools import takewhile
from threading import Event
from typing import Any

from artis_sdk.contracts import Meter, Simulator, Tool
from artis_sdk.errors import ConfigurationError, SimulationError
from artis_sdk.records import History, Outcome, Provenance, Risk, State, Step, ToolCall, new_id
from artis_sdk.simulators.checks import checked
from artis_sdk.simulators.copies import check_independent, copied
from artis_sdk.simulators.forks.making import Making, forking
from artis_sdk.simulators.past import HistoryCursor
from artis_sdk.simulators.process_state import OwnDefaults, OwnPrecision, ProcessState
from artis_sdk.simulators.replies import keep, kept_within
from artis_sdk.simulators.seal import Allowed, Predicate, Seal, sealed
from artis_sdk.tools import Invocation, Toolset
from artis_sdk.tools.execute import INJECTED, execute
from artis_sdk.tools.passed import to_run
from artis_sdk.tools.protocols import RunnableTool, fitting
from artis_sdk.tools.world import sandboxed

Guarded = RunnableTool


class SandboxSimulator(Simulator):
    """Runs the tools' real code, for each attempt over its own fork of the objects behind them.

    An object is forked by its `fork=` in `Toolset.from_object`, else by its `__fork__` method, else by
    `fork`. The objects are forked together, so that parts which they share stay shared in the fork.
    Guarded calls inside a tool's body go to the same fork; a call that would leave it, to an object
    that was not forked or to a function, is refused and ends the attempt.

    A fork that shares something mutable with the original, or holds an open connection, is an error.
    While a body runs, acts that would leave the process are refused: see `artis_sdk.simulators.seal`.
    A change to the whole process ends the attempt: see `artis_sdk.simulators.process_state`. C code
    that opens files or sockets by itself is not seen.

    The objects must be in their state before the first step of the history, or, in a session, before
    the attempt. Steps that this sandbox did not answer itself, such as those of a higher rung of a
    `Ladder`, are first run on the fork; if an outcome differs from the history's, the sandbox predicts
    nothing from then on.

    Args:
        fork: function that makes an independent copy of an object without its own fork. `copy.deepcopy`
            receives all such objects at once; another function receives one after the other, so objects
            that share state need a fork that knows it.
        pure: names of functions and static methods, which have no object to fork, that change nothing
            and may run unchanged. A call of any other is a `SimulationError`.
        allow: permissions of bodies outside of the fork: names of acts (`socket.connect`), absolute paths
            of files and folders that may be written, and predicates over an act and its target.
        share: parts that a fork may share with the original: classes, objects, and paths as errors
            write them (`Bank.registry`). `share` is about parts of objects, `allow` about acts of code.

    Raises:
        ConfigurationError: an entry of `allow` is not an act, path or predicate.
    """

    def __init__(
        self,
        fork: Callable[[Any], Any] = copy.deepcopy,
        *,
        pure: Iterable[str] = (),
        allow: Iterable[str | os.PathLike[str] | Predicate] = (),
        share: Iterable[Any] = (),
    ) -> None:
        self._fork = fork
        self._pure = frozenset(pure)
        self._allow = tuple([allow] if isinstance(allow, str) else allow)
        Allowed(self._allow)  # raises now if an entry is wrong
        self._share = tuple(share)

    @property
    def runs_code(self) -> bool:
        return True

    async def predict(self, call: ToolCall, state: State, history: History) -> Outcome:
        """See `Simulator.predict`; a sandbox predicts only when it has been forked.

        Raises:
            SimulationError: always.
        """
        raise SimulationError(call.tool, "a sandbox has no objects until it is forked for an attempt")

    def fork(self, tools: Iterable[Tool], meter: Meter) -> ForkedSandbox:
        """See `Simulator.fork`.

        Raises:
            ConfigurationError: an object cannot be forked, or `pure` names something that is not a
                function.
        """
        guarded = fitting(tools, RunnableTool)  # type: ignore[type-abstract]
        for name in sorted(self._pure - {tool.name for tool in guarded if tool.owner is None}):
            raise ConfigurationError(f"SandboxSimulator(pure=...): no tool is a function named {name!r}")
        making = Making()
        try:
            with forking(making):
                copies = copied(guarded, self._fork, making)
            shared = check_independent(guarded, copies.values(), [*self._share, *making.vouched])
            owners = [tool.owner for tool in guarded if tool.owner is not None]
            process = ProcessState(map(_undecorated, guarded), owners, self._share, shared.code())
            allowed = Allowed([*self._allow, *making.allowed])
        except BaseException:
            making.stack.close()
            raise
        pure = {tool.name: tool for tool in guarded if tool.name in self._pure}
        return ForkedSandbox(guarded, copies, making, pure, allowed, process)


class ForkedSandbox(Simulator):
    """One attempt's fork.

    Args:
        tools: the session's tools, bound to the real objects.
        copies: the forked objects, by the id of the real one.
        making: record of everything made for them.
        pure: names of functions that may run unchanged.
        allowed: permissions of bodies outside of the fork.
        process: places of the whole process that bodies might change.
    """

    def __init__(
        self,
        tools: Iterable[Guarded],
        copies: Mapping[int, Any],
        making: Making,
        pure: Mapping[str, Guarded],
        allowed: Allowed,
        process: ProcessState,
    ) -> None:
        self._originals = tuple(tools)  # keeps the real objects, and so their ids, alive
        self._copies = copies
        self._making = making
        self._pure = pure
        self._allowed = allowed
        self._process = process
        self._precision = OwnPrecision()
        self._defaults = OwnDefaults()
        self._refused: list[SimulationError] = []
        """Refusals to bodies, including those still running after their call."""
        self._tools = {tool.name: self._forked(tool) for tool in self._originals}
        self._past = HistoryCursor()
        self._own: deque[Step] = deque()
        """Steps that ran here and have not been seen in a history yet."""
        self._lost: str | None = None
        """Reason why the fork's state is no longer known."""
        self._late: tuple[str, Event] | None = None
        """A call still running after its timeout, and the event of its end."""

    @property
    def runs_code(self) -> bool:
        return True

    @property
    def tools(self) -> Toolset:
        """The tools, bound to the forked objects."""
        tools: Iterable[Any] = (tool for tool in self._tools.values() if tool is not None)
        return Toolset(*tools)

    def begin(self, history: History) -> None:
        """See `Simulator.begin`: the fork was made of objects that already show the real calls."""
        self._past.advance(tuple(takewhile(_is_real, history)))

    async def aclose(self) -> None:
        """See `Simulator.aclose`.

        Raises:
            SimulationError: an act of a body was refused after its call had ended.
        """
        self._making.stack.close()
        if self._refused:
            raise self._refused[0]

    def state(self) -> State:
        """The present state of the forked objects, in the form of `Toolset.state`, and the content of forked
        files and databases by their name; None if it is not known, because a call did not run to its end."""
        late = self._late is not None and not self._late[1].is_set()
        if late or self._lost is not None:
            return None
        objects: Any = self.tools.state() or {}
        for name, read in self._making.contents.items():
            objects[f"fork {name}" if name in objects else name] = read()
        return objects or None

    async def predict(self, call: ToolCall, state: State, history: History) -> Outcome:
        invocation = checked(self._tool(call), call)
        self._check(call)
        try:
            await self._make_good(call, history)
        except SimulationError as error:
            self._lost = self._lost or f"its history could not be run in full ({error}), so {_UNKNOWN}"
            raise
        if isinstance(invocation, Outcome):
            return invocation
        outcome = await self._run(invocation)
        self._own.append(Step(call=call, outcome=outcome))
        return outcome

    def _tool(self, call: ToolCall) -> Guarded:
        if call.tool not in self._tools:
            raise SimulationError(call.tool, "the sandbox has no tool of this name")
        tool = self._tools[call.tool]
        if tool is None:
            raise SimulationError(call.tool, _NO_OBJECT)
        if tool.injects:
            raise SimulationError(call.tool, INJECTED)
        return tool

    def _check(self, call: ToolCall) -> None:
        if self._late is not None:
            name, ended = self._late
            if not ended.is_set():
                raise SimulationError(call.tool, f"{name} is still running after its timeout, so {_UNKNOWN}")
            self._late = None
        if self._lost is not None:
            raise SimulationError(call.tool, self._lost)
        if self._refused:  # by code that a call left running
            raise self._refused[0]

    async def _make_good(self, call: ToolCall, history: History) -> None:
        """Bring the fork to the end of the history."""
        new = self._past.advance(history)
        if new is None:
            raise SimulationError(
                call.tool, "the given history differs from the calls that this sandbox has run"
            )
        for step in new:
            if self._own and self._own[0].call == step.call:
                ran = self._own.popleft().outcome
            elif step.outcome.provenance is Provenance.FORCED:
                continue
            else:
                ran = await self._catch_up(step)
            if ran.type != step.outcome.type or ran.content() != step.outcome.content():
                name = step.call.tool
                raise SimulationError(name, "the real code returned an outcome that differs from the history")
        if self._own:
            raise SimulationError(
                self._own[0].call.tool, "it ran in the sandbox, but it is missing in the history"
            )

    async def _catch_up(self, step: Step) -> Outcome:
        """Run a step that another simulator answered."""
        invocation = checked(self._tool(step.call), step.call)
        outcome = invocation if isinstance(invocation, Outcome) else await self._run(invocation)
        self._check(step.call)
        return outcome

    async def _run(self, invocation: Invocation) -> Outcome:
        tool = invocation.tool
        ended = Event()
        changes: list[str] = []

        def body(*args: Any, **kwargs: Any) -> Any:
            try:
                return tool.function(*args, **kwargs)
            finally:
                ended.set()

        self._lost = f"{tool.name} did not run to its end, so {_UNKNOWN}"
        seal = Seal(tool.name, tool.owner, self._allowed, self._making.folders, self._refused)
        named = tool.named(invocation.args, invocation.kwargs)
        kwargs = self._defaults.given(tool.name, tool.function, named, invocation.kwargs)
        with self._process.watched(changes), self._precision.entered(), sealed(seal), sandboxed(self._admit):
            reply = await execute(tool, body, invocation.args, kwargs, Provenance.SANDBOXED)
            for check in self._making.checks:
                check()
        if self._refused:  # even if the body swallowed it
            raise self._refused[0]
        changes += seal.changed
        if changes:
            raise SimulationError(tool.name, _CHANGED.format(", ".join(changes)))
        if not ended.is_set() and tool.risk is not Risk.READ_ONLY:
            self._late = (tool.name, ended)
        self._lost = None
        keep(reply)
        return reply.outcome

    def _admit(self, invocation: Invocation) -> Callable[[], Any]:
        """The code that a guarded call inside a body runs."""
        tool = self._inside(invocation.tool)
        if tool is None:
            self._refused.append(SimulationError(invocation.tool.name, _OUTSIDE))
            raise self._refused[-1]
        if tool.idempotency_key is not None:
            invocation = invocation.with_key(new_id())
        args, kwargs = to_run(invocation, nested=True)
        run = partial(tool.function, *args, **kwargs)
        return kept_within(tool, invocation.call, run)

    def _inside(self, tool: Guarded) -> Guarded | None:
        """The tool, bound to an object of this fork; None if the fork has none."""
        if tool.owner is None:
            known = self._pure.get(tool.name)
            return known if known is not None and known.function is tool.function else None
        if id(tool.owner) in self._copies:  # the code reached the real object by another way
            return tool.on(self._copies[id(tool.owner)])
        return tool if id(tool.owner) in self._forked_ids else None

    @cached_property
    def _forked_ids(self) -> set[int]:
        """Ids of all objects that the fork made, without those shared with the original."""
        made = {id(value) for key, value in self._making.memo.items() if key != id(self._making.memo)}
        return (made - set(self._making.memo)) | {id(value) for value in self._copies.values()}

    def _forked(self, tool: Guarded) -> Guarded | None:
        if tool.owner is None:
            return self._pure.get(tool.name)
        return tool.on(self._copies[id(tool.owner)])


def _is_real(step: Step) -> bool:
    return step.outcome.provenance is Provenance.REAL


def _undecorated(tool: Guarded) -> Any:
    """The tool's undecorated function, for inspection."""
    return inspect.unwrap(getattr(tool.function, "__func__", tool.function))


_CHANGED = (
    "the sandboxed code changed state of the whole process: {}. It is not part of the fork, so other "
    "attempts and real calls see the change, too (mutable defaults and environment variables have been "
    "restored). Keep it in the object; or, if the change is intended, name it in "
    "SandboxSimulator(share=[...]), and os.putenv in allow=[...] for an environment variable"
)
_UNKNOWN = "the state of its fork is not known"
_NO_OBJECT = (
    "a function has no object that a sandbox could fork. Make it a method of an object in the Toolset, or, "
    "if it changes nothing, name it in SandboxSimulator(pure=...), or the setting `pure`"
)
_OUTSIDE = (
    "it was called inside a sandboxed tool, but it is not part of the sandbox, because its object was not "
    "forked with the others. Add it to the Toolset, or, if it is a function that changes nothing, name it in "
    "SandboxSimulator(pure=...)"
)
