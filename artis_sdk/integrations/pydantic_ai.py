"""pydantic-ai: an `Agent` rehearsed as it is. Its tools are called through a `WrapperToolset`."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from artis_sdk.integrations.installed import needed

with needed("pydantic-ai", "pydantic-ai"):
    import pydantic_ai  # noqa: F401

from pydantic_ai import Agent, RunContext
from pydantic_ai.agent import WrapperAgent, _build_run_capabilities
from pydantic_ai.exceptions import ModelRetry
from pydantic_ai.models.test import TestModel
from pydantic_ai.output import NativeOutput, PromptedOutput, TextOutput, ToolOutput
from pydantic_ai.tools import DeferredToolRequests, DeferredToolResults, Tool, ToolApproved, ToolDenied
from pydantic_ai.toolsets import AbstractToolset, FunctionToolset, ToolsetTool, WrapperToolset
from pydantic_ai.usage import RunUsage

from artis_sdk.commit.approver import Edit, Reject
from artis_sdk.errors import ConfigurationError, ToolDefinitionError, ToolFailure
from artis_sdk.integrations.agent_tools import AgentTools, PlainValue, ToolFacts, in_a_real_body, told
from artis_sdk.integrations.approvals import asked
from artis_sdk.integrations.rehearsed_agent import RehearsedAgent
from artis_sdk.integrations.seams import exchanged, tools_here
from artis_sdk.records import Risk
from artis_sdk.records.jsonable import jsonable
from artis_sdk.tools.guarded import GuardedTool
from artis_sdk.tools.toolset import Toolset

__all__ = ["as_tool", "rehearsed"]

Run = Callable[[Any, str], Awaitable[Any]]
"""Runs the agent on a text: `async def run(agent, text)`, which returns the answer or the run's result."""


def as_tool(tool: Tool[Any], **options: Any) -> GuardedTool[..., Any]:
    """A tool object of the framework, for a session with an agent from elsewhere.

    Args:
        tool: the object.
        options: as in `GuardedTool.from_schema`, such as `risk`.
    """
    if tool.takes_ctx:
        raise ToolDefinitionError(
            f"{tool.name} takes a RunContext, which only an agent of pydantic-ai has; pass the agent, by "
            "rehearsed()"
        )
    facts = tool.tool_def

    async def call(**arguments: Any) -> Any:
        function: Any = tool.function
        value = function(**tool.function_schema.validator.validate_python(arguments))
        return await value if inspect.isawaitable(value) else value

    return GuardedTool.from_schema(
        facts.name, facts.description or "", facts.parameters_json_schema, call, **options
    )


def rehearsed(
    agent: Agent[Any, Any],
    *,
    risks: Mapping[str, Risk] | None = None,
    default_risk: Risk = Risk.IRREVERSIBLE,
    agents: Mapping[str, Agent[Any, Any]] | None = None,
    deps: Any = None,
    run: Run | None = None,
) -> RehearsedAgent:
    """A session's agent from a pydantic-ai agent, whose tools stay as they are.

    A call goes to the session's world wherever it comes from: function tools, MCP servers, any toolset. A
    predicted failure is a `ModelRetry`. A call that needs approval is approved in a rehearsal; in a commit
    the session's approver decides.

    Args:
        agent: the agent.
        risks: risks by tool name.
        default_risk: risk of all other tools.
        agents: sub-agents by the name of the tool that runs them: in a rehearsal the tool's body runs, and
            the calls of the sub-agent's tools are rehearsed. All other tools are simulated as a whole.
        deps: dependencies of each run.
        run: runs the agent, such as with streaming or a history of messages:
            `async def run(agent, text)`, which returns the answer; by default `agent.run(text, deps=deps)`.
    """
    return _Agent(agent, risks, default_risk, run, agents=dict(agents or {}), deps=deps)


@dataclass(eq=False, repr=False, kw_only=True)
class _Agent(RehearsedAgent):
    agents: dict[str, Agent[Any, Any]]
    deps: Any

    def _all(self) -> list[Agent[Any, Any]]:
        return list({id(one): one for one in (self.agent, *self.agents.values())}.values())

    async def session_tools(self) -> Toolset:
        facts: dict[str, ToolFacts] = {}
        for agent in self._all():
            _refuse_what_runs_elsewhere(agent)
            for toolset in agent.toolsets:
                facts |= await self._facts(toolset, agent)
        return self.tools.toolset(one for name, one in facts.items() if name not in self.agents)

    async def _facts(self, toolset: AbstractToolset[Any], agent: Agent[Any, Any]) -> dict[str, ToolFacts]:
        context = RunContext(
            deps=self.deps,
            model=TestModel(),
            usage=RunUsage(),
            agent=agent,
            capabilities=_build_run_capabilities(agent.root_capability),
        )
        async with toolset:
            tools = await (await toolset.for_run(context)).get_tools(context)
        return {name: _facts_of(name, tool) for name, tool in tools.items()}

    async def run(self, text: str) -> str:
        with ExitStack() as stack:
            stack.enter_context(exchanged(Agent, "_get_toolset", _seam_of_others))
            for agent in self._all():
                seams = [_Seam(toolset, self.tools, frozenset(self.agents)) for toolset in agent.toolsets]
                stack.enter_context(agent.override(tools=[], toolsets=seams))
            answer = await self._run(self.agent, text)
        output = getattr(answer, "output", answer)
        return output if isinstance(output, str) else PlainValue(jsonable(output)).text

    async def _run_plainly(self, agent: Agent[Any, Any], text: str) -> Any:
        result = await agent.run(text, deps=self.deps)
        while isinstance(result.output, DeferredToolRequests):
            answers = await self._answers(result.output)
            result = await agent.run(
                message_history=result.all_messages(), deferred_tool_results=answers, deps=self.deps
            )
        return result

    async def _answers(self, requests: DeferredToolRequests) -> DeferredToolResults:
        """Approvals by the session's approver; calls that others carry out, by the world."""
        answers = DeferredToolResults()
        for call in requests.approvals:
            answer = await asked(self.tools.get(call.tool_name), call.tool_name, call.args_as_dict())
            if isinstance(answer, Reject):
                answers.approvals[call.tool_call_id] = ToolDenied(answer.reason)
            elif isinstance(answer, Edit):
                answers.approvals[call.tool_call_id] = ToolApproved(override_args=answer.arguments)
            else:
                answers.approvals[call.tool_call_id] = True
        for call in requests.calls:
            try:
                value = await self.tools.acall(call.tool_name, call.args_as_dict(), _carried_out_elsewhere)
            except ToolFailure as failure:
                answers.calls[call.tool_call_id] = ModelRetry(told(failure))
            else:
                answers.calls[call.tool_call_id] = value.value if isinstance(value, PlainValue) else value
        return answers


@dataclass
class _Seam(WrapperToolset[Any]):  # type: ignore[misc]  # its base has no types here
    """A toolset whose calls go to the context's world."""

    tools: AgentTools
    passed: frozenset[str]
    """Names of the tools that run sub-agents."""

    async def call_tool(
        self, name: str, tool_args: dict[str, Any], ctx: RunContext[Any], tool: ToolsetTool[Any]
    ) -> Any:
        if name in self.passed:
            return await super().call_tool(name, tool_args, ctx, tool)

        async def make(arguments: dict[str, Any]) -> Any:
            if any(arguments.get(key) is not value for key, value in tool_args.items()):  # edited: JSON
                arguments = tool.args_validator.validate_python(arguments)
            return await self.wrapped.call_tool(name, arguments, ctx, tool)

        try:
            value = await self.tools.acall(name, tool_args, make)
        except ToolFailure as failure:
            raise ModelRetry(told(failure)) from failure
        return value.value if isinstance(value, PlainValue) else value


def _seam_of_others(get_toolset: Callable[..., Any]) -> Any:
    """The toolset of a run: an agent that the session has not seen gets seams, too, so its calls go to the
    world or are refused."""

    def with_seams(agent: Any, *args: Any, **kwargs: Any) -> Any:
        tools = tools_here.get()
        own = agent.toolsets
        if tools is None or in_a_real_body() or any(isinstance(one, _Seam) for one in own):
            return get_toolset(agent, *args, **kwargs)
        given = [*own, *(kwargs.get("additional_toolsets") or ())]
        with agent.override(tools=[], toolsets=[_Seam(one, tools, frozenset()) for one in given]):
            return get_toolset(agent, *args, **kwargs)

    return with_seams


def _facts_of(name: str, tool: ToolsetTool[Any]) -> ToolFacts:
    definition = tool.tool_def
    holder = tool.toolset
    held = holder.tools.get(name) if isinstance(holder, FunctionToolset) else None
    return ToolFacts(
        name=name,
        description=definition.description or "",
        parameters=definition.parameters_json_schema,
        function=None if held is None else held.function,
        shown=_shown,
        validated=True,
    )


def _shown(value: Any) -> Any:
    """A `ToolReturn` stands for the value in it."""
    return getattr(value, "return_value", value)


def _carried_out_elsewhere(arguments: dict[str, Any]) -> Any:
    raise ToolFailure(
        "deferred call",
        "external",
        "this call was not made, because others carry it out; answer it in rehearsed(..., run=...)",
    )


def _refuse_what_runs_elsewhere(agent: Any) -> None:
    while isinstance(agent, WrapperAgent):
        agent = agent.wrapped
    native = [tool for tool in agent._cap_native_tools if getattr(tool, "kind", "") != "tool_search"]
    if native:
        names = ", ".join(sorted(str(getattr(tool, "kind", tool)) for tool in native))
        raise ConfigurationError(
            f"the agent has tools that run at its model's provider ({names}), where no rehearsal can stand "
            "in front of them; give it tools that this process calls"
        )
    functions = [one for one in _outputs(agent.output_type) if callable(one) and not isinstance(one, type)]
    if functions:
        names = ", ".join(getattr(one, "__name__", repr(one)) for one in functions)
        raise ConfigurationError(
            f"the agent's output is made by a function ({names}), which would run in rehearsals, too; make "
            "it "
            "a tool, or call it with the answer of the session"
        )


def _outputs(given: Any) -> Iterable[Any]:
    if isinstance(given, list | tuple):
        for one in given:
            yield from _outputs(one)
    elif isinstance(given, ToolOutput):
        yield from _outputs(given.output)
    elif isinstance(given, NativeOutput | PromptedOutput):
        yield from _outputs(given.outputs)
    elif isinstance(given, TextOutput):
        yield given.output_function
    else:
        yield given
