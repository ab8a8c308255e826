"""The boundary between a model's thoughts and its answer. Only this module knows their marks."""

from __future__ import annotations

import re
from json import JSONDecoder
from typing import Final

THOUGHTS: Final = (
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("[THINK]", "[/THINK]"),  # Mistral
    ("<seed:think>", "</seed:think>"),
    ("<mm:think>", "</mm:think>"),  # MiniMax M3
    ("<|channel>thought", "<channel|>"),  # Gemma 4
    ("<|START_THINKING|>", "<|END_THINKING|>"),  # Command A
    ("<|open|>think<|sep|>", "<|close|>think<|sep|>"),  # Kimi K3
    ("◁think▷", "◁/think▷"),  # Kimi-VL
)
"""Pairs of marks around a thought."""
_OPENS: Final = tuple(opening for opening, _ in THOUGHTS)
_CLOSES: Final = tuple(close for _, close in THOUGHTS)

OPENED: Final = "|".join(map(re.escape, _OPENS))
"""Pattern for the mark that opens a thought."""
CLOSED: Final = "|".join(map(re.escape, _CLOSES))
"""Pattern for the mark that closes a thought."""
_OPENING: Final = re.compile(OPENED)
_MARK: Final = re.compile("|".join(f"({re.escape(a)})|({re.escape(b)})" for a, b in THOUGHTS))
_DATA: Final = re.compile(rf"\s*(?:```\w*\s*|(?!{OPENED})<\w+>\s*)?(?=[{{\[])")
_JSON: Final = JSONDecoder()
END_OF_THOUGHT: Final = {opening: re.compile(rf"{re.escape(close)}\s*+") for opening, close in THOUGHTS}
"""The end of a thought with the blanks behind it, by the mark that opened it: that of no other pair."""

_LEADING = re.compile(
    r"\s*(?:" + "|".join(f"{re.escape(a)}.*?{re.escape(b)}" for a, b in THOUGHTS) + r")\s*", re.DOTALL
)


def strip_thinking(text: str) -> str:
    """The text after a model's last closed thought, without surrounding blanks.

    A thought ends at the mark of the pair that opened it. A mark in a JSON value with which an answer
    begins is data.
    """
    return text[_thoughts_end(text) :].strip()


def outside_thoughts(text: str) -> str:
    """The text of an answer without thoughts: behind the last closed one, and before one that stays open."""
    said = strip_thinking(text)
    opened = _OPENING.search(said, _data_end(said, 0))
    return said[: opened.start()].strip() if opened else said


def is_thinking(text: str) -> bool:
    """Whether a text opens a thought and closes none."""
    return not _thoughts_end(text) and outside_thoughts(text) != text.strip()


def ends_in_thought(text: str) -> bool:
    """Whether the last mark of a thought in a text opens one."""
    return opened_by(text) is not None


def opened_by(text: str) -> str | None:
    """The last mark of a thought in a text, if it opens one."""
    if not _OPENING.search(text) or _last_end(text, _OPENS) <= _last_end(text, _CLOSES):
        return None
    return max(_OPENS, key=lambda mark: (text.rfind(mark), len(mark)))


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
    opening = opened_by(prompt_end)
    if opening is None:
        return 0
    rest = END_OF_THOUGHT[opening].search(text)
    return rest.end() if rest else len(text)


def _thoughts_end(text: str) -> int:
    """The end of the last closed thought; 0 without any. The first may have been opened by the prompt."""
    end, pairs, mark = 0, set[int](), _MARK.search(text, _data_end(text, 0))
    while mark:
        assert mark.lastindex is not None
        pair, closes = divmod(mark.lastindex - 1, 2)
        after = mark.end()
        if not closes or not pairs:
            pairs.add(pair)
        if closes and pair in pairs:
            end = after
            after = _data_end(text, end)
        mark = _MARK.search(text, after)
    return end


def _data_end(text: str, start: int) -> int:
    """The end of the JSON object or list that begins here, fenced or tagged or not; `start` without one."""
    opening = _DATA.match(text, start)
    if opening is None:
        return start
    try:
        return _JSON.raw_decode(text, opening.end())[1]
    except (ValueError, RecursionError):
        return start


def _last_end(text: str, marks: tuple[str, ...]) -> int:
    """The end of the last of these marks in a text; 0 without any."""
    return max((place + len(mark) for mark in marks if (place := text.rfind(mark)) >= 0), default=0)
