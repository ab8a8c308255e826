"""Where each provider's messages hold calls and results: one row for each kind of part.

Sources: the providers' API references for OpenAI chat and Responses, Anthropic Messages, Bedrock Converse
and Gemini; LangChain's messages; the AI SDK's model and UI messages; OpenTelemetry's GenAI message parts.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple


class CallShape(NamedTuple):
    """Paths of a call's parts, as `pick` takes them."""

    id: str = "call_id|id"
    name: str = "name"
    arguments: str = "arguments"
    tool: str = ""
    """The tool's name where the part has none."""
    fields: tuple[str, ...] = ()
    """Fields that are the arguments, where there is no object of them."""
    optional: bool = False
    """Whether a call without arguments leaves them out."""


class AnswerShape(NamedTuple):
    """Paths of a result's parts, as `pick` takes them."""

    id: str = "call_id"
    result: str = "output"
    name: str = "name"
    tool: str = ""
    """The tool's name where the part has none."""
    inline: bool = False
    """Whether the result is in the part that calls; null is then no result."""
    empty: bool = False
    """Whether a result without content leaves it out."""


_ANTHROPIC_CALL: Final = CallShape(id="id", arguments="input")
_ANTHROPIC_ANSWER: Final = AnswerShape(id="tool_use_id", result="content", empty=True)
_VERCEL_CALL: Final = CallShape(id="toolCallId", name="toolName", arguments="input|args|rawInput")
_VERCEL_ANSWER: Final = AnswerShape(id="toolCallId", name="toolName", result="output|result")
_GEMINI_CALL: Final = CallShape(id="id", arguments="args", optional=True)
_GEMINI_ANSWER: Final = AnswerShape(id="id", result="response")
_GEMINI_CODE: Final = CallShape(id="id", tool="code_execution", fields=("code", "language"))
_GEMINI_OUTPUT: Final = AnswerShape(id="id", tool="code_execution", result="output", empty=True)

CALLS: Final[dict[str, CallShape]] = {
    # OpenAI Responses
    "function_call": CallShape(),
    "custom_tool_call": CallShape(fields=("input",)),
    "mcp_call": CallShape(id="id"),
    "local_shell_call": CallShape(tool="local_shell", arguments="action"),
    "shell_call": CallShape(tool="shell", arguments="action"),
    "apply_patch_call": CallShape(tool="apply_patch", arguments="operation"),
    "computer_call": CallShape(tool="computer", arguments="action", fields=("actions",)),
    "tool_search_call": CallShape(tool="tool_search"),
    "web_search_call": CallShape(id="id", tool="web_search", arguments="action"),
    "file_search_call": CallShape(id="id", tool="file_search", fields=("queries",)),
    "code_interpreter_call": CallShape(id="id", tool="code_interpreter", fields=("code",)),
    "image_generation_call": CallShape(id="id", tool="image_generation", arguments="prompt"),
    # Anthropic
    "tool_use": _ANTHROPIC_CALL,
    "server_tool_use": _ANTHROPIC_CALL,
    "mcp_tool_use": _ANTHROPIC_CALL,
    # Bedrock Converse, Gemini
    "toolUse": CallShape(id="toolUseId", arguments="input"),
    "functionCall": _GEMINI_CALL,
    "executableCode": _GEMINI_CODE,
    "executable_code": _GEMINI_CODE,
    # AI SDK
    "tool-call": _VERCEL_CALL,
    "tool-invocation": _VERCEL_CALL,
    "dynamic-tool": _VERCEL_CALL,
    # OpenTelemetry, LangChain
    "tool_call": CallShape(id="id", arguments="arguments|args"),
}
"""Kinds of parts that are calls."""

ANSWERS: Final[dict[str, AnswerShape]] = {
    # OpenAI Responses
    "function_call_output": AnswerShape(),
    "custom_tool_call_output": AnswerShape(),
    "local_shell_call_output": AnswerShape(id="call_id|id"),
    "shell_call_output": AnswerShape(),
    "apply_patch_call_output": AnswerShape(result="output|status"),
    "computer_call_output": AnswerShape(),
    "tool_search_output": AnswerShape(result="output|tools", tool="tool_search"),
    "mcp_call": AnswerShape(id="id", inline=True),
    "file_search_call": AnswerShape(id="id", result="results", inline=True),
    "code_interpreter_call": AnswerShape(id="id", result="outputs", inline=True),
    # Anthropic
    "tool_result": _ANTHROPIC_ANSWER,
    # Bedrock Converse, Gemini
    "toolResult": AnswerShape(id="toolUseId", result="content", empty=True),
    "functionResponse": _GEMINI_ANSWER,
    "codeExecutionResult": _GEMINI_OUTPUT,
    "code_execution_result": _GEMINI_OUTPUT,
    # AI SDK
    "tool-result": _VERCEL_ANSWER,
    "tool-error": AnswerShape(id="toolCallId", name="toolName", result="error"),
    "tool-invocation": _VERCEL_ANSWER._replace(inline=True),
    "dynamic-tool": _VERCEL_ANSWER._replace(inline=True),
    # OpenTelemetry
    "tool_call_response": AnswerShape(id="id", result="response|result|content"),
}
"""Kinds of parts that are results, or calls with their results."""

LISTED: Final = CallShape(
    id="id|toolCallId",
    name="function.name|name|toolName|function",
    arguments="function.arguments|arguments|args|input",
)
"""A call in a message's list: `tool_calls` of OpenAI, LangChain, Inspect and tau2-bench, and `toolCalls`."""

TOOL_MESSAGE: Final = AnswerShape(
    id="tool_call_id|toolCallId|id", result="content|parts|output", name="name|function|tool_name"
)
"""A message that is one result."""

# Gemini and Bedrock name a part's kind by its only key. Gemini's own snake case is that of its Python client.
_KEYS: Final = {
    "toolUse": "toolUse",
    "toolResult": "toolResult",
    "functionCall": "functionCall",
    "function_call": "functionCall",
    "functionResponse": "functionResponse",
    "function_response": "functionResponse",
    "executableCode": "executableCode",
    "executable_code": "executableCode",
    "codeExecutionResult": "codeExecutionResult",
    "code_execution_result": "codeExecutionResult",
}
_CALL_ENDINGS: Final = ("_call", "_tool_use", "-call")


def kind_of(part: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """A part's kind, a key of `CALLS` or `ANSWERS` or the log's own word, and what holds its fields."""
    kind = part.get("type")
    if isinstance(kind, str):
        inner = part.get("toolInvocation")
        if kind == "tool-invocation" and isinstance(inner, dict):
            return kind, inner
        if kind.startswith("tool-") and kind not in CALLS and kind not in ANSWERS and "toolCallId" in part:
            return "dynamic-tool", {"toolName": kind.removeprefix("tool-"), **part}
        if kind.endswith("_tool_result") and kind not in ANSWERS:
            return "tool_result", part
        return kind, part
    for key, name in _KEYS.items():
        inner = part.get(key)
        if isinstance(inner, dict):
            return name, inner
    return "", part


def is_unknown_call(kind: str) -> bool:
    """Whether a kind of part calls by its name, but no row says how."""
    return kind not in CALLS and kind.endswith(_CALL_ENDINGS)
