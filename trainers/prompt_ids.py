"""Token ids of the prompts that models are trained on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from artis_sdk.backends.chat.prompt_text import PromptText
from artis_sdk.backends.chat.vocabulary import ForgedControlToken, Vocabulary
from artis_sdk.errors import TrainingError


def prompt_ids(vocabulary: Vocabulary, tokenizer: Any, texts: Sequence[PromptText]) -> list[list[int]]:
    """Token ids of each text, whose own part may hold control tokens, and its data none.

    Args:
        vocabulary: the tokenizer's control tokens.
        tokenizer: tokenizer of the model.
        texts: prompts and answers, which the tokenizer is given at once.

    Raises:
        TrainingError: data in one would become a control token in spite of everything.
    """
    pieces = [vocabulary.pieces(text) for text in texts]
    whole = [piece for parts in pieces for piece in parts]
    made = iter(tokenizer(whole, add_special_tokens=False)["input_ids"] if whole else ())
    found = [[id for _ in parts for id in next(made)] for parts in pieces]
    try:
        for text, ids in zip(texts, found, strict=True):
            vocabulary.check(text, ids)
    except ForgedControlToken as error:
        raise TrainingError(f"data in a prompt would be read as control tokens: {error}") from error
    return found
