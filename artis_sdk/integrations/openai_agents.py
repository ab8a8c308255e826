"""openai-agents: an `Agent` rehearsed as it is, with its hand-offs and the agents that are its tools."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any

from artis_sdk.integrations.installed import needed

with needed("openai-agents", "openai-agents"):
    import agents  # noqa: F401

from agents import Agent, AgentBase, FunctionTool, Handoff, Runner
from agents.tool import ToolSearchTool, maybe_invoke_function_tool_failure_error_function
from agents.tool_context import ToolContext

from artis_sdk.commit.approver import Edit, Reject
from artis_sdk.errors import ArtisError, ConfigurationError, InvalidArguments, ToolFailure
from artis_sdk.integrations.agent_tools import (
    AgentTools,
    Make,
    PlainValue,
    ToolFacts,
    in_a_real_body,
    read_json,
)
from artis_sdk.integrations.approvals import asked
from artis_sdk.integrations.mcp import calling, facts_of, made, through
from artis_sdk.integrations.rehearsed_agent import RehearsedAgent, each_once
from artis_sdk.integrations.seams import (
    called_by_name,
    check_seen,
    checked_in_all,
    exchanged,
    is_exchanged,
    own,
    tools_here,
)
from artis_sdk.records import Risk, new_id
from artis_sdk.records.jsonable import jsonable
from artis_sdk.tools.guarded import GuardedTool
from artis_sdk.tools.toolset import Toolset

__all__ = ["as_tool", "rehearsed"]

Run = Callable[[Any, str], Awaitable[Any]]
"""Runs the agent on a text: `async def run(agent, text)`, which returns the answer or the run's result."""


def as_tool(tool: FunctionTool, **options: Any) -> GuardedTool[..., Any]:
    """A tool object of the framework, for a session with an agent from elsewhere.

    Args:
        tool: the object.
        options: as in `GuardedTool.from_schema`, such as `risk`.
    """
    invoke: Any = getattr(tool.on_invoke_tool, "_invoke_tool_impl", tool.on_invoke_tool)

    async def call(**arguments: Any) -> Any:
        text = json.dumps(arguments, ensure_ascii=False)
        context = ToolContext(context=None, tool_name=tool.name, tool_call_id=new_id(), tool_arguments=text)
        return await invoke(context, text)

    return GuardedTool.from_schema(tool.name, tool.description, tool.params_json_schema, call, **options)


def rehearsed(
    agent: Agent[Any],
    *,
    risks: Mapping[str, Risk] | None = None,
    default_risk: Risk = Risk.IRREVERSIBLE,
    context: Any = None,
    run: Run | None = None,
) -> RehearsedAgent:
    """A session's agent from one of openai-agents, whose tools stay as they are.

    The agents of its hand-offs, those that are tools (`Agent.as_tool`), and the MCP servers of all of them
    are rehearsed with it. A predicted failure goes through the tool's `failure_error_function`, as an
    exception of the tool would. A call that needs approval is approved in a rehearsal; in a commit the
    session's approver decides.

    Args:
        agent: the agent.
        risks: risks by tool name.
        default_risk: risk of all other tools of which the framework says nothing.
        context: context of each run, which tools get as `RunContextWrapper.context`.
        run: runs the agent, such as with `Runner.run_streamed` or a session of its own:
            `async def run(agent, text)`, which returns the answer; by default
            `Runner.run(agent, text, context=context)`.
    """
    return _Agent(agent, risks, default_risk, run, context=context)


@dataclass(eq=False, repr=False, kw_only=True)
class _Agent(RehearsedAgent):
    context: Any

    async def session_tools(self) -> Toolset:
        facts: dict[str, ToolFacts] = {}
        for agent in _reachable(self.agent):
            for tool in _function_tools(agent):
                if tool._agent_instance is None:
                    facts[tool.name] = _facts_of(tool)
            for server in agent.mcp_servers:
                listed = await server.list_tools()
                facts |= {tool.name: facts_of(tool, calling(tool, server, self.tools)) for tool in listed}
        return self.tools.toolset(facts.values())

    async def run(self, text: str) -> str:
        with ExitStack() as stack:
            stack.enter_context(checked_in_all(AgentBase, ("get_all_tools",), _check_seen))
            for agent in _reachable(self.agent):
                _enter(agent, stack)
            answer = await self._run(self.agent, text)
        output = getattr(answer, "final_output", answer)
        return output if isinstance(output, str) else PlainValue(jsonable(output)).text

    async def _run_plainly(self, agent: Agent[Any], text: str) -> Any:
        result = await Runner.run(agent, text, context=self.context)
        while result.interruptions:
            state = result.to_state()
            for held in result.interruptions:
                name = held.name or ""
                answer = await asked(self.tools.get(name), name, _arguments(name, held.arguments or "{}"))
                if isinstance(answer, Reject | Edit):  # an edited call cannot be put in its place
                    reason = answer.reason if isinstance(answer, Reject) else f"use {answer.arguments}"
                    state.reject(held, rejection_message=reason)
                else:
                    state.approve(held)
            result = await Runner.run(agent, state)
        return result


def _reachable(start: Agent[Any]) -> Iterator[Agent[Any]]:
    """The agent and all that it may pass the task to, each once."""

    def below(agent: Agent[Any]) -> list[Agent[Any]]:
        passed_to = [_agent_of(handoff) for handoff in agent.handoffs]
        passed_to += [tool._agent_instance for tool in _function_tools(agent)]
        return [one for one in passed_to if isinstance(one, Agent)]

    return each_once(start, below)


def _agent_of(handoff: Agent[Any] | Handoff[Any, Any]) -> Any:
    """The agent that a hand-off passes to; None where it is made as the hand-off goes."""
    if not isinstance(handoff, Handoff):
        return handoff
    return None if handoff._agent_ref is None else handoff._agent_ref()


def _function_tools(agent: Agent[Any]) -> list[FunctionTool]:
    others = [tool for tool in agent.tools if not isinstance(tool, FunctionTool | ToolSearchTool)]
    if others:
        names = ", ".join(type(tool).__name__ for tool in others)
        raise ConfigurationError(
            f"agent {agent.name!r} has {names}: tools that run at the model's provider or on this machine "
            "without a function that a rehearsal could stand in for; give it function tools or MCP servers"
        )
    return [tool for tool in agent.tools if isinstance(tool, FunctionTool)]


def _enter(agent: Agent[Any], stack: ExitStack) -> None:
    """Put the seams into an agent's tools, servers and hand-offs."""
    for tool in _function_tools(agent):
        if tool._agent_instance is None:
            stack.enter_context(exchanged(tool, "on_invoke_tool", partial(_Seam, tool)))
    for server in agent.mcp_servers:
        stack.enter_context(exchanged(server, "call_tool", partial(called_by_name, answer=_from_server)))
    for handoff in agent.handoffs:
        if isinstance(handoff, Handoff):
            stack.enter_context(exchanged(handoff, "on_invoke_handoff", _handoff_seam))


class _Seam:
    """Stands in for a tool's `on_invoke_tool`, whose other attributes the framework reads, too."""

    def __init__(self, tool: FunctionTool, invoke: Any) -> None:
        self._tool, self._invoke = tool, invoke

    def __getattr__(self, name: str) -> Any:
        return getattr(self._invoke, name)

    async def __call__(self, context: Any, text: str) -> Any:
        tools = tools_here.get()
        if tools is None:
            return await self._invoke(context, text)
        # Inside, the framework turns an exception of the tool into a text; the world must see the exception.
        inner = getattr(self._invoke, "_invoke_tool_impl", self._invoke)

        async def make(given: dict[str, Any]) -> Any:
            same = given == arguments
            return await inner(context, text if same else json.dumps(given, ensure_ascii=False))

        try:
            arguments = _arguments(self._tool.name, text)
            value = await tools.acall(self._tool.name, arguments, make)
        except Exception as error:
            if isinstance(error, ArtisError) and not isinstance(error, ToolFailure):
                raise
            return await self._told(context, text, error)
        return value.text if isinstance(value, PlainValue) else value

    async def _told(self, context: Any, text: str, error: Exception) -> Any:
        """What the model reads of a failure, by the tool's own `failure_error_function`."""
        said = await maybe_invoke_function_tool_failure_error_function(
            function_tool=self._tool, context=context, error=error
        )
        if said is None:
            raise error
        handled = getattr(self._invoke, "_on_handled_error", None)
        if handled is not None:
            handled(self._tool, error, text, context)
        return said


async def _from_server(tools: AgentTools, name: str, arguments: Mapping[str, Any], make: Make) -> Any:
    return await through(tools, name, arguments, lambda given: made(tools, name, make(given)))


def _handoff_seam(invoke: Callable[..., Awaitable[Any]]) -> Any:
    """An agent that a hand-off makes as it goes was not there when the session opened: refuse its tools."""

    async def on_invoke_handoff(context: Any, text: str) -> Any:
        agent = await invoke(context, text)
        tools = tools_here.get()
        if tools is not None and not _is_seamed(agent):
            raise ConfigurationError(
                f"a hand-off made the agent {agent.name!r} as it went, and the session has not seen its "
                "tools; hand over to an agent that is made before the session"
            )
        return agent

    return on_invoke_handoff


def _check_seen(agent: Any) -> None:
    """Before each turn: refuse an agent with tools of its own that the session has not seen."""
    if tools_here.get() is not None and not in_a_real_body() and not _is_seamed(agent):
        check_seen(f"agent {agent.name!r}")


def _is_seamed(agent: Any) -> bool:
    """Whether all that an agent calls has its seam: the tools, and those of the agents among them."""
    if any(not is_exchanged(server, "call_tool") for server in agent.mcp_servers):
        return False
    return all(
        is_exchanged(tool, "on_invoke_tool")
        if tool._agent_instance is None
        else _is_seamed(tool._agent_instance)
        for tool in _function_tools(agent)
    )


def _arguments(name: str, text: str) -> dict[str, Any]:
    try:
        arguments = json.loads(text or "{}")
    except ValueError as error:
        raise InvalidArguments(name, f"the arguments are no JSON: {error}") from None
    if not isinstance(arguments, dict):
        raise InvalidArguments(name, "the arguments are no JSON object")
    return arguments


def _facts_of(tool: FunctionTool) -> ToolFacts:
    return ToolFacts(
        name=tool.name,
        description=tool.description,
        parameters=tool.params_json_schema,
        function=_function_behind(own(tool, "on_invoke_tool")),
        shown=read_json,
    )


def _function_behind(invoke: Any) -> Any:
    """The function under `@function_tool`, found in the closures that it makes; None for other tools."""
    waiting, seen = [invoke], set[int]()
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        code, cells = getattr(one, "__code__", None), getattr(one, "__closure__", None) or ()
        if code is None:
            waiting += [value for value in getattr(one, "__dict__", {}).values() if callable(value)]
            continue
        held = dict(zip(code.co_freevars, (cell.cell_contents for cell in cells), strict=True))
        if "the_func" in held:
            return held["the_func"]
        waiting += [value for value in held.values() if callable(value)]
    return None
