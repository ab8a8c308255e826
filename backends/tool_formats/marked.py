"""A format whose calls stand in marks, with a reader of those marks."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from artis_sdk.backends.tool_formats.grammar import Form, Opening, bare_opening, marked, row
from artis_sdk.backends.tool_formats.protocol import BlockReader, Reading, ToolCallFormat, Tools
from artis_sdk.backends.tool_formats.scan import read_blocks
from artis_sdk.records import ToolSpec
from artis_sdk.records.thinking import opened_by


@dataclass(frozen=True, eq=False, kw_only=True)
class MarkedFormat(ToolCallFormat):
    """Calls behind a mark, with text around them, but not in the thought before them.

    Args:
        name: name of the model family.
        reader: reader of the marks.
        marks: beginnings of a call, the usual one first.
        begin: the part of the first mark that is one token of its models; empty for all of it.
        behind: what follows the first mark where it begins calls.
        taught: what a chat template with this format has, all of it; empty for `marks`.
        not_taught: what templates of other formats with the same marks have.
        vllm_parsers: vLLM's names of its parsers for this format.
        one_call: whether its chat templates take one call in a turn.
    """

    name: str
    reader: BlockReader
    marks: tuple[str, ...]
    begin: str = ""
    behind: str = ""
    taught: tuple[str, ...] = ()
    not_taught: tuple[str, ...] = ()
    vllm_parsers: tuple[str, ...] = ()
    one_call: bool = False

    def taught_by(self, template: str) -> bool:
        others = any(text in template for text in self.not_taught)
        return all(text in template for text in self.taught or self.marks) and not others

    def read(self, text: str, prompt_end: str = "", tools: Tools | None = None) -> Reading:
        return read_blocks(text, self.reader, tools or {}, thinking=opened_by(prompt_end))

    def form(self, tools: Sequence[ToolSpec]) -> Form:
        return row(marked(self.marks[0] + self.behind), self.rest(tools))

    def openings(self, tools: Sequence[ToolSpec]) -> Sequence[Opening]:
        own = Opening((self.begin or self.marks[0],), ((self.behind, self.rest(tools)),))
        between = () if self.one_call else (", ", "\n", ",\n")
        return (own, bare_opening(tools, "arguments", between))

    @abstractmethod
    def rest(self, tools: Sequence[ToolSpec]) -> Form:
        """The answer from behind its first mark on."""
