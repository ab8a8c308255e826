"""The interface of a tool-call format: marks, recognition, reader, grammar and renderer."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from artis_sdk.backends.tool_formats.grammar import Form, Opening
from artis_sdk.records import Message, ToolCall, ToolSpec

Tools = Mapping[str, ToolSpec]
"""The offered tools by name."""


class Reading(NamedTuple):
    """A model's answer, read."""

    said: str
    """The text outside the calls."""
    calls: tuple[ToolCall, ...]
    """The calls in order. Unreadable text that begins like a call is a call with `malformed` set, which
    keeps the text in `raw`."""


class Block(NamedTuple):
    """A stretch of an answer that holds calls, marks included."""

    start: int
    end: int
    calls: tuple[ToolCall, ...]


class BlockReader(Protocol):
    """Reads calls that begin with a mark."""

    @property
    def begins(self) -> re.Pattern[str]:
        """Pattern for the beginning of a block, without groups."""

    def block(self, text: str, start: int, end: int, tools: Tools) -> Block | None:
        """Read the block that begins at a place. Never raises; nothing is guessed.

        Args:
            text: the whole answer.
            start: place of the beginning, where `begins` matches.
            end: place behind the match.
            tools: the offered tools; their schemas give the types of arguments that are written as text.

        Returns:
            The block; None if none begins here after all.
        """


class ToolCallFormat(Protocol):
    """One way to write tool calls, shared by the models that were trained on it."""

    marks: tuple[str, ...]
    """Beginnings of a call. Text before the first mark can be shown while the model still writes."""
    vllm_parsers: tuple[str, ...] = ()
    """vLLM's names of its parsers for this format, which are not used: the format is read here."""
    one_call: bool = False
    """Whether the format's chat templates take one call in a turn."""

    def taught_by(self, template: str) -> bool:
        """Whether a chat template that knows tools makes its model write this format."""

    def read(self, text: str, prompt_end: str = "", tools: Tools | None = None) -> Reading:
        """Read an answer that is written in this format. Never raises; nothing is guessed.

        `read_answer` also reads what is written in others.

        Args:
            text: the whole answer, exactly as the model wrote it.
            prompt_end: end of the prompt that belongs to the model's turn. A thought opened there continues
                in the text, and nothing in it is a call.
            tools: the offered tools.
        """

    def form(self, tools: Sequence[ToolSpec]) -> Form:
        """The form of an answer of one or more calls of these tools, and nothing else."""

    def openings(self, tools: Sequence[ToolSpec]) -> Sequence[Opening]:
        """The beginnings of calls of these tools in an answer that may also be text, each with the form of
        the rest of the answer."""

    def write(self, calls: Sequence[ToolCall]) -> str:
        """Calls in the format, as a model writes them; `read` returns the same calls.

        Args:
            calls: one or more calls, none of them malformed.
        """

    def content(self, message: Message) -> str:
        """An assistant message's content in the form that the format's chat templates take."""
        return message.content

    def call_id(self, id: str) -> str:
        """A call's id in the form that the format's chat templates accept."""
        return id
