"""Parts of the short texts of records, for people: each in one line, long values cut."""

from __future__ import annotations

from artis_sdk.records.action_text import format_actions
from artis_sdk.records.calls import Outcome, ToolCall
from artis_sdk.visible import shortened, visible


def count(number: int, noun: str) -> str:
    """`1 call`, `2 calls`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def quoted(text: str) -> str:
    """The beginning of a text, in quotation marks."""
    return f'"{shortened(visible(text), 60)}"'


def call_text(call: ToolCall) -> str:
    """A call as the paper writes it, `f(a=1)`, whole; a malformed one as the model wrote it."""
    if call.malformed:
        return call.raw or call.tool
    return format_actions([call])[1:-1]


def outcome_line(outcome: Outcome) -> str:
    """The value, or the failure's type and message."""
    if outcome.ok:
        return outcome.text()
    return f"{outcome.type}: {outcome.message or outcome.text()}"


def call_line(call: ToolCall) -> str:
    """A call, cut."""
    return shortened(visible(call_text(call)))


def step_line(call: ToolCall, outcome: Outcome | None) -> str:
    """A call and its outcome, both cut; an injected fault is named. Without an outcome the call alone."""
    if outcome is None:
        return call_line(call)
    fault = "" if outcome.fault is None else f" (injected: {outcome.fault})"
    return f"{call_line(call)} → {shortened(visible(outcome_line(outcome)))}{fault}"
