"""Names and descriptions of tools in the limits of the APIs, and a model's names back."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Final

from artis_sdk.records import ToolSpec

_MOST = 64  # characters of a name: OpenAI, Gemini, Bedrock, and Anthropic's older models; others take more
_DIGITS = 20  # of the hash in a fitted name
_NAME = re.compile(rf"[a-zA-Z0-9_-]{{1,{_MOST}}}")
_FITTED = re.compile(rf".*_[0-9a-f]{{{_DIGITS}}}")
_ELSEWHERE: Final = " (Its documentation goes on in the system message.)"


def fit_name(name: str) -> str:
    """A tool's name in the form that every API accepts: letters, digits, `_` and `-`, at most 64.

    Different names stay different: one that does not fit ends with its own hash, and so does one that
    looks as if it did.
    """
    if _NAME.fullmatch(name) and not _FITTED.fullmatch(name):
        return name
    start = re.sub(r"[^a-zA-Z0-9_-]", "_", name)[: _MOST - _DIGITS - 1]
    return f"{start}_{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:_DIGITS]}"


def own_names(tools: Iterable[ToolSpec]) -> Mapping[str, str]:
    """The tools' own names by their fitted ones, where they differ."""
    fitted = ((fit_name(tool.name), tool.name) for tool in tools)
    return {fits: own for fits, own in fitted if fits != own}


def fit_description(tool: ToolSpec, most: int) -> tuple[str, str]:
    """A tool's description in an API's limit, and what is left of it for the system message.

    Args:
        tool: the tool.
        most: maximum number of characters.
    """
    text = tool.description
    if len(text) <= most:
        return text, ""
    end = most - len(_ELSEWHERE)
    end = max(text.rfind(" ", end // 2, end), text.rfind("\n", end // 2, end)) + 1 or end
    return text[:end].rstrip() + _ELSEWHERE, f"{tool.name}: ... {text[end:].lstrip()}"
