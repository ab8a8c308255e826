"""AutoGen: an `AssistantAgent` or a team rehearsed as it is, with the agents that are tools."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from artis_sdk.integrations.installed import needed

with needed("AutoGen", "autogen"):
    import autogen_agentchat  # noqa: F401

from autogen_agentchat.agents import CodeExecutorAgent
from autogen_agentchat.base import Handoff
from autogen_agentchat.tools._task_runner_tool import TaskRunnerTool
from autogen_core import CancellationToken
from autogen_core.tools import BaseTool, FunctionTool, StaticWorkbench, TextResultContent, Workbench
from autogen_core.tools import ToolResult as WorkbenchResult

from artis_sdk.errors import AgentError, ConfigurationError, ToolFailure
from artis_sdk.integrations.agent_tools import AgentTools, Make, PlainValue, ToolFacts, read_json
from artis_sdk.integrations.rehearsed_agent import RehearsedAgent, each_once
from artis_sdk.integrations.seams import called_by_name, check_seen, checked_in_all, exchanged, tools_here
from artis_sdk.loop.worlds import SimulatedWorld
from artis_sdk.records import Risk
from artis_sdk.records.marked_failure import UNTYPED
from artis_sdk.tools.guarded import GuardedTool
from artis_sdk.tools.toolset import Toolset
from artis_sdk.tools.world import current_world

__all__ = ["as_tool", "rehearsed"]

Run = Callable[[Any, str], Awaitable[Any]]
"""Runs the agent on a text: `async def run(agent, text)`, which returns the answer or the `TaskResult`."""

_STOPPED = "The group chat is stopped."
"""AutoGen's reason where a team's messages ran out before it came to an end."""


def as_tool(tool: Any, **options: Any) -> GuardedTool[..., Any]:
    """A tool object of the framework, for a session with an agent from elsewhere.

    Args:
        tool: the object.
        options: as in `GuardedTool.from_schema`, such as `risk`.
    """
    schema = tool.schema

    async def call(**arguments: Any) -> Any:
        return await tool.run_json(arguments, CancellationToken())

    parameters = schema.get("parameters", {"type": "object", "properties": {}})
    return GuardedTool.from_schema(tool.name, tool.description, parameters, call, **options)


def rehearsed(
    agent: Any,
    *,
    risks: Mapping[str, Risk] | None = None,
    default_risk: Risk = Risk.IRREVERSIBLE,
    run: Run | None = None,
) -> RehearsedAgent:
    """A session's agent from an AutoGen agent or team, whose tools and workbenches stay as they are.

    All participants of a team, hand-offs between them, and agents that are tools (`AgentTool`, `TeamTool`)
    are rehearsed with it. A predicted failure is an exception of the tool, of which AutoGen tells the model.
    Agents keep their conversation and run one task at a time, so attempts wait for each other, each begins
    with the state as it was, and only the commit adds to it.

    Args:
        agent: the agent or the team.
        risks: risks by tool name.
        default_risk: risk of all other tools.
        run: runs it, such as with `run_stream`: `async def run(agent, text)`, which returns the answer or the
            `TaskResult`; by default `agent.run(task=text)`.
    """
    return _Agent(agent, risks, default_risk, run)


@dataclass(eq=False, repr=False, kw_only=True)
class _Agent(RehearsedAgent):
    one_at_a_time: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)

    async def session_tools(self) -> Toolset:
        facts: dict[str, ToolFacts] = {}
        for workbench in _workbenches(self.agent):
            passed = {tool.name for tool in _static(workbench) if isinstance(tool, TaskRunnerTool)}
            behind = {tool.name: getattr(tool, "_func", None) for tool in _static(workbench)}
            for schema in await workbench.list_tools():
                if schema["name"] not in passed:
                    facts[schema["name"]] = _facts_of(schema, behind.get(schema["name"]))
        return self.tools.toolset(facts.values())

    async def run(self, text: str) -> str:
        async with self.one_at_a_time:
            before = await self.agent.save_state()
            try:
                with ExitStack() as stack:
                    stack.enter_context(checked_in_all(BaseTool, _RUNS, _check_seen))
                    stack.enter_context(checked_in_all(Workbench, _CALLS, _check_workbench))
                    for workbench in _workbenches(self.agent):
                        _enter(workbench, stack)
                    answer = await self._run(self.agent, text)
            finally:
                if isinstance(current_world(), SimulatedWorld):
                    await self.agent.load_state(before)
                    for condition in _conditions(self.agent):  # of which the state knows nothing
                        await condition.reset()
        if getattr(answer, "stop_reason", None) == _STOPPED:
            raise AgentError(
                f"the team stopped half way ({_STOPPED!r}): AutoGen leaves a team unusable after an error in "
                "it, as in an earlier attempt; make the team anew"
            )
        return answer if isinstance(answer, str) else str(answer.messages[-1].to_text())

    async def _run_plainly(self, agent: Any, text: str) -> Any:
        return await agent.run(task=text)


def _workbenches(start: Any) -> Iterator[Workbench]:
    """The workbenches of all agents below an agent or a team, each once."""
    return (workbench for one in _reachable(start) for workbench in getattr(one, "_workbench", ()))


def _conditions(start: Any) -> Iterator[Any]:
    """The conditions by which the teams among them end."""
    found = (getattr(one, "_termination_condition", None) for one in _reachable(start))
    return (condition for condition in found if condition is not None)


def _reachable(start: Any) -> Iterator[Any]:
    """All agents and teams below an agent or a team, each once."""

    def below(one: Any) -> list[Any]:
        if isinstance(one, CodeExecutorAgent):
            raise ConfigurationError(
                f"agent {one.name!r} runs code that its model writes, in rehearsals, too; give it tools"
            )
        tools = [tool for workbench in getattr(one, "_workbench", ()) for tool in _static(workbench)]
        teams = [one._team] if hasattr(one, "_team") else []
        runners = [tool._task_runner for tool in tools if isinstance(tool, TaskRunnerTool)]
        return [*getattr(one, "_participants", ()), *teams, *runners]

    return each_once(start, below)


_RUNS = ("run_json", "run_json_stream")
_CALLS = ("call_tool", "call_tool_stream")


def _check_seen(tool: Any) -> None:
    """Of agents that are tools, the tools have seams; a hand-off is no call."""
    function = getattr(tool, "_func", None) if isinstance(tool, FunctionTool) else None
    hands_off = getattr(function, "__qualname__", "").startswith("Handoff.handoff_tool.")
    if not isinstance(tool, TaskRunnerTool) and not (hands_off and function.__module__ == Handoff.__module__):
        check_seen(tool.name)


def _check_workbench(workbench: Any) -> None:
    """Of a workbench with tool objects, the tools have seams."""
    if not isinstance(workbench, StaticWorkbench):
        check_seen(type(workbench).__name__)


def _static(workbench: Workbench) -> list[Any]:
    """The tool objects of a workbench that has them."""
    return list(workbench._tools) if isinstance(workbench, StaticWorkbench) else []


def _enter(workbench: Workbench, stack: ExitStack) -> None:
    if not isinstance(workbench, StaticWorkbench):
        stack.enter_context(
            exchanged(workbench, "call_tool", partial(called_by_name, answer=_from_workbench))
        )
        return
    for tool in _static(workbench):
        if not isinstance(tool, TaskRunnerTool):
            stack.enter_context(exchanged(tool, "run_json", partial(_seam, tool)))
            if hasattr(tool, "run_json_stream"):
                stack.enter_context(exchanged(tool, "run_json_stream", partial(_stream_seam, tool)))


def _seam(tool: Any, run_json: Callable[..., Awaitable[Any]]) -> Any:
    async def run(args: Mapping[str, Any], *more: Any, **named: Any) -> Any:
        tools = tools_here.get()
        if tools is None:
            return await run_json(args, *more, **named)

        async def make(given: dict[str, Any]) -> Any:
            return await run_json(given, *more, **named)

        value = await tools.acall(tool.name, args, make)
        return value.value if isinstance(value, PlainValue) else value

    return run


def _stream_seam(tool: Any, run_json_stream: Callable[..., AsyncIterator[Any]]) -> Any:
    """Of a tool that streams, the world gets the last event, which is its value."""

    async def run(args: Mapping[str, Any], *more: Any, **named: Any) -> AsyncIterator[Any]:
        tools = tools_here.get()
        if tools is None:
            async for event in run_json_stream(args, *more, **named):
                yield event
            return
        events: list[Any] = []

        async def make(given: dict[str, Any]) -> Any:
            events.extend([event async for event in run_json_stream(given, *more, **named)])
            return events.pop() if events else None

        value = await tools.acall(tool.name, args, make)
        for event in events:
            yield event
        yield value.value if isinstance(value, PlainValue) else value

    return run


async def _from_workbench(tools: AgentTools, name: str, arguments: Mapping[str, Any], make: Make) -> Any:
    try:
        value = await tools.acall(name, arguments, make)
    except ToolFailure as failure:
        return WorkbenchResult(name=name, result=[TextResultContent(content=str(failure))], is_error=True)
    if isinstance(value, PlainValue):
        return WorkbenchResult(name=name, result=[TextResultContent(content=value.text)])
    return value


def _facts_of(schema: Any, function: Any) -> ToolFacts:
    return ToolFacts(
        name=schema["name"],
        description=schema.get("description", ""),
        parameters=schema.get("parameters", {"type": "object", "properties": {}}),
        function=function,
        failed=_failed,
        shown=_shown,
    )


def _failed(result: Any) -> str | None:
    if isinstance(result, WorkbenchResult):
        return UNTYPED if result.is_error else None
    return type(result).__name__ if isinstance(result, BaseException) else None


def _shown(result: Any) -> Any:
    return read_json(result.to_text()) if isinstance(result, WorkbenchResult) else result
