"""Control marks of the known model families, broken up in texts that another program tokenizes.

A server turns the text `<|im_end|>` into the control token of that name, whoever wrote it. Where prompts are
tokenized here, the model's vocabulary says what its control tokens are, and this list is not needed.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

BREAK: Final = "\u2060"  # word joiner: has no width, and no family's mark holds it

_SQUARE = (
    # Mistral
    r"/?INST\]|TOOL_CALLS\]|/?TOOL_RESULTS\]|/?AVAILABLE_TOOLS\]|/?TOOL_CONTENT\]|/?SYSTEM_PROMPT\]"
    r"|ARGS\]|CALL_ID\]|/?THINK\]|IMG\]|IMG_BREAK\]|IMG_END\]|BEGIN_AUDIO\]|AUDIO\]|PREFIX\]|MIDDLE\]"
    r"|SUFFIX\]|control_\d+\]"
    # GLM, InternLM, EXAONE, MiniMax
    r"|[gs]MASK\]|UNUSED_TOKEN_\d+\]|\|[^\[\]\s]*\|\]|e~\["
)
_SQUARE_CLOSED = r"~!?b[\[\]]"  # MiniMax
_ANGLE = (
    # ChatML, Llama 3, Phi, DeepSeek, Cohere, Kimi, GPT-OSS and many more
    r"[|｜][^<>\s]*[|｜]>"
    # Llama 2, SentencePiece, GLM, Cohere
    r"|/?s>|bos>|eos>|pad>|unk>|mask>|sop>|eop>|[BE]OS_TOKEN>|</?SYS>>"
    # Gemma
    r"|(?:start|end)_of_(?:turn|image|audio)>|(?:start|end)_function_(?:call|response|declaration)>|escape>"
    # Hermes, Qwen, GLM, MiniMax, Seed
    r"|/?tools>|/?tool_calls?>|/?tool_responses?>|/?tool_outputs?>|/?tool_code>|/?arg_(?:key|value)>"
    r"|/?function_calls?>|/?function(?:=[^<>\s]*)?>|/?parameter(?:=[^<>\s]*)?>|/?invoke>"
    r"|/?(?:minimax|seed|antml):[^<>\s]*>"
    # images and sounds, and tokens without a use
    r"|/?image>|/?video>|/?audio>|unused\d+>|extra_id_\d+>|reserved_\d+>|SPECIAL_\d+>"
)
_THOUGHT = r"/?think(?:ing)?>"

SQUARE: Final = re.compile(rf"\[(?={_SQUARE})|\](?={_SQUARE_CLOSED})")
"""The bracket that a mark in square brackets begins with."""


def _with_breaks(angle: str, least: int) -> re.Pattern[str]:
    """A mark's first character, with `least` breaks, before any number of them and the rest of the mark."""
    first, more = BREAK * least, f"{BREAK}*"
    return re.compile(
        rf"<{first}(?={more}(?:{angle}))|\[{first}(?={more}(?:{_SQUARE}))|\]{first}(?={more}(?:{_SQUARE_CLOSED}))"
    )


_MARK = _with_breaks(f"{_ANGLE}|{_THOUGHT}", 0)
_MARK_BUT_THOUGHTS = _with_breaks(_ANGLE, 0)
_BROKEN = _with_breaks(f"{_ANGLE}|{_THOUGHT}", 1)

_HEAD = re.compile(rf"[<\[\]](?={BREAK}|\Z)")
_ENDED = re.compile(r"\s")
"""No mark holds white space."""


def may_hold_mark(text: str) -> bool:
    """Whether a mark could stand in a text, or in the texts of its JSON; False is certain."""
    return "<" in text or "[" in text or "]" in text


def break_up(text: str, *, thoughts: bool = True) -> str:
    """A text in which no mark stands: each has a character without width behind its first one.

    Args:
        text: data.
        thoughts: whether `<think>` is one of the marks. In a model's own message it is not, because chat
            templates look for it there to leave old thoughts out.
    """
    return (_MARK if thoughts else _MARK_BUT_THOUGHTS).sub(lambda found: found[0] + BREAK, text)


def put_together(text: str) -> str:
    """The text before `break_up`."""
    return _BROKEN.sub(lambda found: found[0][0], text)


class PutTogether:
    """`put_together` of a text that comes in pieces.

    What may be the beginning of a broken mark is held back until it is one, or cannot be.
    """

    def __init__(self) -> None:
        self._held = ""

    def feed(self, piece: str) -> str:
        """The text that has become certain with this piece."""
        text, self._held = self._held + piece, ""
        sure: list[str] = []
        last = 0
        for head in _HEAD.finditer(text):
            start = head.start()
            if start < last:
                continue
            if _BROKEN.match(text, start):
                sure.append(text[last : start + 1])
                last = start + 1 + len(BREAK)
            elif not _ENDED.search(text, start):
                sure.append(text[last:start])
                self._held = text[start:]
                return "".join(sure)
        return "".join((*sure, text[last:]))

    def end(self) -> str:
        """The rest, at the end of the text."""
        rest, self._held = put_together(self._held), ""
        return rest


def in_all_texts(value: Any, change: Callable[[str], str]) -> Any:
    """A JSON value with all of its texts changed, keys included.

    Args:
        value: dictionaries, lists, tuples, texts; anything else is kept.
        change: of each text; texts that differ must stay different.
    """
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {in_all_texts(key, change): in_all_texts(item, change) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [in_all_texts(item, change) for item in value]
    return value
