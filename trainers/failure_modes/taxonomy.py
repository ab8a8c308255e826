"""The failure taxonomy of a toolset: its modes, and the mode of an outcome (section 4.3.1)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache

from artis_sdk.records import Outcome, ToolCall
from artis_sdk.records.outcome_type import HOLE, SUCCESS, failure_text, outcome_type
from artis_sdk.tools.source_checks.read import FailureMode, Tool, ToolFailures, read_tool

_LEAST = 4  # literal characters that a template needs to identify a mode


class Taxonomy:
    """The failure modes of tools, from their source.

    Args:
        tools: guarded tools, such as a Toolset; for each name the first one counts.
    """

    def __init__(self, tools: Iterable[Tool]) -> None:
        self.tools: Mapping[str, ToolFailures] = {}
        self.hashes: Mapping[str, str | None] = {}
        """SHA-256 of each tool's present source."""
        found: dict[str, ToolFailures] = {}
        hashes: dict[str, str | None] = {}
        for tool in tools:
            if tool.name not in found:
                found[tool.name] = read_tool(tool)
                hashes[tool.name] = tool.source_hash
        self.tools, self.hashes = found, hashes

    def __iter__(self) -> Iterator[FailureMode]:
        for tool in self.tools.values():
            yield from tool.modes

    def __len__(self) -> int:
        return sum(len(tool.modes) for tool in self.tools.values())

    @property
    def sites(self) -> frozenset[tuple[str, int]]:
        """The statements that fail, by file and line; one in a helper is a mode of several tools."""
        return frozenset((m.site.file, m.site.line) for m in self if m.in_source)

    def match(self, call: ToolCall, outcome: Outcome) -> tuple[FailureMode, ...]:
        """The possible modes of an outcome.

        By exception class and message, or by the message of a returned failure; the template with the
        most literal text wins, and modes with the same text are all returned.

        Returns:
            Empty for a success, and for a failure that no statement of the source names, such as the
            KeyError of a subscript.
        """
        tool = self.tools.get(call.tool)
        type_ = outcome_type(outcome, call)
        if tool is None or type_ == SUCCESS:
            return ()
        raised = outcome.raised or (outcome.value is None and outcome.message is not None)
        text = outcome.message if raised else failure_text(outcome.value)
        scored = [(_score(mode, type_, text, raised=raised), mode) for mode in tool.modes]
        best = max((score for score, _ in scored), default=-1)
        if best >= 0:
            return tuple(mode for score, mode in scored if score == best)
        return tuple(mode for mode in tool.outside if raised and _is_of(mode, type_))


def _score(mode: FailureMode, type_: str, text: str | None, *, raised: bool) -> int:
    """Number of the mode's literal characters in the outcome; -1 for another mode's outcome."""
    site = mode.site
    if raised != (site.kind != "return"):
        return -1
    literal = len((site.template or "").replace(HOLE, ""))
    says = site.template is None or _pattern(site.template).fullmatch(_message(site.type, text)) is not None
    if not says:
        return -1
    if site.type == type_:
        return 1 + literal
    # If the tool's own rules rename failures, only the message identifies the mode.
    if literal >= _LEAST or (site.kind == "return" and site.template == HOLE):
        return literal
    return -1


def _is_of(mode: FailureMode, type_: str) -> bool:
    """Whether a failure's class is a mode's, or one derived from it."""
    left: list[type[BaseException]] = [] if mode.site.error is None else [mode.site.error]
    names = {mode.type}
    while left:
        cls = left.pop()
        names.add(cls.__name__)
        left += cls.__subclasses__()
    return type_ in names


def _message(type_: str, text: str | None) -> str:
    """The original text of an exception: KeyError shows its argument in quotes."""
    text = text or ""
    if type_ == "KeyError" and len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        return text[1:-1]
    return text


@lru_cache(maxsize=4096)
def _pattern(template: str) -> re.Pattern[str]:
    return re.compile(".*?".join(re.escape(part) for part in template.split(HOLE)), re.DOTALL)
