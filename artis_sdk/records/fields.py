"""Field types of records: any value becomes JSON that every file and backend accepts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, GetCoreSchemaHandler, GetJsonSchemaHandler, JsonValue
from pydantic_core import CoreSchema, core_schema

from artis_sdk.records.jsonable import jsonable
from artis_sdk.records.plain_forms import plain_text


def _json_object(value: Any) -> dict[str, JsonValue]:
    kind = type(value)
    if kind is not dict and not issubclass(kind, Mapping):
        raise ValueError("not an object")
    found: dict[str, JsonValue] = jsonable(value)
    return found


def _text(value: Any) -> Any:
    return plain_text(value) if type(value) is str and not value.isascii() else value


class _Written:
    """Validation by a function alone, and serialization of its result as it is.

    pydantic's `PlainValidator` serializes by the field's type, which for a `JsonValue` is a call of Python
    for each item within.

    Args:
        function: validator of any value.
        written: schema of its results.
    """

    def __init__(self, function: Callable[[Any], Any], written: CoreSchema) -> None:
        self._function = function
        self._written = written

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            self._function, serialization=core_schema.simple_ser_schema("any")
        )

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return handler(self._written)


Json = Annotated[JsonValue, _Written(jsonable, core_schema.any_schema())]
"""Any value, as `jsonable` writes it: a record read back from its JSON equals the written one."""
_OBJECT = core_schema.dict_schema(core_schema.str_schema())
JsonObject = Annotated[dict[str, Any], _Written(_json_object, _OBJECT)]
Text = Annotated[str, BeforeValidator(_text)]
"""Text that UTF-8 can hold; see `plain_text`."""
