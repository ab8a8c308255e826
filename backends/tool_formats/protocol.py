"""The interface of a tool-call format: marks, recognition, reader, grammar and renderer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar, NamedTuple, Protocol

from artis_sdk.records import ToolCall, ToolSpec

TokenId = Callable[[str], int | None]
"""Id of a text that is one special token of the model's vocabulary, else None."""


class Reading(NamedTuple):
    """A model's answer, read."""

    said: str
    """The text outside the calls."""
    calls: tuple[ToolCall, ...]
    """The calls in order. Unreadable text that begins like a call is a call with `malformed` set, which
    keeps the text in `raw`."""


class ToolCallFormat(Protocol):
    """One way to write tool calls, shared by the models that were trained on it."""

    marks: ClassVar[tuple[str, ...]]
    """Beginnings of a call. Text before the first mark can be shown while the model still writes."""
    vllm_parsers: ClassVar[tuple[str, ...]] = ()
    """vLLM's names of its parsers for this format, which are not used: the format is read here."""

    def taught_by(self, template: str) -> bool:
        """Whether a chat template that knows tools makes its model write this format."""

    def read(self, text: str, prompt_end: str = "") -> Reading:
        """Read an answer. Never raises; nothing is guessed.

        Args:
            text: the whole answer, exactly as the model wrote it.
            prompt_end: end of the prompt that belongs to the model's turn. A thought opened there continues
                in the text, and nothing in it is a call.
        """

    def grammar(self, tools: Sequence[ToolSpec], token_id: TokenId) -> str:
        """A grammar of one or more calls of these tools, in llguidance's Lark dialect.

        Args:
            tools: tools that may be called.
            token_id: special-token ids of the model's vocabulary, used for marks in the grammar.
        """

    def write(self, calls: Sequence[ToolCall]) -> str:
        """Calls in the format, as a model writes them; `read` returns the same calls.

        Args:
            calls: one or more calls, none of them malformed.
        """

    def call_id(self, id: str) -> str:
        """A call's id in the form that the format's chat templates accept."""
        return id
