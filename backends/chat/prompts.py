"""Messages to token ids, in which only the chat template's own text becomes control tokens."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from artis_sdk.backends.chat.limits import TOOL, USER, Messages, TemplateLimits, call_turn, find_limits
from artis_sdk.backends.chat.prompt_text import PromptText
from artis_sdk.backends.chat.template import ChatTemplate
from artis_sdk.backends.chat.vocabulary import ForgedControlToken, Vocabulary
from artis_sdk.errors import ConfigurationError, RequestRejected

_ANSWER: Final = {"role": "assistant", "content": "sample answer"}
_SAMPLES: Final[tuple[tuple[Messages, Any], ...]] = (
    ([USER], None),
    ([{"role": "system", "content": "sample rule"}, USER, _ANSWER, USER], None),
    ([USER], [TOOL]),
    ([USER, *call_turn("b")], [TOOL]),
)


class ChatPrompts:
    """Prompts of one model.

    Args:
        name: name of the backend or model, for errors.
        template: the model's chat template.
        vocabulary: the model's control tokens and tokenizer.

    Raises:
        ConfigurationError: the template builds control tokens in a way that cannot be distinguished from
            data.
    """

    def __init__(self, name: str, template: ChatTemplate, vocabulary: Vocabulary) -> None:
        self._name = name
        self._template = template
        self._vocabulary = vocabulary
        self.limits: TemplateLimits = find_limits(template)
        for text in self._samples():
            for start, stop in vocabulary.foreign(text):
                raise ConfigurationError(
                    f"{name}: the chat template builds {text[start:stop]!r} in a way that cannot be "
                    "distinguished from data (with `format`, `replace` or the like); write it as one literal"
                )

    def text(self, messages: Sequence[Mapping[str, Any]], **variables: Any) -> PromptText:
        """The prompt as text; see `ChatTemplate.render`. Messages are fitted to what the template takes.

        Raises:
            RequestRejected: the template refuses the messages.
        """
        tools = variables.pop("tools", None) or self.limits.no_tools
        return self._template.render(self.limits.fitted(messages), tools=tools, **variables)

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
                self._name, f"data in the prompt would be read as control tokens: {error}"
            ) from error

    def _samples(self) -> Iterator[PromptText]:
        """Prompts of plain-word conversations, without those that the template refuses."""
        for messages, tools in _SAMPLES:
            try:
                yield self.text(messages, tools=tools, add_generation_prompt=True)
            except RequestRejected:
                continue
