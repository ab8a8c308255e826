"""A session's requests as the token ids of a rollout."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence

from pydantic_core import from_json

from artis_sdk.backends.chat.prompt_text import concat
from artis_sdk.records import Message, Outcome, Provenance, Step, ToolCall, ToolSpec
from artis_sdk.trainers.agent.formats import Format

_WHOLE = 1 << 20  # characters of an output before it is cut
_REMEMBERED = 4096  # generated turns


class RolloutRequests:
    """Rebuilds rollouts from requests: the first user messages are the query, each assistant message a
    generated turn, each tool message an output.

    A turn that was generated here is repeated with its own tokens. The text of any other one is data: what
    spells a control token in it becomes none, except the mark that ends it.

    Args:
        form: format of the training.
    """

    def __init__(self, form: Format) -> None:
        self._form = form
        self._generated: OrderedDict[tuple[str, ...], tuple[int, ...]] = OrderedDict()

    def remember(self, raw: str, calls: Sequence[ToolCall], ids: Sequence[int]) -> None:
        """Keep the tokens of a generated turn; of more than 4,096 the oldest are forgotten."""
        self._generated[_key(raw, calls)] = tuple(ids)
        if len(self._generated) > _REMEMBERED:
            self._generated.popitem(last=False)

    def ids(self, messages: Sequence[Message], tools: Sequence[ToolSpec]) -> list[int]:
        """The rollout so far, as token ids.

        Args:
            messages: those of the request, with at least one of the user.
            tools: the tools of the request.
        """
        asked = [message.content for message in messages if message.role == "user"]
        ids = self._form.prompt("\n\n".join(asked), tools)
        calls: Mapping[str, ToolCall] = {c.id: c for m in messages for c in m.tool_calls}
        answered: list[Step] = []
        for message in messages:
            if message.role == "tool":
                call = calls.get(message.tool_call_id or "") or ToolCall(tool="unknown")
                answered.append(Step(call=call, outcome=_outcome(message)))
                continue
            if answered:
                ids += self._form.outputs(answered, _WHOLE)
                answered = []
            if message.role == "assistant":
                ids += self._turn(message)
        return ids + (self._form.outputs(answered, _WHOLE) if answered else [])

    def _turn(self, message: Message) -> Sequence[int]:
        text = message.raw or message.content
        generated = self._generated.get(_key(text, message.tool_calls))
        if generated is not None:
            return generated
        codec = self._form.codec
        for end in codec.ends:
            mark = codec.text([end])
            if text.endswith(mark):
                return [*codec.prompt_ids(concat([text.removesuffix(mark)])), end]
        return codec.prompt_ids(concat([text]))


def _key(raw: str, calls: Sequence[ToolCall]) -> tuple[str, ...]:
    return (raw, *(call.id for call in calls))


def _outcome(message: Message) -> Outcome:
    """The content of a tool message; a session writes JSON, others may write plain text."""
    try:
        value = from_json(message.content, allow_inf_nan=False)
    except ValueError:
        value = message.content
    return Outcome.success(value, Provenance.REPLAYED)
