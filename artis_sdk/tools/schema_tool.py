"""A tool from a JSON schema and a callable: what `GuardedTool.from_schema` makes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Unpack

from artis_sdk.errors import ToolDefinitionError
from artis_sdk.tools.definition import ToolOptions, declared
from artis_sdk.tools.guarded import GuardedTool
from artis_sdk.tools.routing import entry
from artis_sdk.tools.schema_binding import SchemaBinding


def from_schema(
    name: str,
    description: str,
    parameters: Mapping[str, Any],
    call: Callable[..., Any],
    **options: Unpack[ToolOptions],
) -> GuardedTool[..., Any]:
    """See `GuardedTool.from_schema`."""
    if not name:
        raise ToolDefinitionError("a tool needs a name")
    if not callable(call):
        raise ToolDefinitionError(f"{name}: call must be a function of the arguments by name, not {call!r}")
    definition = declared(name, call, **options)
    binding = SchemaBinding(name, description, parameters, call, hidden=definition.hidden)
    return GuardedTool(definition, binding, entry)
