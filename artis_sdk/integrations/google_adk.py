"""google-adk: an agent rehearsed as it is, with its sub-agents and those that are its tools."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from copy import copy
from dataclasses import dataclass
from typing import Any

from artis_sdk.integrations.installed import needed

with needed("google-adk", "google-adk"):
    import google.adk  # noqa: F401

from google.adk.agents import BaseAgent, LlmAgent, LoopAgent, ParallelAgent, SequentialAgent, llm_agent
from google.adk.agents.llm.task._finish_task_tool import FinishTaskTool
from google.adk.flows.llm_flows.functions import REQUEST_CONFIRMATION_FUNCTION_CALL_NAME
from google.adk.runners import InMemoryRunner
from google.adk.tools import FunctionTool, exit_loop
from google.adk.tools.agent_tool import AgentTool
from google.adk.tools.base_tool import BaseTool
from google.adk.tools.example_tool import ExampleTool
from google.adk.tools.preload_memory_tool import PreloadMemoryTool
from google.genai.types import Content, FunctionResponse, Part

from artis_sdk.commit.approver import Approve
from artis_sdk.errors import ConfigurationError, ToolDefinitionError
from artis_sdk.integrations.agent_tools import PlainValue, ToolFacts, in_a_real_body, read_json
from artis_sdk.integrations.approvals import asked
from artis_sdk.integrations.rehearsed_agent import RehearsedAgent, each_once
from artis_sdk.integrations.seams import exchanged, tools_here
from artis_sdk.records import Risk
from artis_sdk.tools.guarded import GuardedTool
from artis_sdk.tools.toolset import Toolset

__all__ = ["as_tool", "rehearsed"]

Run = Callable[[Any, str], Awaitable[Any]]
"""Runs the agent on a text: `async def run(agent, text)`, which returns the answer."""

_USER = "artis"


def as_tool(tool: BaseTool, **options: Any) -> GuardedTool[..., Any]:
    """A tool object of the framework, for a session with an agent from elsewhere.

    Args:
        tool: the object.
        options: as in `GuardedTool.from_schema`, such as `risk`.
    """
    if not isinstance(tool, FunctionTool):
        raise ToolDefinitionError(f"{tool.name} needs an agent of google-adk; pass the agent, by rehearsed()")
    facts = _facts_of(tool)
    return GuardedTool.from_schema(facts.name, facts.description, facts.parameters, tool.func, **options)


def rehearsed(
    agent: BaseAgent,
    *,
    risks: Mapping[str, Risk] | None = None,
    default_risk: Risk = Risk.IRREVERSIBLE,
    state: Mapping[str, Any] | None = None,
    run: Run | None = None,
) -> RehearsedAgent:
    """A session's agent from one of google-adk, whose tools stay as they are.

    Its sub-agents, and agents that are tools (`AgentTool`), are rehearsed with it. A predicted failure is an
    exception of the tool, which `on_tool_error_callback` gets as every other; without one it ends the run. A
    call that asks for confirmation gets it in a rehearsal; in a commit the session's approver decides.

    Args:
        agent: the root agent.
        risks: risks by tool name.
        default_risk: risk of all other tools.
        state: state of the session that each run begins with, which tools get in their `ToolContext`.
        run: runs the agent, such as with an app and plugins of your own or with streaming:
            `async def run(agent, text)`, which returns the answer; give each run a session of its own.
    """
    return _Agent(agent, risks, default_risk, run, state=dict(state or {}))


@dataclass(eq=False, repr=False, kw_only=True)
class _Agent(RehearsedAgent):
    state: dict[str, Any]

    async def session_tools(self) -> Toolset:
        facts: dict[str, ToolFacts] = {}
        for agent in _reachable(self.agent):
            for tool in await agent.canonical_tools():
                if _is_guarded(tool):
                    facts[tool.name] = _facts_of(tool)
        return self.tools.toolset(facts.values())

    async def run(self, text: str) -> str:
        with exchanged(llm_agent, "_convert_tool_union_to_tools", _seam):
            return str(await self._run(self.agent, text))

    async def _run_plainly(self, agent: BaseAgent, text: str) -> str:
        runner = InMemoryRunner(agent)
        session = await runner.session_service.create_session(
            app_name=runner.app_name, user_id=_USER, state=dict(self.state)
        )
        said, parts = "", [Part(text=text)]
        while parts:
            held: list[Any] = []
            async for event in runner.run_async(
                user_id=_USER, session_id=session.id, new_message=Content(role="user", parts=parts)
            ):
                calls = event.get_function_calls()
                held += [call for call in calls if call.name == REQUEST_CONFIRMATION_FUNCTION_CALL_NAME]
                for part in (event.content and event.content.parts) or ():
                    said = (part.text if not part.thought and not event.partial else None) or said
            parts = [await self._confirmation(call) for call in held]
        return said

    async def _confirmation(self, call: Any) -> Part:
        wanted = call.args["originalFunctionCall"]
        name = wanted["name"]
        answer = await asked(self.tools.get(name), name, wanted.get("args") or {})
        confirmed = {"confirmed": isinstance(answer, Approve)}
        return Part(function_response=FunctionResponse(id=call.id, name=call.name, response=confirmed))


def _reachable(start: BaseAgent) -> Iterator[LlmAgent]:
    """The agents with tools below an agent, each once."""

    def below(agent: BaseAgent) -> list[BaseAgent]:
        _refuse_other_kinds(agent)
        if not isinstance(agent, LlmAgent):
            return list(agent.sub_agents)
        if agent.code_executor is not None:
            raise ConfigurationError(
                f"agent {agent.name!r} has a code executor, which runs what its model writes, in rehearsals, "
                "too; give it tools"
            )
        tools = [tool.agent if isinstance(tool, AgentTool) else tool for tool in agent.tools]
        return [one for one in (*agent.sub_agents, *tools) if isinstance(one, BaseAgent)]

    return (agent for agent in each_once(start, below) if isinstance(agent, LlmAgent))


def _refuse_other_kinds(agent: Any) -> None:
    """Only agents of these kinds, and such as the application has written, call tools that can be found."""
    known = isinstance(agent, LlmAgent | LoopAgent | ParallelAgent | SequentialAgent)
    if not known and (not isinstance(agent, BaseAgent) or type(agent).__module__.startswith("google.adk.")):
        raise ConfigurationError(
            f"{agent.name!r} is a {type(agent).__name__}, whose calls no rehearsal can stand in front of; "
            "give the session an LlmAgent that has it as a tool, which is then simulated as a whole"
        )


def _is_guarded(tool: BaseTool) -> bool:
    """Whether a tool's calls go to the world: not those of the framework's own that only steer the agent."""
    if isinstance(tool, AgentTool | ExampleTool | FinishTaskTool | PreloadMemoryTool):
        return False
    if isinstance(tool, FunctionTool) and tool.func is exit_loop:
        return False
    if tool._get_declaration() is None:
        raise ConfigurationError(
            f"{tool.name} runs at the model's provider, where no rehearsal can stand in front of it; give "
            "the "
            "agent tools that this process calls"
        )
    return True


def _seam(resolve: Callable[..., Awaitable[list[BaseTool]]]) -> Any:
    """Where each agent's tools become objects, at each of its turns: also those of an agent that the session
    has not seen."""

    async def resolved(*args: Any, **kwargs: Any) -> list[BaseTool]:
        tools = await resolve(*args, **kwargs)
        return tools if tools_here.get() is None or in_a_real_body() else list(map(_seamed, tools))

    return resolved


def _seamed(tool: BaseTool) -> BaseTool:
    """A copy of a tool that is called in the context's world."""
    if not _is_guarded(tool):
        return tool
    run_async = tool.run_async

    async def run_in_world(*, args: dict[str, Any], tool_context: Any) -> Any:
        tools = tools_here.get()
        if tools is None:
            return await run_async(args=args, tool_context=tool_context)

        async def make(given: dict[str, Any]) -> Any:
            return await run_async(args=given, tool_context=tool_context)

        value = await tools.acall(tool.name, args, make)
        return value.value if isinstance(value, PlainValue) else value

    seamed = copy(tool)
    object.__setattr__(seamed, "run_async", run_in_world)
    return seamed


def _facts_of(tool: BaseTool) -> ToolFacts:
    declaration: Any = tool._get_declaration()
    schema = declaration.parameters_json_schema
    if schema is None:
        schema = _json_schema(declaration.parameters)
    return ToolFacts(
        name=tool.name,
        description=declaration.description or tool.description,
        parameters=schema,
        function=getattr(tool, "func", None),
        shown=read_json,
    )


def _json_schema(schema: Any) -> dict[str, Any]:
    """A genai `Schema` as JSON schema, whose types are in lower case."""
    if schema is None:
        return {"type": "object", "properties": {}}
    dumped: dict[str, Any] = schema.model_dump(mode="json", exclude_none=True, by_alias=True)
    return _lower(dumped)


def _lower(schema: dict[str, Any]) -> dict[str, Any]:
    made = dict(schema)
    if isinstance(made.get("type"), str):
        made["type"] = made["type"].lower()
    if made.pop("nullable", False) and "type" in made:
        made["type"] = [made["type"], "null"]
    if "properties" in made:
        made["properties"] = {name: _lower(value) for name, value in made["properties"].items()}
    for name in ("items", "additionalProperties"):
        if isinstance(made.get(name), dict):
            made[name] = _lower(made[name])
    if "anyOf" in made:
        made["anyOf"] = [_lower(value) for value in made["anyOf"]]
    return made
