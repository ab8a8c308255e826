"""The boundary between a model's thoughts and its answer. Only this module knows their marks."""

from __future__ import annotations

import re
from typing import Final

_OPEN: Final = "<think>"
_CLOSE: Final = "</think>"
_LEADING = re.compile(rf"\s*{_OPEN}.*?{_CLOSE}\s*", re.DOTALL)
_REST = re.compile(rf".*?{_CLOSE}\s*", re.DOTALL)


def strip_thinking(text: str) -> str:
    """The text after a model's last closed thought, without surrounding blanks."""
    return text.rpartition(_CLOSE)[2].strip()


def is_thinking(text: str) -> bool:
    """Whether a text opens a thought and does not close it."""
    return _OPEN in text and _CLOSE not in text


def leading_thought_end(text: str) -> int:
    """The end of the thought that a text begins with.

    Args:
        text: the whole answer.

    Returns:
        Number of characters of the thought and the blanks behind it; 0 if the text does not begin with
        a thought, or does not close it.
    """
    thought = _LEADING.match(text)
    return thought.end() if thought else 0


def opened_thought_end(text: str, prompt_end: str) -> int:
    """The end of a thought that the prompt opened and the model continues.

    Args:
        text: the whole answer.
        prompt_end: end of the prompt that belongs to the model's turn, such as `<think>` and a line break.

    Returns:
        Number of characters of the thought and the blanks behind it; 0 if the prompt opened no thought,
        and the length of the text if the model does not close it.
    """
    if not is_thinking(prompt_end):
        return 0
    rest = _REST.match(text)
    return rest.end() if rest else len(text)
