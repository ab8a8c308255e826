"""JSON values checked against a JSON schema; nothing is fetched for a `$ref`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_LONGEST = 300  # characters of one problem


class UnresolvableReference(Exception):
    """A `$ref` leads nowhere inside its schema."""


def schema_error(schema: Mapping[str, Any]) -> str | None:
    """What is wrong with a schema itself; None for a valid one."""
    from jsonschema import Draft202012Validator, SchemaError  # type: ignore[import-untyped]
    from jsonschema.validators import validator_for  # type: ignore[import-untyped]

    try:
        validator_for(schema, Draft202012Validator).check_schema(schema)
    except SchemaError as error:
        return str(error.message)
    return None


class SchemaChecker:
    """Checks values against one schema.

    Args:
        schema: a valid JSON schema.
    """

    def __init__(self, schema: Mapping[str, Any]) -> None:
        from jsonschema import Draft202012Validator
        from jsonschema.validators import validator_for
        from referencing import Registry

        # An empty registry: a `$ref` to elsewhere is an error, and nothing is fetched for it.
        self._validator: Any = validator_for(schema, Draft202012Validator)(schema, registry=Registry())

    def problems(self, value: Any) -> Iterator[str]:
        """What does not fit, in words, each with its place.

        Raises:
            UnresolvableReference: a `$ref` of the schema leads nowhere.
        """
        from referencing.exceptions import Unresolvable

        try:
            for error in self._validator.iter_errors(value):
                where = error.json_path.removeprefix("$").lstrip(".")
                text = error.message if len(error.message) <= _LONGEST else error.message[:_LONGEST] + "..."
                yield f"{where}: {text}" if where else text
        except Unresolvable as error:
            raise UnresolvableReference(str(error)) from error
