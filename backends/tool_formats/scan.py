"""Thoughts and blocks of calls in an answer, found in one pass from left to right."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from artis_sdk.backends.tool_formats.json_calls import malformed
from artis_sdk.backends.tool_formats.protocol import Block, BlockReader, Reading, Tools
from artis_sdk.records import ToolCall
from artis_sdk.records.thinking import CLOSED, END_OF_THOUGHT, OPENED

MAX_BLOCKS: Final = 256
"""Maximum blocks of one answer; more come from a model that repeats itself."""

_PLACE = re.compile(r"[<\[\]`◁]")
"""The first characters of all marks."""
_TAG = re.compile(r"</?(\w+)>")
_CLOSED = re.compile(rf"(?:{CLOSED})\s*+")
_BEFORE_A_THOUGHT: Final = "a call stands before a thought; write calls after the last thought"


@dataclass(slots=True)
class Scanned:
    """Places in an answer, in characters."""

    thoughts_end: int
    """Place behind the last closed thought and its blanks."""
    open_thought: int | None = None
    """Place where a thought begins that is not closed."""
    blocks: list[Block] = field(default_factory=list)
    """The blocks behind the last closed thought, in order."""
    refused: list[Block] = field(default_factory=list)
    """Blocks before thoughts that the answer opens and closes, with calls that are malformed."""

    def calls(self) -> tuple[ToolCall, ...]:
        return tuple([call for block in (*self.refused, *self.blocks) for call in block.calls])

    def outside(self, text: str) -> list[str]:
        """The stretches of text between the blocks, thoughts excluded; one more than there are blocks."""
        places = [self.thoughts_end]
        for block in self.blocks:
            places += (block.start, block.end)
        places.append(len(text) if self.open_thought is None else self.open_thought)
        return [text[start:end] for start, end in zip(places[::2], places[1::2], strict=True)]


def scan(
    text: str,
    readers: Sequence[BlockReader],
    tools: Tools,
    *,
    thinking: str | None = None,
    own: Collection[BlockReader] | None = None,
) -> Scanned:
    """Find the thoughts and the blocks of an answer.

    What stands before the mark that ends a thought is the thought, whether or not its beginning is marked:
    a chat template may have opened it. Marks inside a block that can be read are data.

    Args:
        text: the whole answer.
        readers: readers of blocks; of several that begin at one place, the first that finds a block counts.
        tools: the offered tools.
        thinking: mark of the thought that the prompt opened; None if it opened none.
        own: readers of the model's own format; what cannot be read in others counts if it names an offered
            tool. None for all of them.
    """
    found = Scanned(0, None if thinking is None else 0)
    marks = _marks(tuple(readers))
    at = looked_at = 0
    while True:
        if thinking is not None:
            close = END_OF_THOUGHT[thinking].search(text, at)
            if close is None:
                return found
            found = Scanned(at := close.end(), refused=[*found.refused, *found.blocks])
            thinking = None
            continue
        place = _PLACE.search(text, at)
        if place is None:
            return found
        mark = marks.match(text, place.start())
        if mark is None:
            at = place.end()
            continue
        at = mark.end()
        if mark.lastgroup == "opened":
            found.open_thought, thinking = mark.start(), mark[0]
            found.blocks = [_refused(block, _BEFORE_A_THOUGHT) for block in found.blocks]
        elif mark.lastgroup == "closed":
            at = _CLOSED.match(text, mark.start()).end()  # type: ignore[union-attr]
            found = Scanned(at)
        elif looked_at > 2 * MAX_BLOCKS:
            continue
        elif block := _block(text, mark.start(), readers, tools, own):
            looked_at += 1
            if len(found.blocks) == MAX_BLOCKS:
                block = _refused(block._replace(end=len(text)), f"more than {MAX_BLOCKS} calls")
            ended = _thought_end_inside(text, block)
            if ended is not None:
                found = Scanned(at := ended)
                continue
            found.blocks.append(block)
            at = block.end
        else:
            looked_at += 1


def read_blocks(text: str, reader: BlockReader, tools: Tools, *, thinking: str | None) -> Reading:
    """An answer in one format: the text with its thoughts, without the calls."""
    found = scan(text, [reader], tools, thinking=thinking)
    if not found.blocks and not found.refused:
        return Reading(text, ())
    before, *after = found.outside(text)
    before = text[: found.thoughts_end] + before
    if found.open_thought is not None:
        after.append(text[found.open_thought :])
    return Reading(before + "".join(piece for piece in after if piece.strip()), found.calls())


def _block(
    text: str,
    start: int,
    readers: Sequence[BlockReader],
    tools: Tools,
    own: Collection[BlockReader] | None,
) -> Block | None:
    for reader in readers:
        if (begin := reader.begins.match(text, start)) and (
            block := reader.block(text, start, begin.end(), tools)
        ):
            ours = own is None or reader in own or not block.calls
            if ours or any(call.malformed is None or is_offered(call, tools) for call in block.calls):
                return block
    return None


def is_offered(call: ToolCall, tools: Tools) -> bool:
    """Whether a call is one of an offered tool; an unreadable one, whether it names one."""
    if call.tool in tools:
        return True
    if call.malformed is None:
        return False
    # With `ls` on offer, `<tools>` is a mark and names nothing.
    said = _TAG.sub(lambda tag: tag[0] if tag[1] in tools else "", call.raw or "")
    return any(name in said for name in tools)


def _thought_end_inside(text: str, block: Block) -> int | None:
    """The end of the last mark in an unreadable call that closes a thought: the call is part of it. The same
    mark in the arguments of a call that can be read is data."""
    ends = [0]
    for call in block.calls:
        raw = call.raw if call.malformed is not None else None
        if raw and (start := text.find(raw, block.start, block.end)) >= 0:
            ends += [close.end() for close in _CLOSED.finditer(text, start, start + len(raw))]
    return max(ends) or None


def _refused(block: Block, why: str) -> Block:
    calls = tuple([malformed(call.raw or "", why, call.tool) for call in block.calls])
    return block._replace(calls=calls)


@lru_cache(maxsize=64)
def _marks(readers: tuple[BlockReader, ...]) -> re.Pattern[str]:
    begins = "|".join(reader.begins.pattern for reader in readers) or r"(?!)"
    return re.compile(rf"(?P<opened>{OPENED})|(?P<closed>{CLOSED})|(?P<begin>{begins})", re.DOTALL)
