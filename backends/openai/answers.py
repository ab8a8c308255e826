"""A chat completion's answer as our records, from whichever server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from artis_sdk.backends.hosted import wire
from artis_sdk.records import Completion, FinishReason, TokenLogprob, ToolCall, Usage

# Words of OpenAI, TGI, Mistral, Gemini, Zhipu and of servers that pass on what Anthropic's API says.
_FINISHED: Final[dict[str, FinishReason]] = {
    **dict.fromkeys(("stop", "eos", "eos_token", "stop_sequence", "end_turn", "complete", "normal"), "stop"),
    **dict.fromkeys(("length", "max_tokens", "model_length", "model_context_window_exceeded"), "length"),
    **dict.fromkeys(("tool_calls", "tool_call", "function_call", "tool_use"), "tool_calls"),
    # Gemini's word for a call that it could not read itself: none is in the answer.
    **dict.fromkeys(("malformed_function_call", "unexpected_tool_call"), "tool_calls"),
    **dict.fromkeys(
        ("content_filter", "content_filtered", "safety", "recitation", "blocklist", "prohibited_content"),
        "content_filter",
    ),
    **dict.fromkeys(("sensitive", "spii", "image_safety"), "content_filter"),
    "refusal": "refusal",
}


def read_completion(data: Any, request_id: str | None, own: Mapping[str, str] = wire.NO_NAMES) -> Completion:
    """A chat completion of the API, its text with the breaks that control marks have in what the model saw.
    `own` holds tools' own names by the names that the API took.

    Raises:
        NotACompletion: the response is not a chat completion.
    """
    try:
        choices = data["choices"]
        if not choices:
            raise wire.NotACompletion(f"the answer has no choices{_told(data)}")
        return _read(data, choices[0], request_id, own)
    except wire.MISREAD as error:
        raise wire.not_a(f"chat completion{_told(data)}", error) from None


def _told(data: Any) -> str:
    """What a server says beside no answer."""
    data = wire.fields_of(data)
    said = data.get("message") or data.get("msg") or wire.fields_of(data.get("base_resp")).get("status_msg")
    return f" ({str(said)[:200]})" if said else ""


def _read(data: Any, choice: Any, request_id: str | None, own: Mapping[str, str]) -> Completion:
    message = choice["message"]
    content, refusal = message.get("content"), message.get("refusal")
    if not isinstance(content, str):
        content = text_of(content)
    finish, cut = _finish(choice)
    calls = read_calls(message, cut=cut, own=own)
    if not content and isinstance(refusal, str) and refusal:
        content, finish = refusal, "refusal"
    if calls and finish == "stop":
        finish = "tool_calls"
    return Completion(
        text=content or "",
        tool_calls=calls,
        finish_reason=finish,
        usage=_usage(data.get("usage") or choice.get("usage")),
        raw=wire.encode(message).decode(),
        model=data.get("model") or "",
        request_id=request_id,
        logprobs=_logprobs(choice.get("logprobs")),
    )


def text_of(content: Any) -> str | None:
    """The text of a message's content, which some servers send in parts; thoughts and pictures are no text.

    Raises:
        TypeError: it is neither a text nor parts.
    """
    if content is None or isinstance(content, str):
        return content
    if isinstance(content, dict):
        content = [content]
    if not isinstance(content, list):
        raise TypeError(f"content is {type(content).__name__}")
    texts = [part if isinstance(part, str) else _part_text(part) for part in content]
    return "".join(texts) if any(texts) else None


def _part_text(part: dict[str, Any]) -> str:
    text = part.get("text") if part.get("type", "text") in ("text", "output_text") else None
    return text if isinstance(text, str) else ""


def read_calls(
    message: dict[str, Any], *, cut: bool = False, own: Mapping[str, str] = wire.NO_NAMES
) -> tuple[ToolCall, ...]:
    """The calls of a message.

    Args:
        message: the message of a response.
        cut: whether the answer was cut: a last call without arguments may have had some.
        own: tools' own names by the names that the API took.
    """
    calls: list[ToolCall] = []
    taken: set[str] = set()
    given = message.get("tool_calls")
    if not isinstance(given, list):
        given = in_a_list(given)
    old = message.get("function_call")  # of the API before it knew several calls
    if not given and isinstance(old, dict) and old.get("name"):
        given = [{"function": old}]
    for position, call in enumerate(given):
        function = call.get("function") or call
        name = function.get("name")
        arguments, wrong = _given(function)
        if call.get("unclear"):
            wrong = str(call["unclear"])
        if cut and position == len(given) - 1 and arguments in (None, "", {}):
            wrong = "the answer was cut before its arguments"
        name = own.get(name, name) if isinstance(name, str) else name
        calls.append(wire.with_marks(wire.read_call(call.get("id"), name, arguments, taken, wrong)))
    return tuple(calls)


def in_a_list(given: Any) -> Sequence[Any]:
    """The calls, also where one comes without a list, or several by number."""
    if not given:
        return ()
    if isinstance(given, dict):
        return [given] if "function" in given or "name" in given else list(given.values())
    if not isinstance(given, list):
        raise TypeError(f"tool_calls is {type(given).__name__}")
    return given


_BESIDE = frozenset(
    {
        "arguments",
        "parameters",
        "name",
        "description",
        "extra_content",
        "provider_specific_fields",
        "thought_signature",
    }
)


def _given(function: dict[str, Any]) -> tuple[Any, str | None]:
    """The arguments, and what is wrong with where they stand."""
    given, other = function.get("arguments"), function.get("parameters")
    if other in (None, ""):
        if given not in (None, ""):
            return given, None
    elif given in (None, "", other):
        return other, None
    else:
        return given, "it has arguments under two names"
    for key, value in function.items():
        if key not in _BESIDE and (
            isinstance(value, dict | list) or (isinstance(value, str) and value.lstrip().startswith("{"))
        ):
            return value, f"its arguments are under an unknown name, {key!r}"
    return given, None


def _finish(choice: dict[str, Any]) -> tuple[FinishReason, bool]:
    """Why an answer ended, and whether it was cut."""
    reason = choice.get("finish_reason")
    if reason is None:
        return "stop", False
    finish = _FINISHED.get(reason.lower())
    if finish is None:
        raise wire.NotACompletion(f"the answer was ended by {reason!r}{_told(choice.get('error'))}")
    return finish, finish == "length"


def _usage(usage: Any) -> Usage:
    if not isinstance(usage, dict):
        return wire.counted(0, 0, 0)
    details = usage.get("prompt_tokens_details")
    cached = details.get("cached_tokens") if isinstance(details, dict) else 0
    return wire.counted(usage.get("prompt_tokens"), cached, usage.get("completion_tokens"))


def _logprobs(logprobs: Any) -> tuple[TokenLogprob, ...] | None:
    if not logprobs or not logprobs.get("content"):
        return None
    return tuple(
        TokenLogprob(token=token["token"], logprob=token["logprob"]) for token in logprobs["content"]
    )
