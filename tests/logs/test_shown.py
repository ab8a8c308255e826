"""The texts and values of records, as they are looked at and as they are mapped."""

from __future__ import annotations

from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

import pytest
from pydantic import BaseModel, JsonValue

from artis_sdk.logs.shown import map_record, values_of
from artis_sdk.records import Result, ToolCall
from artis_sdk.records.events import Event

_LEAVES = {str: "text", int: 1, float: 1.5, bool: True, type(None): None}


def filled(annotation: Any) -> Any:
    """A value of this type in which every field holds something, tuples included."""
    origin, args = get_origin(annotation), get_args(annotation)
    if origin in (Union, UnionType):
        return filled(next(one for one in args if one is not type(None)))
    if origin is Literal:
        return args[0]
    if origin is tuple:
        return tuple(filled(one) for one in args if one is not Ellipsis)
    if origin is dict:
        return {"key": {"within": "text"}}
    if hasattr(annotation, "__metadata__"):
        return filled(annotation.__origin__)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        fields = {name: filled(field.annotation) for name, field in annotation.model_fields.items()}
        return annotation.model_construct(**fields)
    if annotation in _LEAVES:
        return _LEAVES[annotation]
    members: Any = annotation
    return next(iter(members)) if isinstance(annotation, type) else {"value": "text"}


@pytest.mark.parametrize("kind", [Result, *get_args(Event)], ids=lambda kind: kind.__name__)
def test_every_text_and_value_that_is_mapped_is_looked_at(kind: type[BaseModel]) -> None:
    record = filled(kind)
    mapped: list[JsonValue] = []

    def change(value: JsonValue, _: str) -> JsonValue:
        mapped.append(value)
        return value

    def arguments(call: ToolCall) -> JsonValue:
        return change(call.arguments, "")

    assert map_record(record, change, arguments) is record
    seen, _ = values_of(record)
    left_out = [value for value in mapped if value not in seen]
    assert not left_out
    assert len(seen) >= len([value for value in mapped if value is not None])
