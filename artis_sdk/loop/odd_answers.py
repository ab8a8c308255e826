"""Answers without calls that are no final answer: empty, cut, filtered, declined, a call in words, or a
tool's result that the model made up."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from artis_sdk.loop.call_marks import holds_call
from artis_sdk.records import Completion, Ending, ToolCall
from artis_sdk.records.thinking import outside_thoughts


@dataclass(frozen=True, slots=True)
class OddAnswer:
    """A kind of answer that must not be taken for the agent's final one."""

    ended: Ending
    """Ending of the attempt or commit, if the next answer is odd, too."""
    reason: str
    asked_again: bool = False
    """Whether the model gets the turn once more: another draw may be a good one."""
    correction: str | None = None
    """Message to the model before the second request; None for the same request."""


ODD_ANSWERS: Final[Mapping[Ending, OddAnswer]] = {
    odd.ended: odd
    for odd in (
        OddAnswer("empty", "the model's answer was empty", asked_again=True),
        OddAnswer("cut", "the model's last words were cut at the limit of tokens"),
        OddAnswer("filtered", "the server's content filter withheld the model's answer"),
        OddAnswer("declined", "the model declined to answer"),
        OddAnswer(
            "unread_call",
            "the model wrote a call that could not be read, and nothing was called",
            asked_again=True,
            correction="What you wrote looks like a tool call, but it could not be read, so nothing was "
            "called. Make the call in the form that you were given for calls, or give your final answer "
            "in words.",
        ),
        OddAnswer(
            "made_up",
            "the model wrote a tool's result itself",
            asked_again=True,
            correction="What you wrote is a tool's result, and only tools give results: nothing was called. "
            "Make the call, or give your final answer in words.",
        ),
    )
}

_TURN_MARKS = re.compile(
    r"(?:\s*(?:<\|im_start\|>|<\|start_header_id\|>|<start_of_turn>)(?:assistant|model)?)+\s*"
)
# Beginnings of a tool's result in chat templates. A model that goes on by itself writes them.
_RESULT_MARKS = re.compile(
    r"<tool_responses?>|<\|tool_response\|?>|<tool_results?>|<tool_output>|<function_results?>"  # Hermes, GLM
    r"|<function_response>|<｜tool▁outputs?▁begin｜>|\[TOOL_RESULTS\]|<start_function_response>"
    r"|<\|START_TOOL_RESULT\|>|<\|observation\|>"
)


def odd_answer(completion: Completion, calls: Sequence[ToolCall], tools: Collection[str]) -> OddAnswer | None:
    """What is wrong with an answer as the agent's turn; None if its calls, or its words, count.

    Args:
        completion: the model's answer.
        calls: the calls that were read in it.
        tools: names of the tools that it may call.
    """
    finish = completion.finish_reason
    if finish == "refusal":
        return ODD_ANSWERS["declined"]
    if finish == "content_filter":  # its calls may be half of what was meant
        return ODD_ANSWERS["filtered"]
    if calls:
        return None
    if finish == "length":
        return ODD_ANSWERS["cut"]
    if finish == "tool_calls":
        return ODD_ANSWERS["unread_call"]
    said = outside_thoughts(completion.text)
    if not said or only_marks(said):
        return ODD_ANSWERS["empty"]
    if tools and _RESULT_MARKS.match(said):
        return ODD_ANSWERS["made_up"]
    return ODD_ANSWERS["unread_call"] if holds_call(said, tools) else None


def only_marks(text: str) -> bool:
    """Whether a text is nothing but the beginning of another turn."""
    return _TURN_MARKS.fullmatch(text) is not None
