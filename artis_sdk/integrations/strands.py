"""Strands: an `Agent`, a `Graph` or a `Swarm` rehearsed as it is, with the agents that are tools."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import ExitStack
from copy import deepcopy
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from artis_sdk.integrations.installed import needed

with needed("Strands", "strands"):
    import strands  # noqa: F401

from strands import Agent
from strands.agent._agent_as_tool import _AgentAsTool
from strands.interrupt import Interrupt
from strands.multiagent.base import MultiAgentBase, MultiAgentResult, Status
from strands.multiagent.graph import Graph
from strands.multiagent.swarm import Swarm
from strands.types._events import ToolResultEvent
from strands.types.tools import AgentTool

from artis_sdk.errors import AgentError, ConfigurationError, ToolFailure
from artis_sdk.integrations.agent_tools import PlainValue, ToolFacts, read_json, told
from artis_sdk.integrations.rehearsed_agent import RehearsedAgent, each_once
from artis_sdk.integrations.seams import check_seen, checked_in_all, exchanged, tools_here
from artis_sdk.loop.worlds import SimulatedWorld
from artis_sdk.records import Risk, new_id
from artis_sdk.records.marked_failure import UNTYPED
from artis_sdk.tools.guarded import GuardedTool
from artis_sdk.tools.toolset import Toolset
from artis_sdk.tools.world import current_world

__all__ = ["as_tool", "rehearsed"]

Run = Callable[[Any, str], Awaitable[Any]]
"""Runs the agent on a text: `async def run(agent, text)`, which returns the answer or the agent's result."""
OnInterrupt = Callable[[Interrupt], Awaitable[Any]]
"""Answers an interrupt: what the hook or the tool that raised it gets."""


def as_tool(tool: AgentTool, **options: Any) -> GuardedTool[..., Any]:
    """A tool object of the framework, for a session with an agent from elsewhere.

    Args:
        tool: the object.
        options: as in `GuardedTool.from_schema`, such as `risk`.
    """
    facts = _facts_of(tool)

    async def call(**arguments: Any) -> Any:
        use: Any = {"toolUseId": new_id(), "name": facts.name, "input": arguments}
        last: Any = None
        async for event in tool.stream(use, {}):
            last = event
        if _failed(last) is not None:
            raise getattr(last, "exception", None) or ToolFailure(facts.name, UNTYPED, str(_shown(last)))
        return _shown(last)

    return GuardedTool.from_schema(facts.name, facts.description, facts.parameters, call, **options)


def rehearsed(
    agent: Agent | Graph | Swarm,
    *,
    risks: Mapping[str, Risk] | None = None,
    default_risk: Risk = Risk.IRREVERSIBLE,
    state: Mapping[str, Any] | None = None,
    on_interrupt: OnInterrupt | None = None,
    run: Run | None = None,
) -> RehearsedAgent:
    """A session's agent from a Strands agent, graph or swarm, whose tools stay as they are.

    Agents that are its tools (`Agent.as_tool`) or its nodes are rehearsed with it; a swarm's hand-offs are
    no calls of tools. A predicted failure is a result with
    the status `error`, as of a tool that raises. A Strands agent keeps its conversation and runs one task at
    a time, so attempts wait for each other, each begins with the conversation as it was, and only the commit
    adds to it.

    Args:
        agent: the agent, graph or swarm.
        risks: risks by tool name.
        default_risk: risk of all other tools.
        state: invocation state of each run, which tools get as `ToolContext.invocation_state`.
        on_interrupt: answers an interrupt of a hook or a tool.
        run: runs the agent, such as with `stream_async`: `async def run(agent, text)`, which returns the
            answer; by default `agent.invoke_async(text, invocation_state=state)`, of a graph or swarm the
            last node's words.
    """
    return _Agent(agent, risks, default_risk, run, state=dict(state or {}), on_interrupt=on_interrupt)


@dataclass(eq=False, repr=False, kw_only=True)
class _Agent(RehearsedAgent):
    state: dict[str, Any]
    on_interrupt: OnInterrupt | None
    one_at_a_time: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)

    async def session_tools(self) -> Toolset:
        facts: dict[str, ToolFacts] = {}
        for one in _reachable(self.agent):
            _refuse_what_stays(one)
            for tool in _tools_of(one):
                facts[tool.tool_name] = _facts_of(tool)
        return self.tools.toolset(facts.values())

    async def run(self, text: str) -> str:
        async with self.one_at_a_time:
            everyone = list(_reachable(self.agent))
            restore = [_as_it_is(one) for one in everyone]
            try:
                with ExitStack() as stack:
                    stack.enter_context(checked_in_all(AgentTool, ("stream",), _check_seen))
                    for one in everyone:
                        for tool in _tools_of(one):
                            stack.enter_context(exchanged(tool, "stream", partial(_seam, tool.tool_name)))
                    answer = await self._run(self.agent, text)
            finally:
                if isinstance(current_world(), SimulatedWorld):
                    for back in restore:
                        back()
        return _words(answer).removesuffix("\n")

    async def _run_plainly(self, agent: Any, text: str) -> Any:
        result = await agent.invoke_async(text, invocation_state=dict(self.state))
        while result.interrupts:
            answers = [
                {"interruptResponse": {"interruptId": one.id, "response": await self._answer(one)}}
                for one in result.interrupts or ()
            ]
            result = await agent.invoke_async(answers, invocation_state=dict(self.state))
        return result

    async def _answer(self, interrupt: Interrupt) -> Any:
        if self.on_interrupt is None:
            raise ConfigurationError(
                f"the agent was interrupted ({interrupt.name}: {interrupt.reason!r}) and waits for an "
                "answer; "
                "answer it in rehearsed(..., on_interrupt=...)"
            )
        return await self.on_interrupt(interrupt)


def _reachable(start: Any) -> Iterator[Any]:
    """The agent, graph or swarm, and all agents that are its tools or nodes, each once."""

    def below(one: Any) -> list[Any]:
        if isinstance(one, MultiAgentBase):
            return [node.executor for node in getattr(one, "nodes", {}).values()]
        tools = one.tool_registry.registry.values() if isinstance(one, Agent) else ()
        return [tool._agent for tool in tools if isinstance(tool, _AgentAsTool)]

    return each_once(start, below)


def _tools_of(agent: Any) -> list[AgentTool]:
    """An agent's tools that are neither agents nor a swarm's hand-off; none of a graph or swarm."""
    tools = agent.tool_registry.registry.values() if isinstance(agent, Agent) else ()
    return [tool for tool in tools if not _is_no_call(tool)]


def _is_no_call(tool: AgentTool) -> bool:
    function = getattr(tool, "_tool_func", None)
    hands_off = getattr(function, "__qualname__", "").startswith("Swarm._create_handoff_tool.")
    return isinstance(tool, _AgentAsTool) or (hands_off and function.__module__ == Swarm.__module__)


def _as_it_is(one: Any) -> Callable[[], None]:
    """What puts the conversation, or a graph's or swarm's state, back to how it is now."""
    if isinstance(one, Agent):
        before = one.take_snapshot(preset="session")
        return lambda: one.load_snapshot(before)
    state = one.state
    shared = deepcopy(one.shared_context.context) if isinstance(one, Swarm) else None
    nodes = [(node, node.execution_status, node.result) for node in one.nodes.values() if shared is None]

    def back() -> None:
        one.state = state
        if shared is not None:
            one.shared_context.context = shared
        for node, status, result in nodes:
            node.execution_status, node.result = status, result

    return back


def _words(answer: Any) -> str:
    """The answer's text; of a graph or swarm that of the node that came last."""
    if not isinstance(answer, MultiAgentResult):
        return str(answer)
    if answer.status == Status.FAILED:
        failed = [f"{name}: {one}" for name, one in answer.results.items() if one.status == Status.FAILED]
        raise AgentError(f"the agents failed: {'; '.join(failed) or 'without a word of a node'}")
    ran = getattr(answer, "execution_order", ()) or getattr(answer, "node_history", ())
    last = [answer.results[node.node_id].result for node in ran if node.node_id in answer.results]
    return _words(last[-1]) if last else str(answer)


def _refuse_what_stays(one: Any) -> None:
    if not isinstance(one, Agent | Graph | Swarm):
        raise ConfigurationError(
            f"{type(one).__name__} is neither an Agent nor a Graph or Swarm of them, so its calls cannot be "
            "rehearsed; make it a tool, or give the session an agent of your own"
        )
    name = one.name if isinstance(one, Agent) else one.id
    managers = ("_session_manager", "session_manager", "memory_manager")
    kept = [manager for manager in managers if getattr(one, manager, None) is not None]
    if kept:
        raise ConfigurationError(
            f"agent {name!r} has a {kept[0].strip('_').replace('_', ' ')}, which would keep what happens "
            "in rehearsals; give the session an agent without one"
        )
    if isinstance(one, Agent) and one.load_tools_from_directory:
        raise ConfigurationError(
            f"agent {name!r} loads tools as their files change, so no plan can know them; pass "
            "load_tools_from_directory=False"
        )


def _check_seen(tool: AgentTool) -> None:
    if not _is_no_call(tool):
        check_seen(tool.tool_name)


def _facts_of(tool: AgentTool) -> ToolFacts:
    spec = tool.tool_spec
    return ToolFacts(
        name=tool.tool_name,
        description=spec["description"],
        parameters=spec["inputSchema"]["json"],
        function=getattr(tool, "_tool_func", None),
        failed=_failed,
        shown=_shown,
    )


def _seam(name: str, stream: Callable[..., AsyncIterator[Any]]) -> Any:
    async def in_world(tool_use: Any, invocation_state: dict[str, Any], **kwargs: Any) -> AsyncIterator[Any]:
        tools = tools_here.get()
        if tools is None:
            async for event in stream(tool_use, invocation_state, **kwargs):
                yield event
            return
        before: list[Any] = []

        async def make(given: dict[str, Any]) -> Any:
            last: Any = None
            async for event in stream({**tool_use, "input": given}, invocation_state, **kwargs):
                if last is not None:
                    before.append(last)
                last = event
            return last

        try:
            value = await tools.acall(name, tool_use["input"], make)
        except ToolFailure as failure:
            value = _result(tool_use, f"Error: {_named(failure)}", "error")
        if isinstance(value, PlainValue):
            value = _result(tool_use, value.text, "success")
        for event in before:
            yield event
        yield value

    return in_world


def _named(failure: ToolFailure) -> str:
    """As the framework words an exception: its type, but for a `ValueError`."""
    if failure.failure_type == "ValueError" or not failure.message:
        return told(failure)
    return f"{failure.failure_type} - {failure.message}"


def _result(tool_use: Any, text: str, status: str) -> ToolResultEvent:
    result: Any = {"toolUseId": tool_use["toolUseId"], "status": status, "content": [{"text": text}]}
    return ToolResultEvent(result)


def _failed(event: Any) -> str | None:
    if isinstance(event, BaseException):
        return type(event).__name__
    if not isinstance(event, ToolResultEvent):
        return "interrupted"  # the tool waits for an answer, and its framework calls it again
    if event.tool_result["status"] != "error":
        return None
    exception = getattr(event, "exception", None)
    return UNTYPED if exception is None else type(exception).__name__


def _shown(event: Any) -> Any:
    """What a result says: its texts, and its JSON."""
    if not isinstance(event, ToolResultEvent):
        return None
    parts = [part.get("json", part.get("text", part)) for part in event.tool_result["content"]]
    return read_json(parts[0]) if len(parts) == 1 else parts
