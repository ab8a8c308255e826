"""`Tool.from_schema`: a tool from a JSON schema and a callable, in every world."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from helpers.frameworks import calls_in

from artis_sdk import Outcome, Parallel, Risk, Session, Tool, Toolset
from artis_sdk.contracts import Simulator
from artis_sdk.errors import InvalidArguments, ToolDefinitionError
from artis_sdk.records import History, Provenance, State, ToolCall
from artis_sdk.records.same_call import same_value

SCHEMA = {
    "type": "object",
    "properties": {
        "target": {"type": "string"},
        "amount": {"type": "integer", "minimum": 1},
        "context": {"type": "object"},
    },
    "required": ["target", "amount", "context"],
    "additionalProperties": False,
}


class Sends(Simulator):
    async def predict(self, call: ToolCall, state: State, history: History) -> Outcome:
        return Outcome.success({"sent": call.arguments["amount"]}, Provenance.SIMULATED)


def bank(real: list[Any], *, is_async: bool) -> Any:
    def pay(target: str, amount: int, context: Any) -> dict[str, int]:
        real.append((target, amount, context))
        return {"sent": amount}

    async def pay_async(target: str, amount: int, context: Any) -> dict[str, int]:
        return pay(target, amount, context)

    return pay_async if is_async else pay


def made(call: Any, **options: Any) -> Any:
    return Tool.from_schema(
        "pay", "Send money.", SCHEMA, call, risk=Risk.IRREVERSIBLE, inject={"context": "ctx"}, **options
    )


def test_the_context_is_in_no_schema() -> None:
    spec = made(bank([], is_async=False)).spec
    assert (spec.name, spec.description, spec.risk) == ("pay", "Send money.", Risk.IRREVERSIBLE)
    assert sorted(spec.parameters["properties"]) == ["amount", "target"]
    assert spec.parameters["required"] == ["target", "amount"]
    assert SCHEMA["required"] == ["target", "amount", "context"], "the caller's schema stays"


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("by_position", [False, True])
async def test_simulated_then_made_once(is_async: bool, by_position: bool, tmp_path: Path) -> None:
    real: list[Any] = []
    tool = made(bank(real, is_async=is_async))

    async def agent(task: str, *, tools: Any, guidance: str | None) -> str:
        given = tools["pay"]("bob", 5) if by_position else tools["pay"](target="bob", amount=5)
        sent = await given if is_async else given
        return str(sent["sent"])

    async with Session(
        agent=agent, tools=[tool], simulator=Sends(), strategy=Parallel(2), evaluate=False, summarize=False,
        journal=tmp_path / "j.db",
    ) as session:  # fmt: skip
        plan = await session.rehearse("Pay.")
        assert real == []
        result = await session.commit(plan)
    assert real == [("bob", 5, "ctx")]
    assert (result.answer, calls_in(tmp_path / "j.db")) == ("5", [("pay", "done")])


async def test_its_function_called_by_name_is_a_call_of_the_tool(tmp_path: Path) -> None:
    real: list[Any] = []
    function = bank(real, is_async=False)

    async def agent(task: str, *, tools: Any, guidance: str | None) -> str:
        return str(function(target="bob", amount=5, context="of the caller"))

    async with Session(
        agent=agent, tools=[made(function)], simulator=Sends(), strategy=Parallel(2), evaluate=False,
        summarize=False, journal=tmp_path / "j.db",
    ) as session:  # fmt: skip
        plan = await session.rehearse("Pay.")
        assert real == []
        assert [len(attempt.steps) for attempt in plan.attempts] == [1, 1]
        assert "context" not in plan.attempts[0].steps[0].call.arguments
        await session.commit(plan)
    assert real == [("bob", 5, "of the caller")]
    assert calls_in(tmp_path / "j.db") == [("pay", "done")]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"target": "bob"}, "'amount' is a required property"),
        ({"target": "bob", "amount": 0}, "amount: 0 is less than the minimum of 1"),
        ({"target": "bob", "amount": "5"}, "amount: '5' is not of type 'integer'"),
        ({"target": "bob", "amount": 5, "more": 1}, "'more' was unexpected"),
        ({"target": "bob", "amount": 5, "context": {}}, "context: unknown parameter; leave it out"),
    ],
)
def test_arguments_that_do_not_fit(arguments: dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidArguments, match=told):
        made(bank([], is_async=False)).parse(ToolCall(tool="pay", arguments=arguments))


@pytest.mark.parametrize(
    ("schema", "told"),
    [
        ({"type": "array"}, "of type object"),
        ({"type": "object", "properties": {"a": {"type": "nonsense"}}}, "no valid JSON schema"),
    ],
)
def test_schemas_that_are_none(schema: dict[str, Any], told: str) -> None:
    with pytest.raises(ToolDefinitionError, match=told):
        Tool.from_schema("t", "", schema, print)


def test_a_reference_to_elsewhere_is_an_error_and_fetches_nothing() -> None:
    schema = {"type": "object", "properties": {"a": {"$ref": "http://127.0.0.1:9/schema.json"}}}
    tool = Tool.from_schema("t", "", schema, print)
    with pytest.raises(ToolDefinitionError, match="leads nowhere"):
        tool.parse(ToolCall(tool="t", arguments={"a": 1}))


def test_options_that_do_not_fit() -> None:
    with pytest.raises(ToolDefinitionError, match="timeout"):
        Tool.from_schema("t", "", {}, print, timeout=-1)
    with pytest.raises(ToolDefinitionError, match="collection of names"):
        Tool.from_schema("t", "", {}, print, hide="a")
    with pytest.raises(ToolDefinitionError, match="two tools"):
        Toolset(Tool.from_schema("t", "", {}, print), Tool.from_schema("t", "", {}, print))


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ('{"sent": 5}', {"sent": 5}, True),
        ('{"a": 1, "b": [2]}', '{"b":[2],"a":1.0}', True),
        ("100", 100, True),
        ("null", None, True),
        ("true", True, True),
        ("true", 1, False),
        ("100", "1e2", False),
        ("[1", [1], False),
        ("[1", "[1 ", False),
        ('"x"', "x", False),
        ("{}", "[]", False),
        ('{"sent": 5}', {"sent": 6}, False),
        ({"said": '{"a": 1}'}, {"said": {"a": 1}}, True),
    ],
)
def test_a_text_that_is_json_equals_what_it_says(one: Any, other: Any, same: bool) -> None:
    assert same_value(one, other) is same
    assert same_value(other, one) is same
