"""What a format of tool calls is: its marks, how it is recognized, read, held to and written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar, NamedTuple, Protocol

from artis_sdk.records import ToolCall, ToolSpec

TokenId = Callable[[str], int | None]
"""The id of a text that is one special token of the model's vocabulary, else None."""


class Reading(NamedTuple):
    """A model's answer, read."""

    said: str
    """The text outside the calls."""
    calls: tuple[ToolCall, ...]
    """The calls in order. What begins like a call and cannot be read is a call with `malformed` set; it
    keeps its text in `raw`."""


class ToolCallFormat(Protocol):
    """One way to write tool calls, shared by the models that were trained on it."""

    marks: ClassVar[tuple[str, ...]]
    """What a call begins with. Text before the first mark can be shown while the model still writes."""
    vllm_parsers: ClassVar[tuple[str, ...]] = ()
    """vLLM's names of its parsers for this format; it is read here and not by them."""

    def taught_by(self, template: str) -> bool:
        """Whether a chat template that knows tools makes its model write this format."""

    def read(self, text: str, prompt_end: str = "") -> Reading:
        """Read an answer. Never raises; nothing is guessed.

        Args:
            text: the whole answer, exactly as the model wrote it.
            prompt_end: what the prompt wrote of the model's own turn. A thought opened there goes on in
                the text, and nothing in it is a call.
        """

    def grammar(self, tools: Sequence[ToolSpec], token_id: TokenId) -> str:
        """A grammar of one or more calls of these tools, in llguidance's Lark dialect.

        Args:
            tools: what may be called.
            token_id: of the model's vocabulary; marks that are special tokens stand in the grammar as such.
        """

    def write(self, calls: Sequence[ToolCall]) -> str:
        """Calls as a model writes them that keeps to the format; `read` gives the same calls back.

        Args:
            calls: one or more, none of them malformed.
        """

    def call_id(self, id: str) -> str:
        """A call's id as the format's chat templates take it."""
        return id
