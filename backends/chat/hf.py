"""Prompts for a transformers tokenizer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from artis_sdk.backends.chat.prompts import ChatPrompts
from artis_sdk.backends.chat.template import ChatTemplate
from artis_sdk.backends.chat.vocabulary import Vocabulary, is_mark


def tokenizer_vocabulary(tokenizer: Any) -> Vocabulary:
    """The control tokens of a tokenizer."""
    added = tokenizer.added_tokens_decoder.items()
    marks = {str(token): int(id) for id, token in added if is_mark(str(token), special=token.special)}
    special = zip(tokenizer.all_special_tokens, tokenizer.all_special_ids, strict=True)
    marks |= {str(text): int(id) for text, id in special if str(text).strip()}

    def tokenize(text: str) -> list[int]:
        found: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
        return found

    return Vocabulary(marks, tokenize, tokenizer.unk_token_id)


def tokenizer_prompts(
    name: str, tokenizer: Any, template: str, arguments: Mapping[str, Any] | None = None
) -> ChatPrompts:
    """Prompts of a chat template, rendered as in transformers.

    Args:
        name: name of the backend or model, for errors.
        tokenizer: the model's tokenizer.
        template: Jinja text.
        arguments: variables for the template beside messages and tools.

    Raises:
        ConfigurationError: the template is invalid Jinja, or its control tokens cannot be distinguished from
            data.
    """
    given = {"documents": None, **(arguments or {})}
    rendered = ChatTemplate(name, template, given, tokenizer.special_tokens_map)
    return ChatPrompts(name, rendered, tokenizer_vocabulary(tokenizer))
