"""vLLM's names of tool-call formats, and the format that a chat template implies."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from artis_sdk.backends.tool_formats import FORMATS, detect

# Marks in a chat template and the call format that they imply; the first match counts.
_MARKS = (
    ("<arg_key>", "glm45"),
    ("<seed:tool_call>", "seed_oss"),
    ("<minimax:tool_call>", "minimax_m2"),
    ("minimax[>[", "minimax_m3"),
    ("<function=", "qwen3_coder"),
    ("<|tool_calls_section_begin|>", "kimi_k2"),
    ("[TOOL_CALLS]", "mistral"),
    ("<|python_tag|>", "llama3_json"),
    ("<start_function_call>", "functiongemma"),
    ("<|tool_call|>", "granite"),
    ("<tool_call>", "hermes"),
)
_UNKNOWN = "<tool_calls>["  # Apriel 1.5, whose template speaks of `<tool_call>` as well

READ_HERE = {parser: format for format in FORMATS for parser in format.vllm_parsers}
"""Formats of `tool_formats` by the name of vLLM's parser."""


def guess_tool_parser(template: Any) -> str | None:
    """vLLM's name of the parser for a chat template; None if no parser is known.

    Args:
        template: Jinja text, or several by name; anything else has no marks.
    """
    if isinstance(template, dict):
        template = template.get("tool_use") or template.get("default")
    if not isinstance(template, str):
        return None
    if _UNKNOWN in template:
        return None
    found = next((parser for mark, parser in _MARKS if mark in template), None)
    known = detect(template) if found is None else None  # Llama 3.2 teaches its calls without a mark
    return known.vllm_parsers[0] if known is not None and known.vllm_parsers else found


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
