"""Messages to token ids, in which only the chat template's own text becomes control tokens."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from artis_sdk.backends.chat.prompt_text import PromptText
from artis_sdk.backends.chat.template import ChatTemplate
from artis_sdk.backends.chat.vocabulary import ForgedControlToken, Vocabulary
from artis_sdk.errors import ConfigurationError, RequestRejected

_TOOL: Final = {
    "type": "function",
    "function": {
        "name": "sample",
        "description": "sample tool",
        "parameters": {"type": "object", "properties": {"a": {"type": "string", "description": "sample"}}},
    },
}
_CALL: Final = {
    "id": "sample123",
    "type": "function",
    "function": {"name": "sample", "arguments": {"a": "b"}},
}
_USER: Final = {"role": "user", "content": "sample question"}
_ANSWER: Final = {"role": "assistant", "content": "sample answer"}
_SAMPLES: Final[tuple[tuple[Sequence[Mapping[str, Any]], Any], ...]] = (
    ([_USER], None),
    ([{"role": "system", "content": "sample rule"}, _USER, _ANSWER, _USER], None),
    ([_USER], [_TOOL]),
    (
        [
            _USER,
            {"role": "assistant", "content": "", "tool_calls": [_CALL]},
            {"role": "tool", "name": "sample", "tool_call_id": "sample123", "content": "sample result"},
        ],
        [_TOOL],
    ),
)


class ChatPrompts:
    """Prompts of one model.

    Args:
        name: name of the backend or model, for errors.
        template: the model's chat template.
        vocabulary: the model's control tokens and tokenizer.

    Raises:
        ConfigurationError: the template builds control tokens in a way that cannot be told from data.
    """

    def __init__(self, name: str, template: ChatTemplate, vocabulary: Vocabulary) -> None:
        self._name = name
        self._template = template
        self._vocabulary = vocabulary
        for text in self._samples():
            for start, stop in vocabulary.foreign(text):
                raise ConfigurationError(
                    f"{name}: the chat template puts {text[start:stop]!r} together in a way that cannot be"
                    " told from data (by `format`, `replace` or the like); write it as one literal"
                )

    def text(self, messages: Sequence[Mapping[str, Any]], **variables: Any) -> PromptText:
        """The prompt as text; see `ChatTemplate.render`.

        Raises:
            RequestRejected: the template refuses the messages.
        """
        return self._template.render(messages, **variables)

    def tokens(self, text: PromptText) -> list[int]:
        """A prompt as token ids.

        Raises:
            RequestRejected: data in it would become a control token in spite of everything.
        """
        with self._typed():
            return self._vocabulary.tokens(text)

    def pieces(self, text: PromptText) -> list[str]:
        """A prompt's pieces, for tokenization by another program; `check` must follow."""
        return self._vocabulary.pieces(text)

    def check(self, text: PromptText, ids: Sequence[int]) -> None:
        """Check the token ids of a prompt's pieces.

        Raises:
            RequestRejected: data in it would become a control token in spite of everything.
        """
        with self._typed():
            self._vocabulary.check(text, ids)

    @contextmanager
    def _typed(self) -> Iterator[None]:
        try:
            yield
        except ForgedControlToken as error:
            raise RequestRejected(
                self._name, f"data in the prompt would forge control tokens: {error}"
            ) from error

    def _samples(self) -> Iterator[PromptText]:
        """Prompts of plain-word conversations, without those that the template refuses."""
        for messages, tools in _SAMPLES:
            try:
                yield self._template.render(messages, tools=tools, add_generation_prompt=True)
            except RequestRejected:
                continue
