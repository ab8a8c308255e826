"""Descriptions of records' fields in their JSON schemas: the sentences that stand below the fields."""

from __future__ import annotations

import ast
import inspect
import textwrap
from typing import Any


def describe(schema: dict[str, Any], record: type[Any]) -> None:
    """Give the fields of a record's JSON schema their descriptions.

    Pydantic's `use_attribute_docstrings` would read the source when the class is made, at every start of a
    program; this reads it when a schema is asked for.

    Args:
        schema: JSON schema of the record, which is changed.
        record: the pydantic model.
    """
    for kind in reversed(record.__mro__):
        if not kind.__module__.startswith("artis_sdk."):
            continue
        for name, text in _field_texts(kind).items():
            if name in schema.get("properties", {}):
                schema["properties"][name]["description"] = text


def _field_texts(kind: type[Any]) -> dict[str, str]:
    """The text below each annotated attribute, in one line; nothing where there is no source."""
    try:
        source = inspect.getsource(kind)
    except OSError:
        return {}
    (definition,) = ast.parse(textwrap.dedent(source)).body
    assert isinstance(definition, ast.ClassDef)
    found: dict[str, str] = {}
    for field, below in zip(definition.body, definition.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
            match below:
                case ast.Expr(value=ast.Constant(value=str(text))):
                    found[field.target.id] = " ".join(text.split())
    return found
