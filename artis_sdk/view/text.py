"""Short texts of calls and names."""

from __future__ import annotations

from artis_sdk.records import ToolCall
from artis_sdk.records.action_text import format_actions


def call_text(call: ToolCall) -> str:
    """A call as the paper writes it, `f(a=1)`."""
    if call.malformed:
        return call.raw or call.tool
    return format_actions([call])[1:-1]


def shortened(text: str, most: int) -> str:
    """The text, cut to `most` characters; a longer one ends with `…`."""
    return text if len(text) <= most else text[: most - 1] + "…"
