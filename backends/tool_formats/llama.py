"""`{"name": ..., "parameters": ...}` as the whole answer: Llama 3.1 to 3.3."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from artis_sdk.backends.tool_formats.framed import framed_block
from artis_sdk.backends.tool_formats.grammar import (
    Choice,
    Form,
    Opening,
    bare_opening,
    json_call,
)
from artis_sdk.backends.tool_formats.json_calls import NAME, malformed, read_object, write_object
from artis_sdk.backends.tool_formats.json_text import json_at, skip_blanks, whole_json
from artis_sdk.backends.tool_formats.protocol import Block, Reading, ToolCallFormat, Tools
from artis_sdk.backends.tool_formats.scan import read_blocks
from artis_sdk.records import ToolCall, ToolSpec
from artis_sdk.records.thinking import leading_thought_end, opened_by, opened_thought_end

PYTHON_TAG: Final = "<|python_tag|>"
_ARGUMENTS = re.compile(r'"(?:parameters|arguments)"\s*+:')
_HEAD = 200  # characters of an answer in which an untagged call must name its function


class Llama(ToolCallFormat):
    """Bare JSON objects, with or without the tag before them; several with semicolons between them."""

    marks = (PYTHON_TAG, '{"name"')
    begins = re.compile(re.escape(PYTHON_TAG))
    vllm_parsers = ("llama3_json",)
    one_call = True

    def taught_by(self, template: str) -> bool:
        return '"parameters"' in template and ("ipython" in template or PYTHON_TAG in template)

    def read(self, text: str, prompt_end: str = "", tools: Tools | None = None) -> Reading:
        start = opened_thought_end(text, prompt_end) or leading_thought_end(text)
        if calls := bare_calls(text[start:], tools or {}):
            return Reading(text[:start], calls)
        return read_blocks(text, self, tools or {}, thinking=opened_by(prompt_end))

    def block(self, text: str, start: int, end: int, tools: Tools) -> Block:
        return framed_block(text, start, end)

    def form(self, tools: Sequence[ToolSpec]) -> Form:
        return Choice(tuple([json_call(tool, "parameters") for tool in tools]))  # templates take one

    def openings(self, tools: Sequence[ToolSpec]) -> Sequence[Opening]:
        tagged = Opening((PYTHON_TAG,), (("", self.form(tools)),))
        return (tagged, bare_opening(tools, "parameters", ()))

    def write(self, calls: Sequence[ToolCall]) -> str:
        return "; ".join([write_object(call, "parameters") for call in calls])


def bare_calls(text: str, tools: Tools) -> tuple[ToolCall, ...]:
    """The calls of an answer that is one object with a name and arguments, or several; empty for any other
    answer. If anything else follows them, none can be made."""
    body = text.strip()
    name = NAME.search(body[:_HEAD]) if body.startswith("{") else None
    if name is None or not (name[1] in tools or _ARGUMENTS.search(body)):
        return ()
    parts = list(_objects(body))
    if isinstance(whole_json(parts[-1]), str):
        return (malformed(body, "the call is not JSON, or other text follows it"),)
    return tuple([read_object(part, part) for part in parts])


def _objects(text: str) -> Iterator[str]:
    """The JSON values between semicolons (not those inside strings), and then the rest."""
    at = 0
    while at < len(text):
        read = json_at(text, at)
        if isinstance(read, str):
            yield text[at:]
            return
        yield text[at : read.end]
        at = skip_blanks(text, read.end)
        if at < len(text) and text[at] != ";":
            yield text[at:]
            return
        at = skip_blanks(text, at + 1)


LLAMA: Final = Llama()
