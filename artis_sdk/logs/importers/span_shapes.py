"""Where instrumentations write a tool's call: one row for each of them.

Sources: OpenTelemetry's GenAI conventions and their earlier names in pydantic-ai and Google's ADK;
the AI SDK's telemetry; OpenInference; OpenLLMetry (Traceloop); MLflow; Langfuse.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from pydantic import JsonValue

from artis_sdk.logs.importers.found import NO_ARGUMENTS, Unusable, arguments
from artis_sdk.logs.importers.read import parsed, pick


class SpanShape(NamedTuple):
    """How to tell a tool's span, and the attributes of its parts, as `pick` takes them."""

    mark: str
    """Attribute that says what the span is of."""
    values: tuple[str, ...]
    """Values of that attribute on a tool's span, in lower case."""
    titles: tuple[str, ...]
    """Beginnings of a tool span's name."""
    name: str
    arguments: str
    result: str
    id: str = ""


SPANS: Final = (
    SpanShape(
        "gen_ai.operation.name",
        ("execute_tool",),
        ("execute_tool ", "running tool: ", "running tool"),
        "gen_ai.tool.name|tool_name",
        "gen_ai.tool.call.arguments|gcp.vertex.agent.tool_call_args|tool_arguments|gen_ai.tool.arguments",
        "gen_ai.tool.call.result|gcp.vertex.agent.tool_response|tool_response|gen_ai.tool.result",
        "gen_ai.tool.call.id",
    ),
    SpanShape(
        "ai.operationId",
        ("ai.toolcall",),
        ("ai.toolCall",),
        "ai.toolCall.name",
        "ai.toolCall.args|ai.toolCall.input",
        "ai.toolCall.result|ai.toolCall.output",
        "ai.toolCall.id",
    ),
    SpanShape(
        "openinference.span.kind", ("tool",), (), "tool.name", "input.value", "output.value", "tool_call.id"
    ),
    SpanShape(
        "traceloop.span.kind",
        ("tool",),
        (),
        "traceloop.entity.name",
        "traceloop.entity.input",
        "traceloop.entity.output",
    ),
    SpanShape(
        "mlflow.spanType",
        ("tool", '"tool"'),
        (),
        "mlflow.spanFunctionName",
        "mlflow.spanInputs",
        "mlflow.spanOutputs",
    ),
    SpanShape(
        "langfuse.observation.type",
        ("tool",),
        (),
        "gen_ai.tool.name",
        "langfuse.observation.input",
        "langfuse.observation.output",
    ),
)

MESSAGE_LISTS: Final = (
    "ai.prompt.messages",
    "gen_ai.input.messages",
    "gen_ai.output.messages",
    "pydantic_ai.all_messages",
    "all_messages_events",
    "events",
)
"""Attributes that hold messages, oldest first."""
NUMBERED: Final = ("llm.input_messages", "gen_ai.prompt", "llm.output_messages", "gen_ai.completion")
"""Prefixes of attributes that hold messages field by field, such as `gen_ai.prompt.0.role`."""
MADE: Final = ("gen_ai.output.messages", "llm.output_messages", "gen_ai.completion")
"""Those of them that a request made; the others were there before it."""
RESPONSE_CALLS: Final = "ai.response.toolCalls"
DOCUMENTS: Final = ("gen_ai.tool.definitions", "ai.prompt.tools", "llm.tools", "gen_ai.request.tools")
CONVERSATION: Final = "gen_ai.conversation.id|session.id|langfuse.session.id|ai.telemetry.metadata.sessionId"


def shape_of(name: str, attributes: dict[str, JsonValue]) -> SpanShape | None:
    """The row of a tool's span; None for another span."""
    for shape in SPANS:
        said = pick(attributes, shape.mark)
        if isinstance(said, str) and said.lower() in shape.values:
            return shape
        if said is None and name.startswith(shape.titles) and shape.titles:
            return shape
    return None


def span_arguments(given: JsonValue) -> dict[str, JsonValue]:
    """The arguments in a span's attribute, without the wrappers of OpenLLMetry.

    Raises:
        Unusable: the attribute is missing, or its arguments have no names.
    """
    if given is None:
        raise Unusable(NO_ARGUMENTS)
    value: Any = parsed(given)
    if isinstance(value, dict) and value.keys() == {"args", "kwargs"}:
        if value["args"]:
            raise Unusable("its arguments have no names")
        value = value["kwargs"]
    elif isinstance(value, dict) and "input_str" in value:
        value = value.get("inputs") or value["input_str"]
    elif isinstance(value, dict) and value.keys() == {"input"} and isinstance(value["input"], str):
        return _input(value)
    return arguments(value)


def span_result(given: JsonValue) -> JsonValue:
    """The result in a span's attribute, without OpenLLMetry's wrapper."""
    value = parsed(given)
    if isinstance(value, dict) and value.keys() == {"output", "kwargs"}:
        return parsed(value["output"])
    return value


def _input(value: dict[str, Any]) -> dict[str, JsonValue]:
    """LangChain's tools get one text, which mostly shows a dict of arguments."""
    try:
        return arguments(value["input"]) if value["input"] else dict(value)
    except Unusable:
        return dict(value)
