"""`<tool_call>{"name": ..., "arguments": ...}</tool_call>`: Hermes, Qwen 2.5 and 3."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from artis_sdk.backends.tool_formats.json_calls import read_object, write_object
from artis_sdk.backends.tool_formats.lark import call_grammar, json_call, mark
from artis_sdk.backends.tool_formats.protocol import Reading, TokenId, ToolCallFormat
from artis_sdk.records import ToolCall, ToolSpec
from artis_sdk.records.thinking import leading_thought_end, opened_thought_end

OPEN: Final = "<tool_call>"
CLOSE: Final = "</tool_call>"
_BLOCK = re.compile(rf"{OPEN}(.*?)(?:{CLOSE}|\Z)", re.DOTALL)


class Hermes(ToolCallFormat):
    """Blocks of JSON in tags, with text around them, but not in the thought before them."""

    marks = (OPEN,)
    vllm_parsers = ("hermes", "qwen3_json")

    def taught_by(self, template: str) -> bool:
        return OPEN in template and "<arg_key>" not in template and "<function=" not in template

    def read(self, text: str, prompt_end: str = "") -> Reading:
        at = opened_thought_end(text, prompt_end) or leading_thought_end(text)
        outside: list[str] = [text[:at]]
        calls: list[ToolCall] = []
        for block in _BLOCK.finditer(text, at):
            outside.append(text[at : block.start()])
            calls.append(read_object(block[1], block[0]))
            at = block.end()
        if not calls:
            return Reading(text, ())
        outside.append(text[at:])
        return Reading(_joined(outside), tuple(calls))

    def grammar(self, tools: Sequence[ToolSpec], token_id: TokenId) -> str:
        before, after = mark(OPEN, token_id), mark(CLOSE, token_id)
        calls = []
        for number, tool in enumerate(tools):
            body, rules = json_call(number, tool, "arguments")
            calls.append((f'{before} "\\n" {body} "\\n" {after}', rules))
        return call_grammar('call ("\\n" call)*', calls)

    def write(self, calls: Sequence[ToolCall]) -> str:
        return "\n".join([f"{OPEN}\n{write_object(call, 'arguments', CLOSE)}\n{CLOSE}" for call in calls])


def _joined(pieces: list[str]) -> str:
    """The text before the calls, unchanged, and the text after them."""
    before, after = "".join(pieces[:2]), [piece for piece in pieces[2:] if piece.strip()]
    return before + "".join(after)


HERMES: Final = Hermes()
