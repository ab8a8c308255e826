"""Tool documents in foreign logs, in every provider's form."""

from __future__ import annotations

from typing import Any, Final

from pydantic import JsonValue

from artis_sdk.logs.importers.read import parsed, pick
from artis_sdk.records import ToolSpec

# Wrappers of OpenAI's chat API, Bedrock, OpenInference and LangChain.
_WRAPPED: Final = ("function", "toolSpec", "tool.json_schema", "json_schema", "kwargs")
_NAME: Final = "name|toolName"
_DESCRIPTION: Final = "description|doc"
_SCHEMA: Final = (
    "parameters.jsonSchema|parametersJsonSchema|parameters|inputSchema.json|inputSchema.jsonSchema"
    "|inputSchema|input_schema|args_schema|params"
)


def tool_documents(given: JsonValue) -> dict[str, ToolSpec]:
    """The documents by name; what is no tool's document is left out.

    Args:
        given: a list of documents, or documents by name, or an object that holds such a list; or the JSON
            text of any of them.
    """
    given = parsed(given)
    if isinstance(given, dict):
        inner = pick(given, "tools|functionDeclarations|function_declarations")
        if inner is not None:
            return tool_documents(inner)
        given = [{"name": name, **document} for name, document in given.items() if isinstance(document, dict)]
    found: dict[str, ToolSpec] = {}
    for item in given if isinstance(given, list) else ():
        item = parsed(item)
        if isinstance(item, dict) and pick(item, "functionDeclarations|function_declarations"):
            found |= tool_documents(item)
            continue
        spec = _document(item)
        if spec is not None:
            found[spec.name] = spec
    return found


def _document(given: JsonValue) -> ToolSpec | None:
    for name in _WRAPPED:
        if isinstance(given, dict) and (inner := parsed(given.get(name))) and isinstance(inner, dict):
            return _document(inner)
    if not isinstance(given, dict):
        return None
    name, schema = pick(given, _NAME), parsed(pick(given, _SCHEMA))
    if not isinstance(name, str) or not name:
        return None
    return ToolSpec(
        name=name,
        description=str(pick(given, _DESCRIPTION) or ""),
        parameters=_schema(schema) if isinstance(schema, dict) and schema else {"type": "object"},
    )


def _schema(given: Any) -> Any:
    """A JSON schema, whose types Gemini writes in capitals."""
    if isinstance(given, list):
        return [_schema(item) for item in given]
    if not isinstance(given, dict):
        return given
    return {
        key: item.lower() if key == "type" and isinstance(item, str) and item.isupper() else _schema(item)
        for key, item in given.items()
    }
