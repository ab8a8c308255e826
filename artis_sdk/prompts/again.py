"""Asking a model once more whose answer could not be read."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from artis_sdk.records import Completion, Message, Request

_RETRY: Final = "Your answer could not be used: {}. Answer once more, exactly in the form asked for."
_SHOWN: Final = 2000  # characters


def asked_again(request: Request, completion: Completion, why: str, *, origin: str) -> Request:
    """The request for a second answer.

    A model that is shown its own loop goes on with it, so an answer that was cut or is long is left out; the
    correction then stands at the end of the last message, for chat templates in which turns alternate.

    Args:
        request: the request that was answered.
        completion: the unreadable answer.
        why: what the answer lacks.
        origin: name of the backend that gave it.
    """
    correction = _RETRY.format(why)
    if completion.finish_reason != "length" and len(completion.text) <= _SHOWN:
        answer = Message(role="assistant", content=completion.text, raw=completion.raw, origin=origin)
        return replace(
            request, messages=(*request.messages, answer, Message(role="user", content=correction))
        )
    *before, last = request.messages
    told = last.model_copy(update={"content": f"{last.content}\n\n{correction}"})
    return replace(request, messages=(*before, told))
