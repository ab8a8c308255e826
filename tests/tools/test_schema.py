"""JSON schemas from signatures and docstrings, and arguments checked against them."""

from __future__ import annotations

import datetime
import typing
from decimal import Decimal
from typing import Annotated, Any, Literal, Optional

import pytest
from helpers.schemas import Address, Currency, parse, tool
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import Field

from artis_sdk.errors import InvalidArguments, ToolDefinitionError
from artis_sdk.records import ToolCall
from artis_sdk.tools.docstrings import documentation

if typing.TYPE_CHECKING:
    from nowhere import Unknown  # type: ignore[import-not-found]

# --- the schema -------------------------------------------------------------------------------


def transfer(
    to: str,
    amount: Annotated[int, Field(ge=1, description="in cents")],
    currency: Currency = Currency.EUR,
    note: str | None = None,
    home: Optional[Address] = None,  # noqa: UP045
    kind: Literal["fast", "slow"] = "slow",
    tags: Annotated[tuple[str, ...], "free words"] = (),
) -> str:
    """Send money.

    It cannot be taken back.

    Args:
        to: the account
            that receives.
        amount: not used, the annotation speaks.
        note: for the receiver.

    Returns:
        The receipt.

    Raises:
        ValueError: there is too little.
    """
    return to


def test_the_schema_of_a_documented_function() -> None:
    spec = tool(transfer).spec
    assert spec.description == (
        "Send money.\nIt cannot be taken back.\n"
        "Returns: The receipt.\nRaises: ValueError: there is too little."
    )
    assert spec.parameters == {
        "type": "object",
        "properties": {
            "to": {"type": "string", "description": "the account that receives."},
            "amount": {"type": "integer", "minimum": 1, "description": "in cents"},
            "currency": {"$ref": "#/$defs/Currency", "default": "eur"},
            "note": {
                "anyOf": [{"type": "string"}, {"type": "null"}],
                "default": None,
                "description": "for the receiver.",
            },
            "home": {"anyOf": [{"$ref": "#/$defs/Address"}, {"type": "null"}], "default": None},
            "kind": {"type": "string", "enum": ["fast", "slow"], "default": "slow"},
            "tags": {
                "type": "array",
                "items": {"type": "string"},
                "default": [],
                "description": "free words",
            },
        },
        "required": ["to", "amount"],
        "additionalProperties": False,
        "$defs": {
            "Currency": {"type": "string", "enum": ["eur", "usd"], "title": "Currency"},
            "Address": {
                "type": "object",
                "title": "Address",
                "properties": {
                    "city": {"type": "string"},
                    "zip": {"type": "string", "pattern": "^[0-9]{5}$", "default": "00000"},
                },
                "required": ["city"],
            },
        },
    }


def test_the_spec_is_made_once() -> None:
    guarded = tool(transfer)
    assert guarded.spec is guarded.spec
    assert guarded.schema is guarded.spec.parameters


GOOGLE = """Move.

More.

Args:
    a (int): first
    *rest: others

Returns:
    int: what it gives
"""
NUMPY = """Move.

More.

Parameters
----------
a : int
    first
*rest
    others

Returns
-------
int
    what it gives
"""
SPHINX = """Move.

More.

:param a: first
:type a: int
:param rest: others
:returns: what it gives
:rtype: int
"""


@pytest.mark.parametrize("text", [GOOGLE, NUMPY, SPHINX])
def test_docstring_styles_say_the_same(text: str) -> None:
    found = documentation(text)
    assert found.parameters == {"a": "first", "rest": "others"}
    assert found.description == "Move.\nMore.\nReturns: int: what it gives"


@pytest.mark.parametrize("text", [None, "", "  \n "])
def test_no_docstring_is_no_description(text: str | None) -> None:
    assert documentation(text).description == ""


@settings(deadline=None)
@given(st.text(max_size=200))
def test_any_docstring_is_read(text: str) -> None:
    assert isinstance(documentation(text).description, str)


def test_parameters_without_annotation_take_anything() -> None:
    def free(a, b=2): ...  # type: ignore[no-untyped-def]

    guarded = tool(free)
    assert guarded.schema["properties"] == {"a": {}, "b": {"default": 2}}
    assert parse(guarded, a={"x": [1]}) == ((), {"a": {"x": [1]}})


def test_no_parameters() -> None:
    def ping() -> None: ...

    guarded = tool(ping)
    assert guarded.schema == {"type": "object", "properties": {}, "additionalProperties": False}
    assert parse(guarded) == ((), {})
    with pytest.raises(InvalidArguments, match="x: unknown parameter; it takes no parameters"):
        parse(guarded, x=1)


def test_positional_only_and_variable_parameters() -> None:
    def mixed(a: int, b: int = 5, /, c: int = 6, *rest: int, d: int = 7, **more: float) -> Any:
        return a, b, c, rest, d, more

    guarded = tool(mixed)
    assert list(guarded.schema["properties"]) == ["a", "b", "c", "rest", "d"]
    assert guarded.schema["properties"]["rest"] == {"type": "array", "items": {"type": "integer"}}
    assert guarded.schema["additionalProperties"] == {"type": "number"}
    assert guarded.schema["required"] == ["a"]
    cases: list[tuple[dict[str, Any], Any]] = [
        ({"a": 1}, (1, 5, 6, (), 7, {})),
        ({"a": 1, "c": 3}, (1, 5, 3, (), 7, {})),
        ({"a": 1, "rest": [8, 9], "x": 1}, (1, 5, 6, (8, 9), 7, {"x": 1.0})),
        ({"a": 1, "b": 2, "rest": [], "d": 0}, (1, 2, 6, (), 0, {})),
    ]
    for arguments, expected in cases:
        args, kwargs = parse(guarded, **arguments)
        assert mixed(*args, **kwargs) == expected
    with pytest.raises(InvalidArguments, match="x: input should be a valid number"):
        parse(guarded, a=1, x="much")


# --- what has no schema -----------------------------------------------------------------------


class Connection:
    pass


def test_a_parameter_that_no_model_can_give_is_refused() -> None:
    def query(connection: Connection, sql: str) -> None: ...

    with pytest.raises(ToolDefinitionError, match="no JSON form"):
        _ = tool(query).spec


def test_an_annotation_that_does_not_resolve_is_refused() -> None:
    def lost(a: Unknown) -> None: ...

    with pytest.raises(ToolDefinitionError, match="'Unknown' cannot be resolved; import it at run time"):
        _ = tool(lost).spec


def test_a_field_as_default_is_refused() -> None:
    def wrong(a: int = Field(5, ge=0)) -> None: ...

    with pytest.raises(ToolDefinitionError, match="default of a is a Field; write"):
        _ = tool(wrong).spec


def test_an_alias_is_refused() -> None:
    def wrong(from_: Annotated[str, Field(alias="from")]) -> None: ...

    with pytest.raises(ToolDefinitionError, match="from_ has an alias"):
        _ = tool(wrong).spec


# --- messages that a model can act on ---------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"amount": 3}, "to: missing, but required"),
        ({"to": "a", "amuont": 3, "amount": 1}, "amuont: unknown parameter; did you mean amount?"),
        ({"to": "a", "amount": 1, "zzz": 1}, "zzz: unknown parameter; it takes to, amount, currency, note"),
        ({"to": "a", "amount": "lots"}, "amount: input should be a valid integer.*got 'lots'"),
        ({"to": "a", "amount": 0}, "amount: input should be greater than or equal to 1, got 0"),
        ({"to": 12, "amount": 1}, "to: input should be a valid string, got 12"),
        ({"to": "a", "amount": 1, "currency": "yen"}, "currency: input should be 'eur' or 'usd', got 'yen'"),
        ({"to": "a", "amount": 1, "home": {"zip": "12345"}}, r"home\.city: missing, but required"),
        ({"to": "a", "amount": 1, "tags": ["x", 3]}, r"tags\[1\]: input should be a valid string, got 3"),
        ({"to": "a", "amount": 1, "tags": "x" * 500}, r"got 'x{76}\.\.\.$"),
        ({"amount": None}, r"^transfer: to: missing, but required; amount: input .*got None$"),
    ],
)
def test_messages_name_the_parameter_what_was_expected_and_what_came(
    arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidArguments, match=message) as caught:
        parse(tool(transfer), **arguments)
    assert caught.value.failure_type == "invalid_arguments"


def test_values_are_converted_as_annotated() -> None:
    def typed(n: int, when: datetime.date, pair: tuple[int, str], price: Decimal, home: Address) -> None: ...

    _, kwargs = parse(
        tool(typed), n="12", when="2026-11-21", pair=[1, "x"], price="1.10", home={"city": "Bonn"}
    )
    assert kwargs == {
        "n": 12,
        "when": datetime.date(2026, 11, 21),
        "pair": (1, "x"),
        "price": Decimal("1.10"),
        "home": Address(city="Bonn"),
    }


# --- the idempotency key ----------------------------------------------------------------------


def pay(to: str, key: str, amount: int = 1) -> str:
    return f"{to} {key} {amount}"


def test_the_key_is_hidden_from_models_and_filled_by_the_caller() -> None:
    guarded = tool(pay, idempotency_key="key")
    assert list(guarded.schema["properties"]) == ["to", "amount"]
    invocation = guarded.parse(ToolCall(tool="pay", arguments={"to": "a"})).with_key("K")
    assert invocation.call.arguments == {"to": "a"}
    assert pay(*invocation.args, **invocation.kwargs) == "a K 1"
    with pytest.raises(InvalidArguments, match="key: unknown parameter"):
        parse(guarded, to="a", key="mine")


def test_a_python_callers_own_key_stays() -> None:
    guarded = tool(pay, idempotency_key="key")
    for invocation in (guarded.bind("a", "own", 2), guarded.bind("a", key="own", amount=2)):
        assert invocation.call.arguments == {"to": "a", "amount": 2}
        kept = invocation.with_key("K")
        assert pay(*kept.args, **kept.kwargs) == "a own 2"
    left_out = guarded.bind("a", amount=2).with_key("K")
    assert pay(*left_out.args, **left_out.kwargs) == "a K 2"


def test_the_key_is_hidden_beside_free_keywords() -> None:
    def free(key: str, **more: int) -> None: ...

    with pytest.raises(InvalidArguments, match="key: unknown parameter"):
        parse(tool(free, idempotency_key="key"), key=1)


# --- Python calls -----------------------------------------------------------------------------


def test_a_python_call_keeps_its_objects_and_shows_json() -> None:
    home = Address(city="Bonn")
    invocation = tool(transfer).bind("a", 3, Currency.USD, home=home)
    assert invocation.args == ("a", 3, Currency.USD)
    assert invocation.kwargs["home"] is home
    assert invocation.call.arguments == {
        "to": "a",
        "amount": 3,
        "currency": "usd",
        "home": {"city": "Bonn", "zip": "00000"},
    }


def ordered(a: int, /, b: int, *rest: int) -> None: ...


@pytest.mark.parametrize(
    ("args", "kwargs", "message"),
    [
        (("x", 1), {}, "a: input should be a valid integer"),
        ((1,), {}, "b: missing"),
        ((1, 2), {"b": 3}, "b: given both"),
        ((1,), {"b": 2, "a": 3}, "a: given (both|by name)"),
        ((), {"a": 1, "b": 2}, "a: given by name, but it is positional-only"),
        ((1, 2), {"rest": [3]}, "rest: given by name, but .rest is positional"),
        ((1, 2), {"c": 3}, "c: unknown parameter"),
        ((1, iter([2])), {}, "list_iterator can be read only once; pass a list"),
    ],
)
def test_a_wrong_python_call_is_refused(args: Any, kwargs: Any, message: str) -> None:
    with pytest.raises(InvalidArguments, match=message):
        tool(ordered).bind(*args, **kwargs)


def test_too_many_positional_arguments_are_refused() -> None:
    with pytest.raises(InvalidArguments, match="takes 3 positional arguments, got 4"):
        tool(pay).bind(1, 2, 3, 4)


# --- null where a function defaults to it -----------------------------------------------------


def with_null(
    q: str,
    limit: int = None,  # type: ignore[assignment]  # noqa: RUF013
    low: Annotated[int, Field(gt=0)] = None,  # type: ignore[assignment]  # noqa: RUF013
    note: Annotated[str, "what for"] = None,  # type: ignore[assignment]  # noqa: RUF013
    free: Any = None,
    three: int = 3,
) -> None: ...


def test_a_parameter_that_defaults_to_none_takes_null() -> None:
    made = tool(with_null)
    properties = made.schema["properties"]
    assert properties["limit"] == {"anyOf": [{"type": "integer"}, {"type": "null"}], "default": None}
    assert properties["note"]["description"] == "what for"
    assert properties["free"] == {"default": None}
    given = {"limit": None, "low": None, "note": None, "free": None}
    assert made.parse(ToolCall(tool="with_null", arguments={"q": "x", **given})).kwargs == {"q": "x", **given}
    assert made.bind("x", **given).kwargs == given
    for wrong in ({"limit": "x"}, {"low": 0}, {"three": None}):
        with pytest.raises(InvalidArguments):
            made.parse(ToolCall(tool="with_null", arguments={"q": "x", **wrong}))
