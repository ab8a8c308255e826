"""smolagents: a `ToolCallingAgent` or `CodeAgent` rehearsed as it is, with the agents that it manages."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from artis_sdk.integrations.installed import needed

with needed("smolagents", "smolagents"):
    import smolagents  # noqa: F401

from smolagents import CodeAgent, FinalAnswerTool, MultiStepAgent, Tool
from smolagents.local_python_executor import LocalPythonExecutor

from artis_sdk.errors import ConfigurationError
from artis_sdk.integrations.agent_tools import PlainValue, ToolFacts
from artis_sdk.integrations.rehearsed_agent import RehearsedAgent, each_once
from artis_sdk.integrations.seams import (
    check_seen,
    checked_in_all,
    exchanged,
    is_exchanged,
    own,
    tools_here,
)
from artis_sdk.loop.worlds import SimulatedWorld
from artis_sdk.records import Risk
from artis_sdk.tools.guarded import GuardedTool
from artis_sdk.tools.toolset import Toolset
from artis_sdk.tools.world import current_world

__all__ = ["as_tool", "rehearsed"]

Run = Callable[[Any, str], Any]
"""Runs the agent on a text, in a thread: `def run(agent, text)`, which returns the answer."""

_NOT_JSON = frozenset(["any", "image", "audio"])
"""Types of inputs that JSON schema does not have."""


def as_tool(tool: Tool, **options: Any) -> GuardedTool[..., Any]:
    """A tool object of the framework, for a session with an agent from elsewhere.

    Args:
        tool: the object.
        options: as in `GuardedTool.from_schema`, such as `risk`.
    """

    def call(**arguments: Any) -> Any:
        return tool(**arguments)

    facts = _facts_of(tool)
    return GuardedTool.from_schema(facts.name, facts.description, facts.parameters, call, **options)


def rehearsed(
    agent: MultiStepAgent,
    *,
    risks: Mapping[str, Risk] | None = None,
    default_risk: Risk = Risk.IRREVERSIBLE,
    run: Run | None = None,
) -> RehearsedAgent:
    """A session's agent from one of smolagents, whose tools stay as they are.

    Agents that it manages are rehearsed with it. A predicted failure is an exception of the tool, of which
    smolagents tells the model. An agent keeps its memory, and the variables of its code, and runs one task at
    a time, in a thread, so attempts wait for each other, each begins with them as they were, and only the
    commit adds to them.

    Args:
        agent: the agent. A `CodeAgent` must run its code in this process, with the standard imports alone:
            what else its code does is no tool call, and would be real in a rehearsal.
        risks: risks by tool name.
        default_risk: risk of all other tools.
        run: runs the agent, such as with `stream=True`: `def run(agent, text)`, called in a thread, which
            returns the answer; by default `agent.run(text)`.
    """
    return _Agent(agent, risks, default_risk, run)


@dataclass(eq=False, repr=False, kw_only=True)
class _Agent(RehearsedAgent):
    one_at_a_time: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)

    async def session_tools(self) -> Toolset:
        facts = {tool.name: _facts_of(tool) for agent in _reachable(self.agent) for tool in _tools(agent)}
        return self.tools.toolset(facts.values())

    async def run(self, text: str) -> str:
        async with self.one_at_a_time:
            agents = list(_reachable(self.agent))
            restore = [_as_it_is(agent) for agent in agents]
            try:
                with ExitStack() as stack:
                    stack.enter_context(checked_in_all(Tool, ("__call__",), _check_seen))
                    for agent in agents:
                        for tool in _tools(agent):
                            stack.enter_context(exchanged(tool, "forward", partial(_seam, tool)))
                    answer = await asyncio.to_thread(self._run, self.agent, text)
            finally:
                if isinstance(current_world(), SimulatedWorld):
                    for back in restore:
                        back()
        return answer if isinstance(answer, str) else PlainValue(answer).text

    def _run_plainly(self, agent: Any, text: str) -> Any:
        return agent.run(text)


def _reachable(start: MultiStepAgent) -> Iterator[MultiStepAgent]:
    """The agent and those that it manages, each once."""

    def below(agent: MultiStepAgent) -> list[Any]:
        if isinstance(agent, CodeAgent):
            local = isinstance(agent.python_executor, LocalPythonExecutor)
            if not local or agent.additional_authorized_imports:
                raise ConfigurationError(
                    f"agent {agent.name or 'CodeAgent'!r} runs code that its model writes "
                    f"{'with more imports than the standard ones' if local else 'in another process'}, in "
                    "rehearsals, too; use LocalPythonExecutor without additional_authorized_imports, and "
                    "tools"
                )
        return list(agent.managed_agents.values())

    return each_once(start, below)


def _as_it_is(agent: MultiStepAgent) -> Callable[[], None]:
    """What puts an agent's memory, and the variables and functions of its code, back to how they are now."""
    steps, state = list(agent.memory.steps), dict(agent.state)
    executor = agent.python_executor if isinstance(agent, CodeAgent) else None
    held = None if executor is None else (dict(executor.state), dict(executor.custom_tools))

    def back() -> None:
        agent.memory.steps, agent.state = steps, state
        if executor is not None and held is not None:
            executor.state, executor.custom_tools = held

    return back


def _tools(agent: MultiStepAgent) -> list[Tool]:
    return [tool for tool in agent.tools.values() if not isinstance(tool, FinalAnswerTool)]


def _check_seen(tool: Tool) -> None:
    if not isinstance(tool, FinalAnswerTool) and not is_exchanged(tool, "forward"):
        check_seen(tool.name)


def _facts_of(tool: Tool) -> ToolFacts:
    properties: dict[str, Any] = {}
    for name, given in tool.inputs.items():
        kind = given["type"]
        schema = {} if kind in _NOT_JSON else {"type": kind}
        if given.get("nullable") and isinstance(kind, str) and schema:
            schema = {"type": [kind, "null"]}
        properties[name] = {**schema, "description": given.get("description", "")}
    required = [name for name, given in tool.inputs.items() if not given.get("nullable")]
    return ToolFacts(
        name=tool.name,
        description=tool.description,
        parameters={"type": "object", "properties": properties, "required": required},
        function=own(tool, "forward"),
    )


def _seam(tool: Tool, forward: Callable[..., Any]) -> Any:
    def in_world(*args: Any, **kwargs: Any) -> Any:
        tools = tools_here.get()
        if tools is None:
            return forward(*args, **kwargs)
        names = [name for name in tool.inputs if name not in kwargs]
        arguments = {**dict(zip(names, args, strict=False)), **kwargs}
        value = tools.call(tool.name, arguments, lambda given: forward(**given))
        return value.value if isinstance(value, PlainValue) else value

    return in_world
