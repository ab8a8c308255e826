"""Prompts from a local chat template and vocabulary: only the template writes control tokens."""

from __future__ import annotations

from artis_sdk.backends.chat.prompts import ChatPrompts
from artis_sdk.backends.chat.template import ChatTemplate
from artis_sdk.backends.chat.vocabulary import Vocabulary

__all__ = ["ChatPrompts", "ChatTemplate", "Vocabulary"]
