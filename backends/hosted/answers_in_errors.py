"""Answers of a model that a server tells as an error.

The model did answer: its call could not be read, or its words were filtered. Raised as errors of the request
they would end every attempt at a task; as answers they end one, or the model gets the turn once more.
"""

from __future__ import annotations

from typing import Any

from pydantic_core import from_json

from artis_sdk.backends.hosted.wire import encode, fields_of
from artis_sdk.records import Completion, Usage

# Azure and OpenAI, DashScope, Moonshot, and Google behind gateways
_FILTERED = frozenset(
    {
        "content_filter",
        "content_policy_violation",
        "ResponsibleAIPolicyViolation",
        "data_inspection_failed",
        "DataInspectionFailed",
        "content_blocked",
        "1301",  # Zhipu
    }
)
_FILTERED_WORDS = ("Content Exists Risk",)  # DeepSeek has no code for it


class AnswerInError(Exception):
    """An error's body holds what the model answered."""

    def __init__(self, completion: Completion) -> None:
        super().__init__("an error that holds an answer")
        self.completion = completion


def raise_answer(body: bytes) -> None:
    """Raise the answer in an error's body, if it holds one.

    Raises:
        AnswerInError: it does.
    """
    if b"failed_generation" not in body and not _may_be_filtered(body):
        return
    try:
        data = fields_of(from_json(body))
    except ValueError:
        return
    error = fields_of(data.get("error")) or data
    completion = _failed_generation(error) or _filtered(error)
    if completion is not None:
        raise AnswerInError(completion)


def _may_be_filtered(body: bytes) -> bool:
    return any(word.encode() in body for word in (*_FILTERED, *_FILTERED_WORDS))


def _failed_generation(error: dict[str, Any]) -> Completion | None:
    """Groq: the model wrote a call, or JSON, that the server could not read."""
    written = error.get("failed_generation")
    code = str(error.get("code") or "")
    if written is None and code != "tool_use_failed":
        return None
    text = written if isinstance(written, str) else encode(written).decode() if written else ""
    held = code == "json_validate_failed"  # under a schema: the reader of the answer says what is wrong
    return Completion(
        text=text, finish_reason="stop" if held else "tool_calls", usage=Usage(requests=1), raw=text
    )


def _filtered(error: dict[str, Any]) -> Completion | None:
    inner = fields_of(error.get("innererror"))
    codes = {str(error.get("code")), str(error.get("type")), str(inner.get("code"))}
    told = str(error.get("message"))
    if _FILTERED.isdisjoint(codes) and not any(word in told for word in _FILTERED_WORDS):
        return None
    return Completion(finish_reason="content_filter", usage=Usage(requests=1))
