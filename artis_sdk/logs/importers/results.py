"""What a tool's result in a foreign log says: its value, and whether the log marks it as a failure."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from pydantic import JsonValue

from artis_sdk.logs.importers.read import parsed, pick
from artis_sdk.records import Outcome, Provenance, ToolCall
from artis_sdk.records.marked_failure import marked_failure
from artis_sdk.records.outcome_type import failed_type, failure_text, returned_type

_UNTYPED: Final = ("error", "unknown", "Error")
_MCP_FIELDS: Final = {"content", "isError", "is_error", "structuredContent", "structured_content", "_meta"}
_MCP_MARKS: Final = _MCP_FIELDS - {"content"}
_BAD_STATUS: Final = ("error", "failed", "failure")
_BAD_STATES: Final = ("output-error", "output-denied")
_ERROR_OUTPUTS: Final = ("error-text", "error-json", "execution-denied")


class Answered(NamedTuple):
    """A result as the log has it."""

    value: JsonValue
    failed: bool = False
    """Whether the log marks it as an error, beside the value."""
    failure_type: str | None = None
    """Failure type that the log names."""

    def outcome(self, call: ToolCall) -> Outcome:
        """The outcome, typed as that of a call of our own would be."""
        return outcome_of(self.value, failed=self.failed, failure_type=self.failure_type, call=call)


def answered(body: dict[str, Any], value: JsonValue) -> Answered:
    """A result, with the marks that stand beside it.

    Args:
        body: the part or message that holds the result.
        value: the result in it; texts of JSON are read, lists of text blocks joined, and the envelopes of
            MCP, Gemini and the AI SDK opened.
    """
    failed, said = _marks(body)
    inner, marked = opened(value)
    type_ = None
    if isinstance(said, dict):
        named = pick(said, "code|type|name|error_type")
        type_ = None if named is None or str(named) in _UNTYPED else str(named)
        said = pick(said, "message|error_message|detail") or said
    if failed and said is not None and inner in (None, "", []):
        inner = said
    return Answered(inner, failed or marked, type_)


def opened(value: JsonValue) -> tuple[JsonValue, bool]:
    """The value inside an envelope, and whether the envelope says that it is an error."""
    if isinstance(value, list):
        return parsed(_of_blocks(value)), False
    value = parsed(value)
    if not isinstance(value, dict):
        return value, False
    fields = pick(value, "kwargs|data")
    if isinstance(fields, dict) and (value.get("lc") is not None or value.get("type") == "tool"):
        value = {"type": "tool", **fields}
    if value.get("type") == "tool" and "tool_call_id" in value and "content" in value:  # LangChain's message
        inner, marked = opened(value["content"])
        return inner, marked or _marks(value)[0]
    if "content" in value and value.keys() <= _MCP_FIELDS and value.keys() & _MCP_MARKS:
        structured = pick(value, "structuredContent|structured_content")
        if isinstance(structured, dict) and structured.keys() == {
            "result"
        }:  # of a tool that returns no object
            structured = parsed(structured["result"])
        failed = pick(value, "isError|is_error") is True
        inner = structured if structured is not None else parsed(_of_blocks(value["content"]))
        return inner, failed
    kind = value.get("type")
    if isinstance(kind, str) and "value" in value and value.keys() <= {"type", "value", "providerOptions"}:
        return parsed(_of_blocks(value["value"])), kind in _ERROR_OUTPUTS
    if isinstance(kind, str) and kind.endswith("_tool_result_error"):
        return value, True
    return value, False


def only_block(value: JsonValue) -> JsonValue:
    """The value in the only block of a tool's content, as Bedrock writes it; another value unchanged."""
    value = parsed(value)
    if isinstance(value, list) and len(value) == 1:
        (block,) = value
        if isinstance(block, dict) and block.keys() in ({"json"}, {"text"}):
            return parsed(next(iter(block.values())))
    return value


def answered_call(value: JsonValue) -> str | None:
    """The id of the call that a result of LangChain names; None for another one."""
    found = pick(parsed(value), "tool_call_id|data.tool_call_id|kwargs.tool_call_id")
    return found if isinstance(found, str) and found else None


def outcome_of(
    value: JsonValue, *, failed: bool = False, failure_type: str | None = None, call: ToolCall
) -> Outcome:
    """A tool's result as an outcome.

    Args:
        value: the returned value.
        failed: whether the log marks it as an error; a text then counts as a raised error. Otherwise
            the value itself decides, as for our own calls.
        failure_type: failure type in the log; None to read it from the value.
        call: the call that it answers.
    """
    type_ = returned_type(value, call)
    if not failed and type_ is None:
        return Outcome.success(value, Provenance.REAL)
    type_ = failure_type or type_ or failed_type(value, call)
    if failed:
        return marked_failure(type_, value, Provenance.REAL)
    return Outcome.failure(type_, failure_text(value) or "", Provenance.REAL, value=value, raised=False)


def _marks(body: dict[str, Any]) -> tuple[bool, JsonValue]:
    """Whether a part marks its result as an error, and what it says about it."""
    error = pick(body, "error|errorText|error_message")
    if error not in (None, False, "", {}):
        return True, None if error is True else error
    failed = (
        pick(body, "is_error|isError") is True
        or body.get("status") in _BAD_STATUS
        or body.get("state") in _BAD_STATES
        or body.get("success") is False
        or body.get("type") == "tool-error"
        or str(body.get("outcome", "OUTCOME_OK")).startswith(("OUTCOME_FAILED", "OUTCOME_DEADLINE"))
    )
    return failed, None


def _of_blocks(content: JsonValue) -> JsonValue:
    """The text of a list of text blocks, or the only JSON block's value; other contents unchanged."""
    if not isinstance(content, list) or not content:
        return content
    texts = [str(part["text"]) for part in content if isinstance(part, dict) and _is_text(part)]
    return "".join(texts) if len(texts) == len(content) else content


def _is_text(part: dict[str, Any]) -> bool:
    return isinstance(part.get("text"), str) and part.get("type") in _TEXTS


_TEXTS: Final = ("text", "input_text", "output_text")
