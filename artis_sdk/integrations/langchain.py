"""LangChain and LangGraph: a compiled graph rehearsed as it is. Its tools are called in `ToolNode`s."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import ExitStack
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from typing import Any

from artis_sdk.integrations.installed import needed

with needed("LangChain and LangGraph", "langchain"):
    import langgraph  # noqa: F401

from langchain_core.messages import ToolMessage
from langchain_core.tools import BaseTool, StructuredTool, ToolException
from langchain_core.utils.function_calling import convert_to_openai_tool
from langgraph.prebuilt.tool_node import ToolNode
from langgraph.pregel import Pregel
from langgraph.types import Command
from pydantic import Field

from artis_sdk.commit.approver import Edit, Reject
from artis_sdk.errors import ConfigurationError, ToolFailure
from artis_sdk.integrations.agent_tools import PlainValue, ToolFacts, read_json, told
from artis_sdk.integrations.approvals import asked
from artis_sdk.integrations.rehearsed_agent import RehearsedAgent
from artis_sdk.integrations.seams import check_seen, checked_in_all, exchanged, tools_here
from artis_sdk.records import Risk, new_id
from artis_sdk.records.jsonable import jsonable
from artis_sdk.records.marked_failure import UNTYPED
from artis_sdk.tools.guarded import GuardedTool
from artis_sdk.tools.toolset import Toolset

__all__ = ["as_tool", "rehearsed"]

Run = Callable[[Any, str], Awaitable[Any]]
"""Runs the graph on a text: `async def run(graph, text)`, which returns the answer or the last state."""
OnInterrupt = Callable[[Any], Awaitable[Any]]
"""Answers an interrupt that is no approval of tool calls, from its value: what `Command(resume=...)` gets."""

_passing: ContextVar[BaseTool | None] = ContextVar("artis_sdk_langchain_passing", default=None)
"""The tool that runs a graph of `agents`, whose body runs in a rehearsal, too."""


def as_tool(tool: BaseTool, **options: Any) -> GuardedTool[..., Any]:
    """A tool object of the framework, for a session with an agent from elsewhere.

    Args:
        tool: the object.
        options: as in `GuardedTool.from_schema`, such as `risk`.
    """
    described = convert_to_openai_tool(tool)["function"]

    async def call(**arguments: Any) -> Any:
        return await tool.ainvoke(arguments)

    return GuardedTool.from_schema(
        tool.name, described.get("description", ""), described["parameters"], call, **options
    )


def rehearsed(
    graph: Any,
    *,
    risks: Mapping[str, Risk] | None = None,
    default_risk: Risk = Risk.IRREVERSIBLE,
    agents: Mapping[str, Any] | None = None,
    context: Any = None,
    on_interrupt: OnInterrupt | None = None,
    run: Run | None = None,
) -> RehearsedAgent:
    """A session's agent from a compiled graph, of `create_agent` or your own; its tools stay as they are.

    Every call of a `ToolNode` goes to the session's world, in subgraphs, too, and below all middleware: a
    retry is a call. A tool that a node's function calls by itself is refused; so is one of a graph that
    such a function runs, unless `agents` has that graph. A predicted failure is a `ToolException`, which the
    tool and the node treat as they treat every other. `HumanInTheLoopMiddleware` gets its approval in a
    rehearsal; in a commit the session's approver decides. Each attempt has a thread of its own in the
    checkpointer.

    Args:
        graph: the graph, whose state has `messages`.
        risks: risks by tool name.
        default_risk: risk of all other tools.
        agents: graphs by the name of the tool that runs them, or of the node whose function does: in a
            rehearsal the tool's body runs, and the calls of the graph's tools are rehearsed. All other tools
            are simulated as a whole.
        context: context of each run, which tools get as `ToolRuntime.context`.
        on_interrupt: answers other interrupts.
        run: runs the graph, such as with `astream`, or with `invoke` in a thread: `async def run(graph,
            text)`, which returns the answer or the last state; give each run a thread id of its own.
    """
    return _Agent(
        graph, risks, default_risk, run, agents=dict(agents or {}), context=context, on_interrupt=on_interrupt
    )


@dataclass(eq=False, repr=False, kw_only=True)
class _Agent(RehearsedAgent):
    agents: dict[str, Any]
    context: Any
    on_interrupt: OnInterrupt | None

    def _nodes(self) -> list[ToolNode]:
        return [node for graph in (self.agent, *self.agents.values()) for node in _tool_nodes(graph)]

    async def session_tools(self) -> Toolset:
        facts = {
            name: _facts_of(tool)
            for node in self._nodes()
            for name, tool in node.tools_by_name.items()
            if name not in self.agents
        }
        return self.tools.toolset(facts.values())

    async def run(self, text: str) -> str:
        passed = frozenset(self.agents)
        with ExitStack() as stack:
            stack.enter_context(checked_in_all(BaseTool, ("run", "arun"), _check_seen))
            for node in self._nodes():
                make = partial(_seam, node, passed)
                stack.enter_context(exchanged(node, "_execute_tool_async", make))
                stack.enter_context(exchanged(node, "_execute_tool_sync", partial(_sync_seam, node, passed)))
            answer = await self._run(self.agent, text)
        return answer if isinstance(answer, str) else _last_text(answer)

    async def _run_plainly(self, graph: Any, text: str) -> Any:
        config = {"configurable": {"thread_id": new_id()}}
        given: Any = {"messages": [{"role": "user", "content": text}]}
        while True:
            state = await graph.ainvoke(given, config, context=self.context)
            waiting = state.get("__interrupt__", ()) if isinstance(state, dict) else ()
            if not waiting:
                return state
            given = Command(resume={one.id: await self._answer(one.value) for one in waiting})

    async def _answer(self, value: Any) -> Any:
        if isinstance(value, dict) and "action_requests" in value:
            return {"decisions": [await self._decision(one) for one in value["action_requests"]]}
        if isinstance(value, dict) and value.get("type") == "tool_approval":
            return await self._decision(value)
        if self.on_interrupt is None:
            raise ConfigurationError(
                f"the graph was interrupted and waits for an answer to {jsonable(value)!r}; answer it in "
                "rehearsed(..., on_interrupt=...)"
            )
        return await self.on_interrupt(value)

    async def _decision(self, action: Mapping[str, Any]) -> dict[str, Any]:
        name = action["name"]
        answer = await asked(self.tools.get(name), name, action["args"])
        if isinstance(answer, Reject):
            return {"type": "reject", "message": answer.reason}
        if isinstance(answer, Edit):
            return {"type": "edit", "edited_action": {"name": name, "args": answer.arguments}}
        return {"type": "approve"}


def _tool_nodes(graph: Any) -> Iterator[ToolNode]:
    """The tool nodes of a graph and its subgraphs."""
    if not isinstance(graph, Pregel):
        raise ConfigurationError(f"{graph!r} is no compiled graph; compile it, and pass what that returns")
    if graph.cache is not None:
        raise ConfigurationError(
            "the graph has a cache, which could give a commit what a rehearsal made up; compile it without "
            "cache="
        )
    for name, node in graph.nodes.items():
        bound = node.bound
        if isinstance(bound, ToolNode):
            yield bound
        elif isinstance(bound, Pregel):
            yield from _tool_nodes(bound)
        elif type(bound).__name__ == "RemoteGraph":
            raise ConfigurationError(
                f"node {name!r} runs elsewhere (RemoteGraph), where nothing can be rehearsed"
            )
        else:
            _refuse_provider_tools(bound)


def _refuse_provider_tools(node: Any) -> None:
    """Refuse tools that run at the model's provider: `create_agent` keeps them in its model node."""
    for function in (getattr(node, "func", None), getattr(node, "afunc", None)):
        function = getattr(function, "func", function)
        names = getattr(getattr(function, "__code__", None), "co_freevars", ())
        held = dict(zip(names, getattr(function, "__closure__", None) or (), strict=False))
        tools = held["default_tools"].cell_contents if "default_tools" in held else []
        provided = [tool for tool in tools if isinstance(tool, dict)]
        if provided:
            kinds = ", ".join(str(tool.get("type") or tool.get("name")) for tool in provided)
            raise ConfigurationError(
                f"the agent has tools that run at its model's provider ({kinds}), where no rehearsal can "
                "stand "
                "in front of them; give it tools that this process calls"
            )


def _facts_of(tool: BaseTool) -> ToolFacts:
    described = convert_to_openai_tool(tool)["function"]
    function: Any = tool._run
    if isinstance(tool, StructuredTool):
        function = tool.func or tool.coroutine
    return ToolFacts(
        name=tool.name,
        description=described.get("description", ""),
        parameters=described["parameters"],
        function=function,
        failed=_failed,
        shown=_shown,
    )


def _seam(node: ToolNode, passed: frozenset[str], execute: Callable[..., Awaitable[Any]]) -> Any:
    async def execute_tool(request: Any, input_type: Any, config: Any) -> Any:
        call, tools = request.tool_call, tools_here.get()
        if tools is None:
            return await execute(request, input_type, config)
        if call["name"] in passed:
            token = _passing.set(request.tool)
            try:
                return await execute(request, input_type, config)
            finally:
                _passing.reset(token)

        async def make(given: dict[str, Any]) -> Any:
            return await execute(_with_arguments(request, given), input_type, config)

        try:
            value = await tools.acall(call["name"], call["args"], make)
        except ToolFailure as failure:
            value = failure
        if not isinstance(value, PlainValue | ToolFailure):
            return value
        return await execute(request.override(tool=_Answer.of(request.tool, value)), input_type, config)

    return execute_tool


def _sync_seam(node: ToolNode, passed: frozenset[str], execute: Callable[..., Any]) -> Any:
    def execute_tool(request: Any, input_type: Any, config: Any) -> Any:
        call, tools = request.tool_call, tools_here.get()
        if tools is None:
            return execute(request, input_type, config)
        if call["name"] in passed:
            token = _passing.set(request.tool)
            try:
                return execute(request, input_type, config)
            finally:
                _passing.reset(token)

        def make(given: dict[str, Any]) -> Any:
            return execute(_with_arguments(request, given), input_type, config)

        try:
            value = tools.call(call["name"], call["args"], make)
        except ToolFailure as failure:
            value = failure
        if not isinstance(value, PlainValue | ToolFailure):
            return value
        return execute(request.override(tool=_Answer.of(request.tool, value)), input_type, config)

    return execute_tool


def _check_seen(tool: BaseTool) -> None:
    if not isinstance(tool, _Answer) and tool is not _passing.get():
        check_seen(tool.name)


def _with_arguments(request: Any, given: dict[str, Any]) -> Any:
    call = request.tool_call
    return request if given == call["args"] else request.override(tool_call={**call, "args": given})


class _Answer(BaseTool):  # type: ignore[misc]  # its base has no types here
    """A tool in whose place a world has answered; the node makes a message of that as of any tool's."""

    args_schema: Any = Field(default_factory=lambda: {"type": "object", "properties": {}})
    said: Any = None

    @classmethod
    def of(cls, tool: BaseTool, said: PlainValue | ToolFailure) -> _Answer:
        return cls(
            name=tool.name,
            description=tool.description,
            handle_tool_error=tool.handle_tool_error,
            response_format=tool.response_format,
            return_direct=tool.return_direct,
            said=said,
        )

    def _run(self, *args: Any, **kwargs: Any) -> Any:
        if isinstance(self.said, ToolFailure):
            raise ToolException(told(self.said)) from self.said
        return (self.said.value, None) if self.response_format == "content_and_artifact" else self.said.value


def _failed(result: Any) -> str | None:
    if isinstance(result, ToolMessage):
        return UNTYPED if result.status == "error" else None
    return type(result).__name__ if isinstance(result, BaseException) else None


def _shown(result: Any) -> Any:
    """What a tool said: the content of its message."""
    return read_json(result.content) if isinstance(result, ToolMessage) else jsonable(result)


def _last_text(state: Any) -> str:
    messages = state.get("messages") if isinstance(state, dict) else getattr(state, "messages", None)
    if not messages:
        raise ConfigurationError(
            "the graph's state has no messages; return the answer in rehearsed(..., run=...)"
        )
    text = messages[-1].text
    return str(text() if callable(text) and not isinstance(text, str) else text)
