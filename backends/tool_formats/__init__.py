"""Tool calls in a model's text: one file per format, with its recognition, reader and grammar.

A model's chat template shows which format it writes. A model whose template teaches none learns `TEXT`
from its system message.
"""

from __future__ import annotations

from typing import Final

from artis_sdk.backends.tool_formats.answer import Answer, read_answer
from artis_sdk.backends.tool_formats.families import FAMILIES
from artis_sdk.backends.tool_formats.harmony_format import HARMONY
from artis_sdk.backends.tool_formats.hermes import HERMES
from artis_sdk.backends.tool_formats.llama import LLAMA
from artis_sdk.backends.tool_formats.mistral import MISTRAL
from artis_sdk.backends.tool_formats.mistral_named import MISTRAL_NAMED
from artis_sdk.backends.tool_formats.protocol import Reading, ToolCallFormat
from artis_sdk.backends.tool_formats.text import TEXT

__all__ = ["FORMATS", "TEXT", "Answer", "Reading", "ToolCallFormat", "detect", "read_answer"]

FORMATS: Final[tuple[ToolCallFormat, ...]] = (
    *FAMILIES,
    HARMONY,
    HERMES,
    MISTRAL_NAMED,
    MISTRAL,
    LLAMA,
    TEXT,
)
"""The formats in order of precedence: the first one that a chat template teaches counts."""


def detect(template: str | None) -> ToolCallFormat | None:
    """The format that a chat template teaches; None without tools, or without any of these formats."""
    if template is None or "tools" not in template:
        return None
    return next((format for format in FORMATS if format.taught_by(template)), None)
