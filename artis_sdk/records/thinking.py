"""Where a model's thoughts end and its answer begins. Nothing else in the package knows their marks."""

from __future__ import annotations

import re
from typing import Final

_OPEN: Final = "<think>"
_CLOSE: Final = "</think>"
_LEADING = re.compile(rf"\s*{_OPEN}.*?{_CLOSE}\s*", re.DOTALL)
_REST = re.compile(rf".*?{_CLOSE}\s*", re.DOTALL)


def strip_thinking(text: str) -> str:
    """What a model says after its last closed thought, without blanks around it."""
    return text.rpartition(_CLOSE)[2].strip()


def is_thinking(text: str) -> bool:
    """Whether a text opens a thought and closes none."""
    return _OPEN in text and _CLOSE not in text


def leading_thought_end(text: str) -> int:
    """The end of the thought that a text begins with.

    Args:
        text: the whole answer.

    Returns:
        Characters up to what follows the thought and the blanks behind it; 0 where the text does not
        begin with a thought, or does not close it.
    """
    thought = _LEADING.match(text)
    return thought.end() if thought else 0


def opened_thought_end(text: str, prompt_end: str) -> int:
    """The end of a thought that the prompt opened and the model goes on with.

    Args:
        text: the whole answer.
        prompt_end: what the prompt wrote of the model's own turn, such as `<think>` and a line break.

    Returns:
        Characters up to what follows the thought and the blanks behind it; 0 where the prompt opened no
        thought, and the length of the text where the model does not close it.
    """
    if not is_thinking(prompt_end):
        return 0
    rest = _REST.match(text)
    return rest.end() if rest else len(text)
