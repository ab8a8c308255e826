"""Calls that a server left in the text of an answer, because its parser did not know the model's format."""

from __future__ import annotations

from artis_sdk.backends.hosted.wire import with_marks
from artis_sdk.backends.tool_formats import read_answer
from artis_sdk.backends.tool_formats.quoted import without_quotations
from artis_sdk.records import Completion, Request


def with_calls_from_text(completion: Completion, request: Request) -> Completion:
    """A completion with the calls in its text, if tools were offered and the server read no call.

    Control marks that were broken up in what the model saw must still be broken in the text: where it repeats
    them, no call begins.

    What looks like a call of an offered tool and cannot be read becomes a malformed one, so that the agent is
    told; the same text as a final answer would end its work in silence.
    """
    if completion.tool_calls or not request.tools or request.tool_choice == "none" or not completion.text:
        return completion
    answer = read_answer(completion.text, request.tools)
    if not answer.calls:
        return completion
    finish = "tool_calls" if completion.finish_reason == "stop" else completion.finish_reason
    calls = without_quotations(tuple(map(with_marks, answer.calls)), request.messages)
    return completion.model_copy(update={"text": answer.said, "tool_calls": calls, "finish_reason": finish})
