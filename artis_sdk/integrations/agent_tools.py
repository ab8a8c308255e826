"""The tools of another framework's agent: guarded where the framework calls them, the tools untouched."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import FunctionType, MethodType
from typing import Any

from pydantic import JsonValue

from artis_sdk.errors import ConfigurationError, SimulationError, ToolDefinitionError, ToolFailure
from artis_sdk.records import Outcome, Provenance, Risk
from artis_sdk.records.jsonable import jsonable
from artis_sdk.records.marked_failure import UNTYPED, marked_failure
from artis_sdk.tools.binding import BoundArguments
from artis_sdk.tools.definition import Definition
from artis_sdk.tools.failures import FailureRules
from artis_sdk.tools.guarded import GuardedTool
from artis_sdk.tools.json_schema import SchemaChecker
from artis_sdk.tools.originals import running_body
from artis_sdk.tools.routing import entry
from artis_sdk.tools.schema_binding import SchemaBinding
from artis_sdk.tools.toolset import Toolset
from artis_sdk.tools.world import current, refuse, route

Make = Callable[[dict[str, Any]], Any]
"""The framework's own way to make one call, with its context: from arguments by name to its result, or to an
awaitable of it."""

MAKE = "artis_make"
"""The hidden parameter with which a call brings its `Make`."""


@dataclass(frozen=True, slots=True)
class PlainValue:
    """A tool's value from a simulator or a journal, which is JSON and no object of the framework's."""

    value: JsonValue

    @property
    def text(self) -> str:
        """The value as tools give it to a model: a text as it is, all else as JSON."""
        return self.value if isinstance(self.value, str) else json.dumps(self.value, ensure_ascii=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolFacts:
    """What a framework says about one of its tools."""

    name: str
    description: str
    parameters: Mapping[str, Any]
    """JSON schema of what a model passes: no context parameter."""
    risk: Risk | None = None
    """Its risk, where the framework knows one."""
    function: object | None = None
    """The Python function or method behind it, which nobody else may call in a world; None where unknown."""
    alone: Make | None = None
    """Makes a call without the framework's context, for a replayed plan; None where it needs one."""
    failed: Callable[[Any], str | None] | None = None
    """Failure type of a result that the framework marks as failed, `UNTYPED` if it names none; None for a
    success."""
    shown: Callable[[Any], Any] | None = None
    """A result of the framework's as the tool's value."""
    output_schema: Mapping[str, Any] | None = None
    """JSON schema of its value, or of `{"result": value}`; a prediction must fit it."""
    validated: bool = False
    """Whether the framework has checked the arguments before it makes a call."""


class AgentTools:
    """Tools of one agent, by name; every call goes to the world of its context.

    Args:
        risks: risks by tool name.
        default_risk: risk of all other tools of which the framework says nothing.
    """

    def __init__(
        self, risks: Mapping[str, Risk] | None = None, default_risk: Risk = Risk.IRREVERSIBLE
    ) -> None:
        self._risks = dict(risks or {})
        self._default = default_risk
        self._async: dict[str, GuardedTool[..., Any]] = {}
        self._sync: dict[str, GuardedTool[..., Any]] = {}
        self._facts: dict[str, ToolFacts] = {}

    def toolset(self, found: Iterable[ToolFacts]) -> Toolset:
        """Guard what an agent has.

        Raises:
            ConfigurationError: `risks` names a tool that the agent does not have.
            ToolDefinitionError: two tools have one name, or a schema is not valid.
        """
        facts = list(found)
        tools = Toolset(*(self._guard(one) for one in facts))
        unknown = sorted(self._risks.keys() - set(tools.names))
        if unknown:
            raise ConfigurationError(
                f"risks= names {', '.join(unknown)}, and the agent has no such tool; "
                f"it has {', '.join(tools.names) or 'none'}"
            )
        return tools

    def _guard(self, facts: ToolFacts) -> GuardedTool[..., Any]:
        if MAKE in facts.parameters.get("properties", {}):
            raise ToolDefinitionError(f"{facts.name}: rename its parameter {MAKE!r}, which is taken")
        self._facts[facts.name] = facts
        risk = self._risks.get(facts.name, facts.risk or self._default)
        definition = Definition(
            name=facts.name,
            risk=Risk(risk),
            failures=_FrameworkFailures((), () if facts.failed is None else (facts.failed,)),
            hide=frozenset([MAKE]),
        )
        self._sync[facts.name] = GuardedTool(definition, FrameworkBinding(facts, is_async=False), entry)
        guarded = self._async[facts.name] = GuardedTool(
            definition, FrameworkBinding(facts, is_async=True), entry
        )
        return guarded

    async def acall(self, name: str, arguments: Mapping[str, Any], make: Make) -> Any:
        """Make a call in the context's world: the framework's own result, or a `PlainValue`.

        Args:
            name: the tool.
            arguments: its arguments by name.
            make: makes the real call.

        Raises:
            ToolFailure: the world answers with a failure; the framework tells its model of it.
            FirewallError: the session does not have the tool.
        """
        tool = self._async.get(name)
        if tool is None:
            return await _awaited(self._unknown(name, arguments, make))
        return await tool(**arguments, **{MAKE: make})

    def call(self, name: str, arguments: Mapping[str, Any], make: Make) -> Any:
        """As `acall`, for a framework that calls tools in sync code."""
        tool = self._sync.get(name)
        if tool is None:
            return self._unknown(name, arguments, make)
        return tool(**arguments, **{MAKE: make})

    def get(self, name: str) -> GuardedTool[..., Any] | None:
        """The tool of this name; None if the agent had none when the session was opened."""
        return self._async.get(name)

    def facts(self, name: str) -> ToolFacts | None:
        """What the framework says about the tool of this name."""
        return self._facts.get(name)

    def _unknown(self, name: str, arguments: Mapping[str, Any], make: Make) -> Any:
        """The plain call, where no plan need know of it."""
        refuse_unseen(name)
        return make(dict(arguments))


def refuse_unseen(name: str) -> None:
    """Refuse the call of a tool of which no plan knows, but not outside of sessions and not in the body of a
    tool that a commit runs: such a call is part of that tool's.

    Args:
        name: the tool's.

    Raises:
        FirewallError: it is refused.
    """
    if in_a_real_body() or route(name) is None:
        return
    refuse(
        name,
        "refused: no plan knows it. The agent got this tool after the session was opened, or code or another "
        "agent, which the session has not seen, calls it. Give it to the agent before, so that the framework "
        "calls it; where rehearsed() takes agents=, name there the agent that has it",
        current.get(),
    )


def in_a_real_body() -> bool:
    """Whether this context runs the body of a tool for a commit."""
    body = running_body.get()
    return body is not None and body.is_real


class SimulatedFailure(ToolFailure):
    """A predicted failure, whose text is that of the exception that the real tool would raise."""

    def __str__(self) -> str:
        return told(self)


class FrameworkBinding(SchemaBinding):
    """A tool that only its framework can call, with the `Make` of the call."""

    original_is_function = False

    def __init__(self, facts: ToolFacts, *, is_async: bool) -> None:
        super().__init__(facts.name, facts.description, facts.parameters, self._run, hidden=frozenset([MAKE]))
        self._facts = facts
        self._is_async = is_async
        if is_async:
            self._call = self._arun

    @property
    def is_async(self) -> bool:
        return self._is_async

    @property
    def original(self) -> object | None:
        function = _plain(self._facts.function)
        return function.__func__ if isinstance(function, MethodType) else function

    @property
    def bound_to(self) -> object | None:
        function = _plain(self._facts.function)
        return function.__self__ if isinstance(function, MethodType) else None

    @property
    def function(self) -> Callable[..., Any]:
        return self._call

    def bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> BoundArguments:
        if not self._facts.validated:
            return super().bind(args, kwargs)
        shown = {name: value for name, value in kwargs.items() if name != MAKE}
        return BoundArguments(shown, (), kwargs)

    def returned(self, value: JsonValue) -> Any:
        schema = self._facts.output_schema
        if schema is not None:
            _check_output(self.tool, schema, value)
        return PlainValue(value)

    def shown(self, value: Any) -> Any:
        return value if self._facts.shown is None else self._facts.shown(value)

    def _run(self, /, *, artis_make: Make | None = None, **arguments: Any) -> Any:
        """The real call. Only a commit comes here, and calls outside of sessions."""
        body = running_body.get()
        if body is not None and not body.is_real:
            raise SimulationError(
                self.tool,
                "a sandbox cannot run it, because it needs its framework and the context of a call. "
                "Simulate it "
                "with a model or a log, or give the function behind it to a session with your own agent",
            )
        make = artis_make or self._facts.alone
        if make is None:
            raise ToolFailure(
                self.tool,
                "needs_its_framework",
                "this call was not made: it needs the context that its framework gives a tool. Commit with "
                "mode='guided' or mode='bound', in which the agent makes its calls",
            )
        return make(arguments)

    async def _arun(self, /, *, artis_make: Make | None = None, **arguments: Any) -> Any:
        return await _awaited(self._run(artis_make=artis_make, **arguments))


class _FrameworkFailures(FailureRules):
    """The classifiers read the framework's marks, as an importer reads a log's. A predicted failure is a
    `ToolFailure`, of which an integration makes what its framework expects."""

    __slots__ = ()

    @property
    def declares(self) -> bool:
        return False

    def outcome(
        self, value: Any, shown: JsonValue, provenance: Provenance, duration: float | None
    ) -> Outcome:
        found = self.classify(value)
        if found is None:
            return Outcome.success(shown, provenance, duration=duration)
        return marked_failure(found, jsonable(shown), provenance, duration)

    def observed(self, value: Any, shown: Any) -> tuple[Any, tuple[str, str] | str | None]:
        made = self.outcome(value, shown, Provenance.REAL, None)
        raised = (made.type, made.message or "") if made.raised else made.failure_type
        return made.value, raised

    def exception(self, tool: str, failure_type: str, message: str, scope: Mapping[str, Any]) -> Exception:
        kind: type[SimulatedFailure] = SimulatedFailure
        if failure_type.isidentifier():  # frameworks write the class's name in front of the message
            kind = type(failure_type, (SimulatedFailure,), {})
        return kind(tool, failure_type, message)


def _check_output(tool: str, schema: Mapping[str, Any], value: JsonValue) -> None:
    given = value if isinstance(value, dict) else {"result": value}
    wrong = next(SchemaChecker(schema).problems(given), None)
    if wrong is not None:
        raise SimulationError(tool, f"the predicted value does not fit its output schema: {wrong}")


async def _awaited(value: Any) -> Any:
    return await value if inspect.isawaitable(value) else value


def _plain(function: object | None) -> FunctionType | MethodType | None:
    """The Python function or method; None for what nobody can guard in place, such as generators."""
    plain = getattr(function, "__func__", function)
    if not isinstance(plain, FunctionType) or inspect.isgeneratorfunction(plain):
        return None
    if inspect.isasyncgenfunction(plain):
        return None
    return function if isinstance(function, FunctionType | MethodType) else None


def told(failure: ToolFailure) -> str:
    """What a model reads of a failure: the type, where the message does not say it."""
    if not failure.message:
        return failure.failure_type
    if " " in failure.message or failure.failure_type == UNTYPED:
        return failure.message
    return f"{failure.failure_type}: {failure.message}"


def read_json(value: Any) -> Any:
    """The value that a text says, if it is a JSON object or array; else the value as it is."""
    if not isinstance(value, str) or not value.lstrip().startswith(("{", "[")):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value
