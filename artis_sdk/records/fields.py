"""Field types of records: any value becomes JSON that every file and backend accepts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, JsonValue, PlainValidator

from artis_sdk.records.jsonable import jsonable
from artis_sdk.records.plain_forms import plain_text


def _json_object(value: Any) -> dict[str, JsonValue]:
    if not issubclass(type(value), Mapping):
        raise ValueError("not an object")
    found: dict[str, JsonValue] = jsonable(value)
    return found


def _text(value: Any) -> Any:
    return plain_text(value) if type(value) is str else value


Json = Annotated[JsonValue, PlainValidator(jsonable, json_schema_input_type=JsonValue)]
"""Any value, as `jsonable` writes it: a record read back from its JSON equals the written one."""
JsonObject = Annotated[
    dict[str, Any], PlainValidator(_json_object, json_schema_input_type=dict[str, JsonValue])
]
Text = Annotated[str, BeforeValidator(_text)]
"""Text that UTF-8 can hold; see `plain_text`."""
