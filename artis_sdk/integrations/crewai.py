"""CrewAI: an `Agent` or a `Crew` rehearsed as it is, with the co-workers to whom it delegates."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from artis_sdk.integrations.installed import needed

with needed("CrewAI", "crewai"):
    import crewai  # noqa: F401

from crewai import Agent, Crew
from crewai.agents.cache import CacheHandler
from crewai.hooks import HookAborted, InterceptionPoint, get_hooks, register_hook
from crewai.skills.tool import LoadSkillTool
from crewai.tools.agent_tools.add_image_tool import AddImageTool
from crewai.tools.agent_tools.base_agent_tools import BaseAgentTool
from crewai.tools.agent_tools.deferred_tool_result_reader import DeferredToolResultReader
from crewai.tools.agent_tools.read_file_tool import ReadFileTool
from crewai.tools.base_tool import BaseTool, Tool
from crewai.tools.tool_failure import detect_tool_failure
from crewai.utilities.string_utils import sanitize_tool_name

from artis_sdk.errors import ConfigurationError, FirewallError, ToolDefinitionError
from artis_sdk.integrations.agent_tools import Make, PlainValue, ToolFacts
from artis_sdk.integrations.rehearsed_agent import RehearsedAgent, each_once
from artis_sdk.integrations.seams import check_seen, exchanged, is_exchanged, own, tools_here
from artis_sdk.loop.worlds import SimulatedWorld
from artis_sdk.records import Risk
from artis_sdk.records.marked_failure import UNTYPED
from artis_sdk.tools.guarded import GuardedTool
from artis_sdk.tools.toolset import Toolset
from artis_sdk.tools.world import current_world

__all__ = ["as_tool", "rehearsed"]

Run = Callable[[Any, str], Awaitable[Any]]
"""Runs the agent or crew on a text: `async def run(agent, text)`, which returns the answer or its output."""

_PASSED = (BaseAgentTool, LoadSkillTool, ReadFileTool, AddImageTool, DeferredToolResultReader)
"""CrewAI's own tools, which run in rehearsals: they read, or ask a co-worker, whose tools are rehearsed."""

_caches: ContextVar[dict[int, Any] | None] = ContextVar("artis_sdk_crewai_caches", default=None)
"""This run's caches of tool results, each by the id of the one for which it stands."""


def as_tool(tool: BaseTool, **options: Any) -> GuardedTool[..., Any]:
    """A tool object of the framework, for a session with an agent from elsewhere.

    Args:
        tool: the object.
        options: as in `GuardedTool.from_schema`, such as `risk`.

    Raises:
        ToolDefinitionError: the object is no tool.
    """
    if not isinstance(tool, BaseTool):
        raise ToolDefinitionError(f"{type(tool).__name__} is no tool of CrewAI; use rehearsed() for agents")
    facts = _facts_of(tool)

    async def acall(**arguments: Any) -> Any:
        return await tool.arun(**arguments)

    def call(**arguments: Any) -> Any:
        return tool.run(**arguments)

    made = acall if inspect.iscoroutinefunction(getattr(tool, "func", None)) else call
    return GuardedTool.from_schema(facts.name, facts.description, facts.parameters, made, **options)


def rehearsed(
    agent: Agent | Crew,
    *,
    risks: Mapping[str, Risk] | None = None,
    default_risk: Risk = Risk.IRREVERSIBLE,
    run: Run | None = None,
) -> RehearsedAgent:
    """A session's agent from an `Agent` or a `Crew`, whose tools stay as they are.

    Co-workers are rehearsed with it. A predicted failure is an exception of the tool, which CrewAI treats as
    every other: a model with native tool calls reads it, and with calls in its text CrewAI tries again
    first, each time a call. Agents and tasks keep what happened and do one thing at a time, so attempts wait
    for each other, each begins with everything as it was, and only the commit is kept. A cache of tool
    results is empty at the beginning of each attempt and of the commit.

    Args:
        agent: the agent or crew.
        risks: risks by tool name, as the model sees it: `send_money` for `Send money`.
        default_risk: risk of all other tools.
        run: runs it otherwise: `async def run(agent, text)`, which returns the answer or its output; by
            default `agent.kickoff_async(text)`, and `crew.kickoff_async({"task": text})`, so `{task}` must
            stand in the description of a task.
    """
    return _Agent(agent, risks, default_risk, run)


@dataclass(eq=False, repr=False, kw_only=True)
class _Agent(RehearsedAgent):
    one_at_a_time: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)

    async def session_tools(self) -> Toolset:
        if isinstance(self.agent, Crew):
            _refuse_in_crew(self.agent, takes_text=self.run_agent is not None)
        else:
            _refuse_in_agent(self.agent)  # before its co-workers are looked for
        for agent in _agents(self.agent):
            _refuse_in_agent(agent)
        facts = [_facts_of(tool) for tool in _tools(self.agent)]
        return self.tools.toolset({one.name: one for one in facts}.values())

    async def run(self, text: str) -> str:
        async with self.one_at_a_time:
            if _check_known not in get_hooks(InterceptionPoint.PRE_TOOL_CALL):
                register_hook(InterceptionPoint.PRE_TOOL_CALL, _check_known)
            token = _caches.set({})
            try:
                with _as_it_was(self.agent), ExitStack() as stack:
                    for tool in _tools(self.agent):
                        for name in _seams_of(tool):
                            stack.enter_context(exchanged(tool, name, partial(_seam, tool)))
                    for cache in _caches_of(self.agent):
                        for name in ("read", "add"):
                            stack.enter_context(exchanged(cache, name, partial(_cache_seam, id(cache), name)))
                    answer = await self._run(self.agent, text)
            finally:
                _caches.reset(token)
        return str(getattr(answer, "raw", answer))

    async def _run_plainly(self, agent: Any, text: str) -> Any:
        if isinstance(agent, Agent):
            return await agent.kickoff_async(text)
        output = await agent.kickoff_async({"task": text})
        if not agent.stream:
            return output
        async for _ in output:
            pass
        return output.result


# --- what there is --------------------------------------------------------------------------------


def _agents(start: Agent | Crew) -> Iterator[Any]:
    """The agents that take part, each once."""

    def below(one: Any) -> list[Any]:
        if isinstance(one, Crew):
            found = [*one.agents, one.manager_agent, *(task.agent for task in one.tasks)]
            found += [agent for task in one.tasks for agent in _coworkers(task.tools)]
            return [agent for agent in found if agent is not None]
        return _coworkers(one.tools)

    return (one for one in each_once(start, below) if not isinstance(one, Crew))


def _coworkers(tools: list[Any] | None) -> list[Any]:
    return [agent for tool in tools or () if isinstance(tool, BaseAgentTool) for agent in tool.agents]


def _tools(start: Agent | Crew) -> Iterator[BaseTool]:
    """The tools of all agents and tasks but CrewAI's own, each once."""
    holders = [*_agents(start), *(start.tasks if isinstance(start, Crew) else ())]
    found = {id(tool): tool for holder in holders for tool in holder.tools or ()}
    return (tool for tool in found.values() if not isinstance(tool, _PASSED))


def _caches_of(start: Agent | Crew) -> Iterator[Any]:
    found = [agent.tools_handler.cache for agent in _agents(start)]
    if isinstance(start, Crew):
        found.append(start._cache_handler)
    return (cache for cache in {id(cache): cache for cache in found}.values() if cache is not None)


# --- what cannot be rehearsed ---------------------------------------------------------------------


def _refuse_in_agent(agent: Any) -> None:
    if not isinstance(agent, Agent):
        kind = type(agent).__name__
        raise ConfigurationError(f"{kind} is no Agent or Crew of CrewAI's own, so its tools are not known")
    reasons = {
        "apps": "apps, whose tools CrewAI finds out when it runs, so no plan can know them; pass their tools",
        "mcps": "mcps, whose tools CrewAI finds out when it runs, so no plan can know them; pass their tools",
        "a2a": "a2a: its agents run elsewhere, where nothing can be rehearsed",
        "memory": "a memory, which would keep what happens in rehearsals; use one without",
        "checkpoint": "checkpoints, which would keep what happens in rehearsals; use one without",
    }
    for name, reason in reasons.items():
        if getattr(agent, name):
            raise ConfigurationError(f"agent {agent.role!r} has {reason}")
    provided = getattr(agent.llm, "builtin_tools", None)
    if provided:
        raise ConfigurationError(
            f"agent {agent.role!r} has tools that run at its model's provider ({', '.join(provided)}), where "
            "no rehearsal can stand in front of them; give it tools that this process calls"
        )


def _refuse_in_crew(crew: Crew, *, takes_text: bool) -> None:
    for name in ("memory", "checkpoint"):
        if getattr(crew, name):
            raise ConfigurationError(
                f"the crew has {name}=, which would keep what happens in rehearsals; use one without"
            )
    if any(task.human_input for task in crew.tasks):
        raise ConfigurationError("a task has human_input, which would ask in each rehearsal; leave it out")
    written = [task._original_description or task.description for task in crew.tasks]  # the former once run
    if not takes_text and not any("{task}" in text for text in written):
        raise ConfigurationError(
            "no task of the crew says where the session's task goes: write {task} in a description, or pass "
            "rehearsed(..., run=...)"
        )


def _check_known(context: Any) -> None:
    """CrewAI's hook before each call: a tool without a seam came after the session was opened."""
    tool = getattr(context.tool, "_original_tool", context.tool)
    if isinstance(tool, _PASSED) or any(is_exchanged(tool, name) for name in ("func", "_run")):
        return
    try:
        check_seen(context.tool_name)
    except FirewallError as error:
        raise HookAborted(str(error)) from error  # CrewAI goes on after any other exception of a hook


# --- tools ----------------------------------------------------------------------------------------

_WAYS = ("run", "arun", "_run", "_arun")


def _seams_of(tool: BaseTool) -> tuple[str, ...]:
    """The attributes past which no way of the framework's leads to the tool's function."""
    kind = type(tool)
    if isinstance(tool, Tool) and all(getattr(kind, way) is getattr(Tool, way) for way in _WAYS):
        return ("func",)
    if kind.run is BaseTool.run and kind.arun is BaseTool.arun:
        return ("_run", "_arun")
    raise ConfigurationError(
        f"tool {tool.name!r} is called by methods of its own ({kind.__name__}), in front of which no "
        "rehearsal can stand; define _run and _arun of a BaseTool, and leave run and arun as they are"
    )


def _facts_of(tool: BaseTool) -> ToolFacts:
    return ToolFacts(
        name=sanitize_tool_name(tool.name),
        description=tool.description,
        parameters=tool.args_schema.model_json_schema(),
        function=own(tool, _seams_of(tool)[0]),
        failed=_failed,
        validated=True,
    )


def _failed(result: Any) -> str | None:
    if isinstance(result, BaseException):
        return type(result).__name__
    failure = detect_tool_failure(result)
    return None if failure is None else failure.code or UNTYPED


def _seam(tool: BaseTool, function: Callable[..., Any]) -> Any:
    name = sanitize_tool_name(tool.name)

    def named(args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        return {**dict(zip(tool.args_schema.model_fields, args, strict=False)), **kwargs}

    async def in_world_async(*args: Any, **kwargs: Any) -> Any:
        tools = tools_here.get()
        if tools is None:
            return await function(*args, **kwargs)
        return _value(await tools.acall(name, named(args, kwargs), _given_to(function)))

    def in_world(*args: Any, **kwargs: Any) -> Any:
        tools = tools_here.get()
        if tools is None:
            return function(*args, **kwargs)
        return _value(tools.call(name, named(args, kwargs), _given_to(function)))

    return in_world_async if inspect.iscoroutinefunction(function) else in_world


def _given_to(function: Callable[..., Any]) -> Make:
    return lambda given: function(**given)


def _value(value: Any) -> Any:
    return value.value if isinstance(value, PlainValue) else value


# --- what stays -----------------------------------------------------------------------------------


def _cache_seam(key: int, name: str, method: Callable[..., Any]) -> Any:
    """One run's results answer no other run: not a rehearsal's the commit, nor earlier ones a rehearsal."""

    def in_run(*args: Any, **kwargs: Any) -> Any:
        caches = _caches.get()
        if caches is None:
            return method(*args, **kwargs)
        return getattr(caches.setdefault(key, CacheHandler()), name)(*args, **kwargs)

    return in_run


class _Nowhere:
    """In place of the database in which a crew keeps the outputs of its last run."""

    def reset(self) -> None: ...

    def update(self, task_index: int, log: dict[str, Any]) -> None: ...


def _write_no_files(crew: Crew) -> None:
    """Until the crew is as it was again: no output of a task, no log, no database."""
    crew._task_output_handler = _Nowhere()
    vars(crew)["output_log_file"] = None
    for task in crew.tasks:
        vars(task)["output_file"] = None


@contextmanager
def _as_it_was(start: Agent | Crew) -> Iterator[None]:
    """After a rehearsal everything is as before: agents, tasks, the crew, how often tools were used."""
    if not isinstance(current_world(), SimulatedWorld):
        yield
        return
    kept = [*_agents(start), *((start, *start.tasks) if isinstance(start, Crew) else ())]
    before = [(one, dict(vars(one)), dict(one.__pydantic_private__)) for one in kept]
    values = [value for _, *parts in before for part in parts for value in part.values()]
    changed_in_place = [(value, value.copy()) for value in values if type(value) in (list, dict, set)]
    used = [(tool, tool.current_usage_count) for tool in _tools(start)]
    try:
        if isinstance(start, Crew):
            _write_no_files(start)
        yield
    finally:
        for one, fields, private in before:
            object.__setattr__(one, "__dict__", fields)
            object.__setattr__(one, "__pydantic_private__", private)
        for value, contents in changed_in_place:
            value.clear()
            (value.extend if isinstance(value, list) else value.update)(contents)
        for tool, count in used:
            tool.current_usage_count = count
