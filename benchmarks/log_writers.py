"""Agents of other libraries that make five calls each, and the logs that the libraries write of them.

    python benchmarks/log_writers.py WRITER FOLDER

Runs where the libraries are installed, see `written_logs.py`. No model takes part: each library's own
stand-in for one asks for the calls in `CALLS`. A file lies in the folder of its format.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

CALLS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("look", {"at": "a"}),
    ("add", {"a": 1, "b": 2}),
    ("note", {"text": "x"}),
    ("pay", {"amount": 7}),
    ("look", {"at": "b"}),
)
ERROR = "no such account"
LATE = "timeout"
"""Name of the file in which the failing call did not end in time."""


def look(at: str) -> str:
    """Look at it."""
    return json.dumps({"open": True, "at": at})


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def note(text: str) -> str:
    """Note it."""
    return f"noted: {text}"


def pay(amount: int) -> str:
    """Pay; it fails."""
    raise ValueError(ERROR)


def spans(path: Path) -> Any:
    """A tracer provider that writes spans as OpenTelemetry's console does, a line each."""
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor

    path.parent.mkdir(exist_ok=True)
    exporter = ConsoleSpanExporter(
        out=path.open("w", buffering=1), formatter=lambda span: str(span.to_json(indent=None)) + "\n"
    )
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    return provider


def save(path: Path, *values: Any) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(json.dumps(value) + "\n" for value in values))


def pydantic_ai(folder: Path) -> None:
    from pydantic_ai import Agent, ModelRetry
    from pydantic_ai.messages import ModelResponse, TextPart, ToolCallPart
    from pydantic_ai.models.function import FunctionModel
    from pydantic_ai.models.instrumented import InstrumentationSettings

    def pay(amount: int) -> str:
        raise ModelRetry(ERROR)

    made = iter(CALLS)

    def answer(messages: Any, info: Any) -> Any:
        call = next(made, None)
        return ModelResponse(parts=[TextPart("Done.") if call is None else ToolCallPart(*call)])

    Agent.instrument_all(
        InstrumentationSettings(tracer_provider=spans(folder / "otel" / "pydantic-ai.jsonl"))
    )
    Agent(FunctionModel(answer), tools=[look, add, note, pay]).run_sync("Go.")


def _langchain(config: Any = None) -> list[Any]:
    """The messages of a run of LangChain's agent."""
    from langchain.agents import create_agent
    from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
    from langchain_core.messages import AIMessage
    from langchain_core.tools import StructuredTool, ToolException

    def refused(amount: int) -> str:
        raise ToolException(ERROR)

    class Model(GenericFakeChatModel):  # type: ignore[misc]
        def bind_tools(self, tools: Any, **_: Any) -> Any:
            return self

    made = [
        AIMessage("", tool_calls=[{"name": name, "args": given, "id": f"c{n}", "type": "tool_call"}])
        for n, (name, given) in enumerate(CALLS)
    ]
    tools = [StructuredTool.from_function(tool) for tool in (look, add, note)]
    tools.append(
        StructuredTool.from_function(refused, name="pay", description="Pay.", handle_tool_error=True)
    )
    agent = create_agent(Model(messages=iter([*made, AIMessage("Done.")])), tools)
    found: list[Any] = agent.invoke({"messages": [("user", "Go.")]}, config)["messages"]
    return found


def langchain(folder: Path) -> None:
    from langchain_core.load import dumps
    from langchain_core.messages import messages_to_dict
    from langchain_core.tracers.run_collector import RunCollectorCallbackHandler

    collected = RunCollectorCallbackHandler()
    messages = _langchain({"callbacks": [collected]})
    save(folder / "messages" / "langchain.json", {"messages": [m.model_dump() for m in messages]})
    save(folder / "messages" / "langchain-dict.json", {"messages": messages_to_dict(messages)})
    save(folder / "messages" / "langchain-dumped.json", {"messages": json.loads(dumps(messages))})
    runs: list[Any] = []
    waiting = list(collected.traced_runs)
    while waiting:
        run = waiting.pop()
        runs.append(json.loads(run.json()))
        waiting += run.child_runs
    save(folder / "langsmith" / "runs.jsonl", *runs)
    save(folder / "langsmith" / "root.jsonl", *(run for run in runs if not run.get("parent_run_id")))
    save(folder / "langsmith" / "tools.jsonl", *(run for run in runs if run["run_type"] == "tool"))


def openinference(folder: Path) -> None:
    from openinference.instrumentation.langchain import LangChainInstrumentor

    provider = spans(folder / "otel" / "openinference-langchain.jsonl")
    LangChainInstrumentor().instrument(tracer_provider=provider)
    _langchain()


def openllmetry(folder: Path) -> None:
    from opentelemetry.instrumentation.langchain import LangchainInstrumentor

    provider = spans(folder / "otel" / "openllmetry-langchain.jsonl")
    LangchainInstrumentor().instrument(tracer_provider=provider)
    _langchain()


def openai_agents(folder: Path) -> None:
    from agents import Agent, Model, ModelResponse, Runner, Usage, function_tool
    from openai.types.responses import ResponseFunctionToolCall, ResponseOutputMessage, ResponseOutputText
    from openinference.instrumentation.openai_agents import OpenAIAgentsInstrumentor

    made = enumerate(CALLS)

    class Scripted(Model):  # type: ignore[misc]
        async def get_response(self, *_: Any, **__: Any) -> Any:
            n, call = next(made, (0, None))
            if call is None:
                text = ResponseOutputText(text="Done.", type="output_text", annotations=[])
                said: Any = ResponseOutputMessage(
                    id="m", type="message", role="assistant", status="completed", content=[text]
                )
            else:
                said = ResponseFunctionToolCall(
                    type="function_call", call_id=f"c{n}", name=call[0], arguments=json.dumps(call[1])
                )
            return ModelResponse(output=[said], usage=Usage(), response_id=None)

        def stream_response(self, *_: Any, **__: Any) -> Any:
            raise NotImplementedError

    provider = spans(folder / "otel" / "openinference-agents.jsonl")
    OpenAIAgentsInstrumentor().instrument(tracer_provider=provider)
    tools = [function_tool(tool) for tool in (look, add, note, pay)]
    done = asyncio.run(Runner.run(Agent(name="a", model=Scripted(), tools=tools), "Go."))
    save(folder / "messages" / "openai-agents.json", {"input": done.to_input_list()})


def strands(folder: Path, name: str = "strands") -> None:
    from strands import Agent, tool
    from strands.models import Model

    made = enumerate(CALLS)

    class Scripted(Model):  # type: ignore[misc]
        def get_config(self) -> Any:
            return {}

        def update_config(self, **_: Any) -> None:
            return

        def structured_output(self, *_: Any, **__: Any) -> Any:
            raise NotImplementedError

        async def stream(self, *_: Any, **__: Any) -> Any:
            n, call = next(made, (0, None))
            start = {} if call is None else {"toolUse": {"name": call[0], "toolUseId": f"c{n}"}}
            delta = {"text": "Done."} if call is None else {"toolUse": {"input": json.dumps(call[1])}}
            yield {"messageStart": {"role": "assistant"}}
            yield {"contentBlockStart": {"start": start}}
            yield {"contentBlockDelta": {"delta": delta}}
            yield {"contentBlockStop": {}}
            yield {"messageStop": {"stopReason": "end_turn" if call is None else "tool_use"}}

    spans(folder / "otel" / f"{name}.jsonl")
    agent = Agent(model=Scripted(), tools=[tool(t) for t in (look, add, note, pay)], callback_handler=None)
    agent("Go.")
    save(folder / "messages" / "strands.json", {"messages": agent.messages})


def strands_latest(folder: Path) -> None:
    os.environ["OTEL_SEMCONV_STABILITY_OPT_IN"] = "gen_ai_latest_experimental"
    strands(folder, "strands-latest")


def langfuse(folder: Path) -> None:
    from langfuse import Langfuse, observe

    provider = spans(folder / "otel" / "langfuse.jsonl")
    nowhere = "http://127.0.0.1:9"  # what it also sends there, nobody reads
    Langfuse(public_key="pk", secret_key="sk", base_url=nowhere, tracer_provider=provider, timeout=1)
    tools = {tool.__name__: observe(as_type="tool")(tool) for tool in (look, add, note, pay)}

    def run() -> None:
        for name, given in CALLS:
            with suppress(ValueError):
                tools[name](**given)

    observe(as_type="agent")(run)()


def inspect_ai(folder: Path) -> None:
    import tiktoken

    tiktoken.get_encoding = lambda _: _Words  # it would load its table from elsewhere
    from inspect_ai import Task, eval
    from inspect_ai.dataset import Sample
    from inspect_ai.model import ModelOutput, get_model
    from inspect_ai.solver import generate, use_tools
    from inspect_ai.tool import ToolDef, ToolError, ToolParams

    async def refused(amount: int) -> str:
        raise ToolError(ERROR)

    async def late(amount: int) -> str:
        raise TimeoutError

    def defined(function: Callable[..., Any], name: str) -> Any:
        async def execute(**given: Any) -> Any:
            made = function(**given)
            return await made if asyncio.iscoroutine(made) else made

        fields = {field: {"type": "integer"} for field in ("a", "b", "amount")}
        fields |= {field: {"type": "string"} for field in ("at", "text")}
        given = next(arguments for tool, arguments in CALLS if tool == name)
        params = ToolParams.model_validate(
            {"properties": {f: fields[f] for f in given}, "required": [*given]}
        )
        for field in given:
            params.properties[field].description = field
        return ToolDef(execute, name, f"{name}.", params).as_tool()

    tools = [defined(tool, tool.__name__) for tool in (look, add, note)]
    for name, form, pay in (("json", "json", refused), ("eval", "eval", refused), (LATE, "eval", late)):
        said = [ModelOutput.for_tool_call("mockllm/model", tool, given) for tool, given in CALLS]
        if name == LATE:  # all at once
            said[0].message.tool_calls = [call for output in said for call in output.message.tool_calls]
            del said[1:]
        said.append(ModelOutput.from_content("mockllm/model", "Done."))
        (log,) = eval(
            Task(dataset=[Sample(input="Go.")], solver=[use_tools(*tools, defined(pay, "pay")), generate()]),
            model=get_model("mockllm/model", custom_outputs=said),
            log_dir=str(folder / "inspect"),
            log_format=form,
            display="none",
        )
        Path(log.location).rename(folder / "inspect" / f"{name}.{form}")


class _Words:
    """A stand-in for a tokenizer."""

    @staticmethod
    def encode(text: str, **_: Any) -> list[str]:
        return text.split()


def mcp(folder: Path) -> None:
    """What a client reads and writes, as lines of a logger."""
    import anyio
    from mcp.client.session import ClientSession
    from mcp.client.stdio import StdioServerParameters, stdio_client

    lines: list[Any] = []

    async def run() -> None:
        server = StdioServerParameters(command=sys.executable, args=[__file__, "serve", "."])
        async with stdio_client(server) as (read, write):
            sent, outgoing = anyio.create_memory_object_stream[Any](9)
            incoming, received = anyio.create_memory_object_stream[Any](9)

            async def tap(source: Any, target: Any) -> None:
                async for message in source:
                    root = getattr(message, "message", message)
                    lines.append(root.model_dump(mode="json", by_alias=True, exclude_none=True))
                    await target.send(message)

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(tap, outgoing, write)
                tasks.start_soon(tap, read, incoming)
                async with ClientSession(received, sent) as session:
                    await session.initialize()
                    await session.list_tools()
                    for name, given in CALLS:
                        await session.call_tool(name, given)
                tasks.cancel_scope.cancel()

    asyncio.run(run())
    save(folder / "mcp" / "client.jsonl", *lines)
    save(folder / "mcp" / "logged.jsonl", *({"ts": 1.76e9 + n, "message": m} for n, m in enumerate(lines)))


def serve(_: Path) -> None:
    from mcp.server.mcpserver import MCPServer
    from mcp.server.mcpserver.exceptions import ToolError

    def pay(amount: int) -> str:
        """Pay."""
        raise ToolError(ERROR)

    server = MCPServer("five")
    for tool in (look, add, note, pay):
        server.tool()(tool)
    server.run("stdio")


WRITERS: dict[str, Callable[[Path], None]] = {
    writer.__name__: writer
    for writer in (
        *(pydantic_ai, langchain, openinference, openllmetry, openai_agents, strands, strands_latest),
        *(langfuse, inspect_ai, mcp),
    )
}

if __name__ == "__main__":
    {**WRITERS, "serve": serve}[sys.argv[1]](Path(sys.argv[2]))
