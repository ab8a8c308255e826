"""Token ids of the prompts that models are trained on."""

from __future__ import annotations

from artis_sdk.backends.chat.prompt_text import PromptText
from artis_sdk.backends.chat.vocabulary import ForgedControlToken, Vocabulary
from artis_sdk.errors import TrainingError


def prompt_ids(vocabulary: Vocabulary, prompt: PromptText) -> list[int]:
    """Token ids of a prompt, whose own text may hold control tokens, and its data none.

    Raises:
        TrainingError: data in it would become a control token in spite of everything.
    """
    try:
        return vocabulary.tokens(prompt)
    except ForgedControlToken as error:
        raise TrainingError(f"data in a prompt would be read as control tokens: {error}") from error
