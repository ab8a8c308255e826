"""Laws of schemas: what a schema allows is accepted, and survives the way to Python and back."""

from __future__ import annotations

import dataclasses
import datetime
import typing
from collections.abc import Iterator
from typing import Annotated, Any, Literal, NotRequired, Optional

import pytest
from helpers.schemas import Address, Currency, parse, tool
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import Field
from typing_extensions import TypedDict

from artis_sdk.errors import InvalidArguments
from artis_sdk.records import ToolCall

pytestmark = pytest.mark.slow


@dataclasses.dataclass
class Point:
    x: int
    label: str = ""


class Named(TypedDict):
    name: str
    age: NotRequired[int]


def of(generic: Any, arguments: Any) -> Any:
    return generic[arguments]


ANNOTATIONS = st.recursive(
    st.sampled_from(
        [
            int,
            float,
            bool,
            str,
            None,
            Currency,
            Address,
            Point,
            Named,
            datetime.date,
            Literal["one", 2],
            Annotated[int, Field(ge=3, le=9)],
            Annotated[str, Field(min_length=2, max_length=4)],
            Any,
        ]
    ),
    lambda inner: st.one_of(
        inner.map(lambda t: of(list, t)),
        inner.map(lambda t: of(dict, (str, t))),
        inner.map(lambda t: of(Optional, t)),
        st.tuples(inner, inner).map(lambda ts: of(tuple, ts)),
        st.tuples(inner, inner).map(lambda ts: of(typing.Union, ts)),
    ),
    max_leaves=4,
)


def json_of(schema: Any, defs: dict[str, Any]) -> st.SearchStrategy[Any]:
    """JSON values that a schema allows."""
    if "$ref" in schema:
        return json_of(defs[schema["$ref"].rpartition("/")[2]], defs)
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if "anyOf" in schema:
        return st.one_of([json_of(option, defs) for option in schema["anyOf"]])
    kind = schema.get("type")
    if kind == "object" and "properties" in schema:
        fields = {name: json_of(field, defs) for name, field in schema["properties"].items()}
        required = {name: fields.pop(name) for name in schema.get("required", [])}
        return st.fixed_dictionaries(required, optional=fields)
    if kind == "object":
        values = schema["additionalProperties"]
        return st.dictionaries(
            st.text(max_size=3), json_of({} if values is True else values, defs), max_size=2
        )
    if kind == "array" and "prefixItems" in schema:
        return st.tuples(*(json_of(item, defs) for item in schema["prefixItems"])).map(list)
    if kind == "array":
        return st.lists(json_of(schema["items"], defs), max_size=2)
    if schema.get("format") == "date":
        return st.dates().map(str)
    if "pattern" in schema:
        return st.from_regex(schema["pattern"].replace("$", r"\Z"))
    return {
        "integer": st.integers(schema.get("minimum"), schema.get("maximum")),
        "number": st.floats(allow_nan=False, allow_infinity=False),
        "boolean": st.booleans(),
        "string": st.text(min_size=schema.get("minLength", 0), max_size=schema.get("maxLength", 5)),
        "null": st.none(),
        None: st.one_of(st.integers(), st.text(max_size=3), st.lists(st.integers(), max_size=2)),
    }[kind]


def function_with(annotations: list[Any]) -> Any:
    scope: dict[str, Any] = {}
    exec(f"def drawn({', '.join(f'p{n}' for n in range(len(annotations)))}): ...", scope)
    scope["drawn"].__annotations__ = {f"p{n}": a for n, a in enumerate(annotations)}
    return scope["drawn"]


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(ANNOTATIONS, min_size=1, max_size=3), st.data())
def test_what_the_schema_allows_is_accepted_and_round_trips(annotations: list[Any], data: Any) -> None:
    guarded = tool(function_with(annotations))
    schema = guarded.schema
    arguments = data.draw(json_of(schema, schema.get("$defs", {})))
    first = guarded.parse(ToolCall(tool="drawn", arguments=arguments))
    again = guarded.bind(*first.args, **first.kwargs)
    second = guarded.parse(again.call)
    assert second.args == first.args
    assert second.kwargs == first.kwargs
    assert [type(value) for value in second.kwargs.values()] == [type(v) for v in first.kwargs.values()]


@settings(deadline=None)
@given(
    st.sampled_from([int, float, bool, Address, Currency, list[int]]),
    st.sampled_from(["zz", [None], {"q": 1}]),
)
def test_what_no_type_takes_is_refused_by_name(annotation: Any, value: Any) -> None:
    with pytest.raises(InvalidArguments, match="p0"):
        parse(tool(function_with([annotation])), p0=value)


def test_iterators_are_not_read_by_the_check() -> None:
    source: Iterator[int] = iter([1, 2])

    def total(numbers: list[int]) -> int:
        return sum(numbers)

    with pytest.raises(InvalidArguments, match="only once"):
        tool(total).bind(source)
    assert list(source) == [1, 2]
