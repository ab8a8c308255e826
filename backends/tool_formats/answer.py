"""An answer of any model, read: thoughts, text, and calls in whatever format they are written.

A chat template says what a model was taught, not what it writes. So marks of every known format are read,
and calls without marks as well, if they call an offered tool. What looks like a call of an offered tool and
cannot be read for certain is a malformed call: it is never made, and never lost.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from artis_sdk.backends.tool_formats import llama
from artis_sdk.backends.tool_formats.bare import BareCalls, bare_calls
from artis_sdk.backends.tool_formats.framed import FRAMES
from artis_sdk.backends.tool_formats.function_xml import FUNCTION_XML
from artis_sdk.backends.tool_formats.gemma import FUNCTION_GEMMA, GEMMA
from artis_sdk.backends.tool_formats.glm import GLM
from artis_sdk.backends.tool_formats.harmony import is_harmony, read_harmony
from artis_sdk.backends.tool_formats.hermes import HERMES
from artis_sdk.backends.tool_formats.invoke_xml import INVOKE_XML, MINIMAX_M3
from artis_sdk.backends.tool_formats.json_calls import malformed
from artis_sdk.backends.tool_formats.kimi_xtml import KIMI_XTML
from artis_sdk.backends.tool_formats.llama import LLAMA
from artis_sdk.backends.tool_formats.marked import MarkedFormat
from artis_sdk.backends.tool_formats.mistral import MISTRAL_CALLS
from artis_sdk.backends.tool_formats.named_json import DEEPSEEK, KIMI
from artis_sdk.backends.tool_formats.protocol import BlockReader, ToolCallFormat, Tools
from artis_sdk.backends.tool_formats.pythonic import PYTHONIC, whole_answer
from artis_sdk.backends.tool_formats.scan import Scanned, is_offered, scan
from artis_sdk.backends.tool_formats.text import TEXT
from artis_sdk.records import ToolCall, ToolSpec
from artis_sdk.records.action_text import parse_actions
from artis_sdk.records.thinking import OPENED, leading_thought_end, opened_by, opened_thought_end

READERS: Final[tuple[BlockReader, ...]] = (
    FUNCTION_XML,
    MINIMAX_M3,
    INVOKE_XML,
    GLM,
    HERMES,
    MISTRAL_CALLS,
    LLAMA,
    DEEPSEEK,
    KIMI,
    KIMI_XTML,
    GEMMA,
    FUNCTION_GEMMA,
    *PYTHONIC,
    *FRAMES,
)
"""Every reader of marks. Of several whose marks begin alike, the narrower one comes first."""

_OPENING = re.compile(OPENED)
_PIECE = re.compile(
    r"</?tool_calls?>|</?function>|<function=|</?parameter(?:>|=| name=)|</?arg_(?:key|value)>|</?invoke\b"
    r"|<[|｜]/?tool[_▁]?calls?|[|｜]DSML[|｜]|\[/?TOOL_(?:CALLS?|REQUEST)\]|<\|python_tag\|>"
    r"|<tool_call\|>|<(?:start|end)_function_call>|(?i:</?TOOLCALL>|TOOL_CALL_BLOCK)|minimax\[>\["
)
_PREFILLED = re.compile(
    r"(?:<tool_call>|\[TOOL_CALLS\]|<\|python_tag\|>|<TOOLCALL>|<tool_calls>|<\|tool_call\|?>)\s*[\[{]?[^\n<]*\Z"
    r"|(?:(?<=[\n>\]])|\A)[\[{][^\n<\]}]*\Z"
)
_EMPTY = re.compile(r"<(\w+)>\s*</\1>")
"""Marks with nothing between them, which small models write before a call: nothing is lost with them."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A model's answer, read."""

    thoughts: str
    """Everything up to the last closed thought, marks included, and a thought that is left open."""
    text: str
    """The text outside thoughts and calls."""
    calls: tuple[ToolCall, ...]
    """The calls in order; unreadable ones have `malformed` set and are never made."""
    open_thought: bool = False
    """Whether the answer ends inside a thought."""

    @property
    def malformed(self) -> tuple[ToolCall, ...]:
        """The calls that cannot be read, each with its text and the reason."""
        return tuple([call for call in self.calls if call.malformed is not None])

    @property
    def said(self) -> str:
        """The text with the closed thoughts before it, as chat templates expect a message's content."""
        return self.text if self.open_thought else self.thoughts + self.text


def read_answer(
    text: str,
    tools: Sequence[ToolSpec] = (),
    format: ToolCallFormat | None = None,
    prompt_end: str = "",
) -> Answer:
    """Read an answer. Never raises, and takes time in proportion to the text.

    Args:
        text: the whole answer, exactly as the model wrote it.
        tools: the offered tools; without any, only calls in the model's own format are looked for.
        format: the format of the model's chat template; None if it is not known.
        prompt_end: end of the prompt that belongs to the model's turn, which may open a thought or a call.
    """
    offered = {tool.name: tool for tool in tools}
    if (tools or format is None) and is_harmony(text):
        found = read_harmony(text, offered)
        if found.calls or found.thoughts:
            return Answer(found.thoughts, found.text, found.calls)
        text = found.text
    prefilled = _prefilled(prompt_end)
    text = prefilled + text
    answer = _whole(text, offered, format, prompt_end) or _marked(text, offered, format, prompt_end)
    if prefilled and not answer.calls:
        return Answer(answer.thoughts, answer.text.removeprefix(prefilled), (), answer.open_thought)
    return answer


def _prefilled(prompt_end: str) -> str:
    """The beginning of a call at the end of a prompt."""
    found = _PREFILLED.search(prompt_end[-200:])
    return found[0] if found else ""


def _whole(text: str, tools: Tools, format: ToolCallFormat | None, prompt_end: str) -> Answer | None:
    """An answer that is nothing but JSON of calls: marks in its strings are data."""
    start = opened_thought_end(text, prompt_end) or leading_thought_end(text)
    if text[start:].lstrip()[:1] not in ("{", "[", "`"):
        return None
    body = text[start:]
    calls = _unmarked(body, tools, format)
    if calls.before.strip() or not calls.calls or any(call.malformed is not None for call in calls.calls):
        return None
    return Answer(text[:start], "", calls.calls)


def _marked(text: str, tools: Tools, format: ToolCallFormat | None, prompt_end: str) -> Answer:
    """An answer with marks, or in words."""
    own = _own_readers(format)
    readers = READERS if tools else own  # tools are offered: any family may answer
    found = scan(text, readers, tools, thinking=opened_by(prompt_end), own=own)
    before, *after = found.outside(text)
    words = before + "".join(piece for piece in after if piece.strip())
    calls = found.calls()
    if filled := tuple([call for call in calls if _EMPTY.fullmatch(call.raw or "") is None]):
        calls = filled
    elif calls and bare_calls(words, tools).calls:
        calls = ()
    if calls:
        beside = [_beside(call) for call in bare_calls(words, tools).calls]
        calls = (*calls, *beside)
    else:
        unmarked = _unmarked(words, tools, format)
        calls, words = unmarked.calls or _in_pieces(words, tools), unmarked.before
    if found.open_thought is not None:
        calls = (*calls, *_left_in_thought(text, found, readers, tools))
    return Answer(_thoughts(text, found), words, calls, found.open_thought is not None)


def _unmarked(text: str, tools: Tools, format: ToolCallFormat | None) -> BareCalls:
    """The calls that a text holds without marks."""
    if format is TEXT and (calls := tuple(parse_actions(text) or ())):
        return BareCalls(calls, "")
    if calls := whole_answer(text, tools):
        return BareCalls(calls, "")
    found = bare_calls(text, tools)
    readable = found.calls and all(call.malformed is None for call in found.calls)
    if format is LLAMA and not readable and (calls := llama.bare_calls(text, tools)):
        return BareCalls(calls, "")
    return found


def _in_pieces(text: str, tools: Tools) -> tuple[ToolCall, ...]:
    """What is left of a call whose beginning is lost, or whose marks are of no known format."""
    if _PIECE.search(text) is None:
        return ()
    name = next((name for name in tools if re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text)), None)
    if name is None:
        return ()
    return (malformed(text, "it holds marks of a call, and no call that can be read", name),)


def _left_in_thought(
    text: str, found: Scanned, readers: Sequence[BlockReader], tools: Tools
) -> tuple[ToolCall, ...]:
    """A call at the very end of a thought that is not closed: not made, and not lost either."""
    assert found.open_thought is not None
    rest = text[found.open_thought :]
    if mark := _OPENING.match(rest):
        rest = rest[mark.end() :]
    inside = scan(rest, readers, tools)
    if not inside.blocks or inside.outside(rest)[-1].strip():
        return ()
    last = [call for call in inside.blocks[-1].calls if is_offered(call, tools)]
    why = "a call stands in a thought that is not closed; close the thought, then write the call"
    return tuple([malformed(call.raw or "", why, call.tool) for call in last])


def _thoughts(text: str, found: Scanned) -> str:
    ended = text[: found.thoughts_end]
    return ended if found.open_thought is None else ended + text[found.open_thought :]


def _beside(call: ToolCall) -> ToolCall:
    why = "it stands without marks beside calls with marks; which of them are meant is not certain"
    return malformed(call.raw or "", call.malformed or why, call.tool)


def _own_readers(format: ToolCallFormat | None) -> tuple[BlockReader, ...]:
    """Readers of a format's marks."""
    if format is None:
        return ()
    owner: object = format.reader if isinstance(format, MarkedFormat) else format
    return tuple([reader for reader in READERS if reader is owner])
