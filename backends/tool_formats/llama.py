"""`{"name": ..., "parameters": ...}` as the whole answer, several with semicolons: Llama 3.1."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Final

from artis_sdk.backends.tool_formats.json_calls import NAME, read_object, write_object
from artis_sdk.backends.tool_formats.lark import call_grammar, json_call
from artis_sdk.backends.tool_formats.protocol import Reading, TokenId, ToolCallFormat
from artis_sdk.records import ToolCall, ToolSpec
from artis_sdk.records.thinking import opened_thought_end

PYTHON_TAG: Final = "<|python_tag|>"
_HEAD = 200  # characters of an answer in which an untagged call must name its function


class Llama(ToolCallFormat):
    """Bare JSON objects, with or without the tag before them."""

    marks = (PYTHON_TAG, '{"name"')
    vllm_parsers = ("llama3_json",)

    def taught_by(self, template: str) -> bool:
        return '"parameters"' in template and ("ipython" in template or PYTHON_TAG in template)

    def read(self, text: str, prompt_end: str = "") -> Reading:
        start = opened_thought_end(text, prompt_end)
        body = text[start:].strip()
        tagged = body.startswith(PYTHON_TAG)
        body = body.removeprefix(PYTHON_TAG).strip()
        if not body.startswith("{") or not (tagged or NAME.search(body[:_HEAD])):
            return Reading(text, ())
        return Reading(text[:start], tuple([read_object(part, part) for part in _objects(body)]))

    def grammar(self, tools: Sequence[ToolSpec], token_id: TokenId) -> str:
        calls = [json_call(number, tool, "parameters") for number, tool in enumerate(tools)]
        return call_grammar('call ("; " call)*', calls)

    def write(self, calls: Sequence[ToolCall]) -> str:
        return "; ".join([write_object(call, "parameters") for call in calls])


def _objects(text: str) -> Iterator[str]:
    """The JSON values between semicolons (not those inside strings), and then the rest."""
    decoder = json.JSONDecoder()
    at = 0
    while at < len(text):
        try:
            end = decoder.raw_decode(text, at)[1]
        except ValueError:
            yield text[at:]
            return
        yield text[at:end]
        rest = text[end:].lstrip()
        if rest and not rest.startswith(";"):
            yield rest
            return
        at = len(text) - len(rest.removeprefix(";").lstrip())


LLAMA: Final = Llama()
