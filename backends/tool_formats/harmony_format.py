"""gpt-oss's calls, held and written: one message a call, and one call a turn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from artis_sdk.backends.tool_formats.grammar import (
    Choice,
    Form,
    Opening,
    arguments,
    bare_opening,
    marked,
    optional,
    row,
)
from artis_sdk.backends.tool_formats.harmony import read_harmony
from artis_sdk.backends.tool_formats.json_calls import write_json
from artis_sdk.backends.tool_formats.protocol import Reading, ToolCallFormat, Tools
from artis_sdk.records import Message, ToolCall, ToolSpec
from artis_sdk.records.thinking import THOUGHTS, leading_thought_end, outside_thoughts

OPEN, CLOSE = THOUGHTS[0]
_CHANNEL: Final = "<|channel|>"
_START: Final = "<|start|>"
_TO: Final = "commentary to=functions."


class HarmonyFormat(ToolCallFormat):
    """Messages of several channels, of which one is addressed to a function."""

    marks = (_CHANNEL, _START)
    one_call = True

    def taught_by(self, template: str) -> bool:
        return _CHANNEL in template and "commentary" in template

    def read(self, text: str, prompt_end: str = "", tools: Tools | None = None) -> Reading:
        found = read_harmony(text, tools or {})
        return Reading(found.text, found.calls) if found.calls else Reading(text, ())

    def content(self, message: Message) -> str:
        """A thought is the content of a turn with calls; others have none, and `<think>` is no mark here."""
        said = outside_thoughts(message.content)
        thought = message.content[: leading_thought_end(message.content)].strip()
        marked_thought = thought.removeprefix(OPEN).removesuffix(CLOSE).strip()
        return "\n".join(filter(None, (marked_thought, said))) if message.tool_calls else said

    def form(self, tools: Sequence[ToolSpec]) -> Form:
        return Choice(tuple([row(marked(_CHANNEL), f"{_TO}{tool.name}", _rest(tool)) for tool in tools]))

    def openings(self, tools: Sequence[ToolSpec]) -> Sequence[Opening]:
        channel_first = Opening((_CHANNEL,), tuple([(f"{_TO}{tool.name}", _rest(tool)) for tool in tools]))
        name_first = [(f"assistant to=functions.{tool.name}", _named(tool)) for tool in tools]
        return (
            channel_first,
            Opening((_START,), tuple(name_first)),
            bare_opening(tools, "arguments", ()),
        )

    def write(self, calls: Sequence[ToolCall]) -> str:
        messages = [
            f"{_CHANNEL}{_TO}{call.tool} <|constrain|>json<|message|>{write_json(call.arguments)}<|call|>"
            for call in calls
        ]
        return f"{_START}assistant".join(messages)


def _rest(tool: ToolSpec) -> Form:
    """A call from behind its name on."""
    return row(optional(" "), marked("<|constrain|>"), "json", marked("<|message|>"), arguments(tool), _END)


def _named(tool: ToolSpec) -> Form:
    """The same where the name stands before the channel."""
    kind = Choice((row("json"), row(marked("<|constrain|>"), "json")))
    return row(marked(_CHANNEL), "commentary ", kind, marked("<|message|>"), arguments(tool), _END)


_END: Final = optional(marked("<|call|>"))  # most vocabularies have it as the end of the answer

HARMONY: Final = HarmonyFormat()
