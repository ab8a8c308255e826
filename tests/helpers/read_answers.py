"""Answers of models that are offered payments, read."""

from __future__ import annotations

from typing import Any

import pytest

from artis_sdk.backends.tool_formats import FORMATS, Answer, ToolCallFormat, read_answer
from artis_sdk.records import ToolSpec


def tool(name: str, **properties: Any) -> ToolSpec:
    return ToolSpec(name=name, parameters={"type": "object", "properties": properties})


TEXTUAL, WHOLE, NUMBER = {"type": "string"}, {"type": "integer"}, {"type": "number"}
TOOLS = (
    tool("pay", to=TEXTUAL, amount=NUMBER),
    tool("close_account", owner=TEXTUAL),
    tool("delete_logs", older_than_days=WHOLE),
    tool("list_accounts"),
    tool("write_file", path=TEXTUAL, content=TEXTUAL),
)
PAY = [("pay", {"to": "bob", "amount": 5})]


def read(text: str, format: ToolCallFormat | None = None, prompt_end: str = "") -> Answer:
    return read_answer(text, TOOLS, format, prompt_end)


def made(answer: Answer) -> list[tuple[str, dict[str, Any]]]:
    """The calls that would run."""
    return [(call.tool, call.arguments) for call in answer.calls if call.malformed is None]


every_format = pytest.mark.parametrize("format", [None, *FORMATS], ids=lambda format: type(format).__name__)
