"""Parameters that no model may see: not in the schema, the prompts or the log, and given to the function."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from helpers.logs import file_bytes
from helpers.sessions import unjudged

from artis_sdk import Direct, LLMSimulator, SandboxSimulator, Sequential, Session, Toolset, guarded_tool
from artis_sdk.backends import ScriptedBackend
from artis_sdk.errors import InvalidArguments, ToolDefinitionError
from artis_sdk.records import Request, ToolCall
from artis_sdk.tools.decorator import tool_of


class Context:
    """As a framework's run context: it holds the whole application."""

    def __init__(self, name: str) -> None:
        self.application = {"everything": f"inside-{name}"}


SEEN: list[Any] = []


@guarded_tool(inject={"ctx": Context("one")}, hide=("trace",))
def pay(ctx: Context, to: str, amount: int = 1, trace: str = "none") -> str:
    """Pay somebody.

    Args:
        ctx: the application.
        to: who gets it.
    """
    SEEN.append((ctx, to, amount, trace))
    return f"paid {to}"


def test_a_hidden_parameter_is_in_no_document_and_no_model_can_give_it() -> None:
    spec = tool_of(pay).spec
    assert set(spec.parameters["properties"]) == {"to", "amount"}
    assert spec.hidden == {"ctx", "trace"}
    assert "application" not in json.dumps(spec.document())
    with pytest.raises(InvalidArguments, match="ctx: unknown parameter"):
        tool_of(pay).parse(ToolCall(tool="pay", arguments={"to": "ann", "ctx": {}}))


def script(request: Request) -> Any:
    text = json.dumps([message.content for message in request.messages])
    assert "inside-" not in text
    assert "ctx" not in text
    if not request.tools:
        return '<Output>["paid ann"]</Output>'
    assert "ctx" not in json.dumps([tool.document() for tool in request.tools])
    if any(message.role == "tool" for message in request.messages):
        return "done"
    return ToolCall(tool="pay", arguments={"to": "ann"})


async def test_it_is_given_to_the_real_function_alone(tmp_path: Path) -> None:
    SEEN.clear()
    backend = ScriptedBackend(script)
    async with unjudged(
        backend,
        [pay],
        tmp_path / "journal.db",
        simulator=LLMSimulator(backend, structured=False),
        strategy=Sequential(1),
        log=tmp_path / "calls.db",
    ) as session:
        plan = await session.rehearse("Pay ann.")
        assert SEEN == []
        result = await session.commit(plan)
    ((ctx, to, amount, trace),) = SEEN
    assert ctx.application == {"everything": "inside-one"}
    assert (to, amount, trace) == ("ann", 1, "none")
    assert "inside-" not in result.model_dump_json()
    assert [call.call.arguments for call in result.calls] == [{"to": "ann"}]
    for name in ("journal.db", "calls.db"):
        assert b"inside-" not in file_bytes(tmp_path / name)


async def test_a_caller_in_python_gives_its_own(tmp_path: Path) -> None:
    mine = Context("mine")
    made: list[Context] = []

    def make() -> Context:
        made.append(Context("made"))
        return made[-1]

    @guarded_tool(inject={"ctx": make})
    async def read(what: str, *, ctx: Context) -> Any:
        return ctx.application["everything"]

    async def agent(task: str, *, tools: Toolset, guidance: str | None) -> str:
        own = await read("x", ctx=mine)
        return f"{own} {await tools['read'](what='x')}"

    assert await read("x", ctx=mine) == "inside-mine"
    async with Session(agent=agent, tools=[read], strategy=Direct(), journal=tmp_path / "j.db") as session:
        result = await session.run("read")
    assert result.answer == "inside-mine inside-made"
    assert len(made) == 1
    assert [call.call.arguments for call in result.calls] == [{"what": "x"}] * 2


async def test_no_sandbox_runs_a_function_with_what_is_injected(tmp_path: Path) -> None:
    SEEN.clear()

    async def agent(task: str, *, tools: Toolset, guidance: str | None) -> str:
        return str(tools["pay"](to="ann"))

    async with unjudged(
        agent, [pay], tmp_path / "j.db", simulator=SandboxSimulator(pure=["pay"]), strategy=Sequential(1)
    ) as session:
        plan = await session.rehearse("pay")
    assert [attempt.ended for attempt in plan.attempts] == ["simulation_error"]
    assert SEEN == []


async def test_a_factory_that_fails_is_a_failure_of_its_call(tmp_path: Path) -> None:
    def make() -> Context:
        raise ConnectionError("no database")

    @guarded_tool(inject={"ctx": make})
    def read(what: str, ctx: Context) -> str:
        return what

    backend = ScriptedBackend(
        lambda request: (
            "done"
            if any(message.role == "tool" for message in request.messages)
            else ToolCall(tool="read", arguments={"what": "x"})
        )
    )
    async with Session(agent=backend, tools=[read], strategy=Direct(), journal=tmp_path / "j.db") as session:
        result = await session.run("read")
    assert [call.outcome.failure_type for call in result.calls] == ["ConnectionError"]


class Shop:
    def __init__(self) -> None:
        self.stock = 3

    def buy(self, ctx: Context, item: str) -> str:
        return f"{item} by {ctx.application['everything']}"

    def count(self) -> int:
        return self.stock


async def test_an_objects_methods(tmp_path: Path) -> None:
    tools = Toolset.from_object(Shop(), inject={"ctx": partial(Context, "shop")})
    assert tools["buy"].spec.parameters["properties"].keys() == {"item"}

    async def agent(task: str, *, tools: Toolset, guidance: str | None) -> str:
        return str(tools["buy"](item="tea"))

    async with Session(agent=agent, tools=tools, strategy=Direct(), journal=tmp_path / "j.db") as session:
        result = await session.run("buy")
    assert result.answer == "tea by inside-shop"


def plain(ctx: Context, to: str) -> None: ...


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hide": ("ctx",)}, "'ctx' is hidden and has no default"),
        ({"hide": ("nothing",)}, "hide names 'nothing', which is not a parameter"),
        ({"inject": {"nothing": 1}}, "inject names 'nothing', which is not a parameter"),
        ({"hide": "ctx"}, "hide must be a collection of names"),
        ({"inject": {"to": 1}, "idempotency_key": "to"}, "'to' is the idempotency key"),
    ],
)
def test_what_cannot_be_hidden(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ToolDefinitionError, match=message):
        guarded_tool(**options)(plain)
    if "idempotency_key" not in options:  # which a toolset does not take for all methods
        with pytest.raises(ToolDefinitionError, match=message if "nothing" not in message else "nothing"):
            Toolset.from_object(Shop(), **options)
