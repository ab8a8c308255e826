"""Grammars of llama.cpp's engine, tried on texts without a model."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from typing import Any

import pytest


def matcher(grammar: str, special: Sequence[str] = ()) -> Any:
    """A fresh matcher of a grammar over bytes, token 256 being the end; each grammar is compiled once.

    Args:
        grammar: in llguidance's Lark dialect.
        special: texts that are one special token each, from 257 on.
    """
    return _compiled(grammar, tuple(special)).deep_copy()


@cache
def _compiled(grammar: str, special: tuple[str, ...]) -> Any:
    llguidance = pytest.importorskip("llguidance")

    class Bytes:
        eos_token_id = 256
        bos_token_id = None
        tokens = (*(bytes([i]) for i in range(256)), b"<eos>", *[text.encode() for text in special])
        special_token_ids = tuple(range(256, 257 + len(special)))

        def __call__(self, data: bytes | str) -> list[int]:
            return list(data.encode() if isinstance(data, str) else data)

    tokenizer = llguidance.LLTokenizer(llguidance.TokenizerWrapper(Bytes()))
    made = llguidance.LLMatcher(tokenizer, llguidance.LLMatcher.grammar_from_lark(grammar), log_level=0)
    assert not made.is_error(), made.get_error()
    return made


def tokens(text: str, special: Sequence[str] = ()) -> list[int]:
    """A text in that matcher's tokens."""
    if not special:
        return list(text.encode())
    found: list[int] = []
    for part in re.split(f"({'|'.join(map(re.escape, special))})", text):
        found += [257 + special.index(part)] if part in special else list(part.encode())
    return found


def admits(grammar: str, text: str, special: Sequence[str] = ()) -> bool:
    """Whether a grammar admits a whole text."""
    made = matcher(grammar, special)
    taken = all(made.try_consume_tokens([token]) == 1 for token in tokens(text, special))
    return taken and bool(made.is_accepting())
