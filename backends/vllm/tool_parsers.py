"""vLLM's settings for a model's JSON and tool calls: the parser that reads them, and their grammar.

Grammars allow at most one blank between two parts of JSON. Without it a model must write `{"a":1}` though
it may have learned `{"a": 1}`; with any number a weak model fills its whole answer with blanks.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from artis_sdk.backends.tool_formats import FORMATS

# Marks in a chat template and the call format that they imply; the first match counts.
_MARKS = (
    ("<arg_key>", "glm45"),
    ("<minimax:tool_call>", "minimax_m2"),
    ("<function=", "qwen3_coder"),
    ("<|tool_calls_section_begin|>", "kimi_k2"),
    ("[TOOL_CALLS]", "mistral"),
    ("<|python_tag|>", "llama3_json"),
    ("<start_function_call>", "functiongemma"),
    ("<|tool_call|>", "granite"),
    ("<tool_call>", "hermes"),
)

READ_HERE = {parser: format for format in FORMATS for parser in format.vllm_parsers}
"""Formats of `tool_formats` by the name of vLLM's parser."""


def schema_tag(schema: dict[str, Any]) -> dict[str, Any]:
    """A JSON schema as an xgrammar structural tag for a whole answer."""
    answer = {"type": "json_schema", "json_schema": schema, "max_whitespace_cnt": 1}
    return {"type": "structural_tag", "format": answer}


def with_few_blanks(tag: str) -> str:
    """A structural tag with at most one blank between two parts of its JSON.

    Args:
        tag: JSON text of a structural tag.
    """
    value = json.loads(tag)
    waiting = [value]
    while waiting:
        part = waiting.pop()
        if isinstance(part, list):
            waiting += part
        elif isinstance(part, dict):
            if part.get("type") == "json_schema" and "json_schema" in part:
                part["max_whitespace_cnt"] = 1  # everything below is the schema itself
            else:
                waiting += part.values()
    return json.dumps(value)


def guess_tool_parser(template: Any) -> str | None:
    """vLLM's name of the parser for a chat template; None if no parser is known.

    Args:
        template: Jinja text, or several by name; anything else has no marks.
    """
    if isinstance(template, dict):
        template = template.get("tool_use") or template.get("default")
    if not isinstance(template, str):
        return None
    return next((parser for mark, parser in _MARKS if mark in template), None)


def template_of(model: str) -> Any:
    """The chat template in a model's folder; None for a hub id or a folder without a template."""
    folder = Path(model).expanduser()
    try:
        return (folder / "chat_template.jinja").read_text()
    except OSError:
        pass
    try:
        return json.loads((folder / "tokenizer_config.json").read_text()).get("chat_template")
    except (OSError, ValueError):
        return None
