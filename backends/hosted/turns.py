"""Several calls of one turn as turns of their own, for models whose chat template takes one at a time."""

from __future__ import annotations

import re
from dataclasses import replace

from artis_sdk.errors import RequestRejected
from artis_sdk.records import Message, Request

_TOLD = re.compile(r"single tool[- ]?calls?|one tool[- ]?call (?:at a time|per)", re.IGNORECASE)


def takes_one_call(refusal: RequestRejected) -> bool:
    """Whether a server refused a turn with several calls, in the words of Llama 3's template."""
    return _TOLD.search(str(refusal)) is not None


def a_turn_for_each_call(request: Request) -> Request:
    """A request in whose history every call has a turn of its own, with its result behind it."""
    if all(len(message.tool_calls) < 2 for message in request.messages):
        return request
    messages: list[Message] = []
    waiting = list(reversed(request.messages))
    while waiting:
        message = waiting.pop()
        if len(message.tool_calls) < 2:
            messages.append(message)
            continue
        results: dict[str | None, Message] = {}
        while waiting and waiting[-1].role == "tool":
            result = waiting.pop()
            results[result.tool_call_id] = result
        for number, call in enumerate(message.tool_calls):
            said = "" if number else message.content
            messages.append(message.model_copy(update={"tool_calls": (call,), "content": said}))
            messages += [results[call.id]] if call.id in results else []
    return replace(request, messages=tuple(messages))
