"""Calls that were written into an answer's words, where nobody reads calls.

Only found here, never read: the reader of the model's own format says which calls were meant. If it did
not, the model gets the turn once more.
"""

from __future__ import annotations

import re
from collections.abc import Collection

# Beginnings of a call in the formats of the model families. None of them stands in an answer in words.
_MARKS = re.compile(
    r"<tool_call\b|<tool_calls\b|<tool_code>|<tool_use>|<TOOLCALL>"  # Hermes, Qwen, GLM, Granite, Nemotron
    r"|<function=|<function_calls?>|<invoke\b|<(?:minimax|seed|antml):"  # Qwen-Coder, Llama, MiniMax, Seed
    r"|\[TOOL_CALLS\]|\[ARGS\]|<\|python_tag\|>|functools\["  # Mistral, Llama, Phi
    r"|<[|｜]tool[_▁]?calls?(?:[_▁]section)?[_▁]?begin[|｜]>|<[|｜]DSML[|｜]"  # DeepSeek, Kimi
    r"|<\|tool_?calls?\|?>|<\|START_ACTION\|>|<\|action_start\|>"  # Phi, Granite, Command-R, InternLM
    r"|<\|channel\|>\s*\w+\s+to=|\bto=functions\.\w"  # gpt-oss
    r"|<start_function_call>|```tool_(?:code|call)"  # Gemma
)
_FENCE = re.compile(r"\A```[\w-]*\s*\n(.*)\n```\Z", re.DOTALL)
_NAMED = re.compile(
    r"""["'](?:name|function|tool|tool_name|recipient_name|action)["']\s*:\s*["']([^"']+)["']"""
)
_WRITTEN = re.compile(r"\[?\s*([^(]+?)\s*\(")  # the beginning of a call as Python writes it
_OF_WORDS = re.compile(r"(?:\w+\.)+")
_GIVEN = re.compile(
    r"""["'](?:arguments|parameters|args|params|kwargs|input|tool_input|action_input)["']\s*:"""
)


def holds_call(text: str, tools: Collection[str]) -> bool:
    """Whether an answer holds a call, or what was meant as one.

    That is a mark of a family's format; an object with a tool's name and arguments; or nothing but calls of
    tools as Python writes them.

    Args:
        text: the answer without its thoughts.
        tools: names of the tools that may be called; without any, nothing is a call.
    """
    if not tools:
        return False
    if _MARKS.search(text):
        return True
    fenced = _FENCE.match(text)
    body = (fenced[1] if fenced else text).strip()
    if any(_is_of(named[1], tools) for named in _NAMED.finditer(text)):
        # In prose an object that names a tool may be data; with arguments, or alone, it is a call.
        return body.startswith(("{", "[")) or _GIVEN.search(text) is not None
    written = _WRITTEN.match(body)
    return written is not None and body.endswith((")", ")]")) and _is_of(written[1], tools)


def _is_of(name: str, tools: Collection[str]) -> bool:
    """Whether a text is the name of a tool, which a module's name may stand before."""
    if name in tools:
        return True
    before = _OF_WORDS.match(name)
    if before is None:
        return False
    dots = [at for at, letter in enumerate(before[0]) if letter == "."]
    return any(name[at + 1 :] in tools for at in dots)
