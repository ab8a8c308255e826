"""A model's vocabulary, and prompts as its tokens: only the template's text becomes control tokens."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import pairwise

from artis_sdk.backends.chat.prompt_text import PromptText

_OWN = 4096  # template stretches with cached control tokens


class Vocabulary:
    """The control tokens of one tokenizer, and the tokenization of prompts.

    A tokenizer turns any text that spells a control token into that token. So a prompt is cut inside
    each such text that is not wholly the template's own, and its pieces are tokenized one by one. A
    prompt whose data spells no control token is one piece, with its usual tokens.

    Args:
        marks: ids of the control tokens by their texts. A text of one character cannot be cut; a prompt
            whose data contains one is refused.
        tokenize: token ids of a text, control tokens included, with no token added at its start or end.
        unknown: id of the token for text that the vocabulary lacks; allowed in data.
    """

    def __init__(
        self, marks: Mapping[str, int], tokenize: Callable[[str], list[int]], unknown: int | None = None
    ) -> None:
        texts = [text for text in marks if len(text) > 1]
        self._marks = frozenset(texts)
        self._ids = frozenset(marks.values()) - {unknown}
        self._lengths = sorted({len(text) for text in texts})
        self._heads = frozenset(text[0] for text in texts)
        self._tokenize = tokenize
        self._written = lru_cache(maxsize=_OWN)(self._control)

    def foreign(self, text: PromptText) -> Iterator[tuple[int, int]]:
        """Stretches, in characters, that spell a control token and are not wholly own; they may overlap."""
        for head in self._heads & set(text):
            start = text.find(head)
            while start >= 0:
                for length in self._lengths:
                    stop = start + length
                    if stop > len(text):
                        break
                    spelt = str.__getitem__(text, slice(start, stop)) in self._marks
                    if spelt and not text.owns(start, stop):
                        yield start, stop
                start = text.find(head, start + 1)

    def pieces(self, text: PromptText) -> list[str]:
        """The text, cut inside each stretch of data that would become a control token."""
        cuts = {0, len(text)}
        for start, _ in self.foreign(text):
            # After the first character, or at the end of the own text around it: no own mark is cut.
            own = next((stop for first, stop in text.own if first <= start < stop), start + 1)
            cuts.add(own)
        places = sorted(cuts)
        return [str.__getitem__(text, slice(*pair)) for pair in pairwise(places)]

    def tokens(self, text: PromptText) -> list[int]:
        """Token ids of a prompt.

        Raises:
            ForgedControlToken: the ids would contain other control tokens than the template wrote.
        """
        ids = [id for piece in self.pieces(text) for id in self._tokenize(piece)]
        self.check(text, ids)
        return ids

    def check(self, text: PromptText, ids: Sequence[int]) -> None:
        """Check that a prompt has exactly the control tokens that the template wrote.

        Args:
            text: the prompt.
            ids: token ids of all its pieces, in order.

        Raises:
            ForgedControlToken: the control tokens differ.
        """
        found = [id for id in ids if id in self._ids]
        own = [str.__getitem__(text, slice(*span)) for span in text.own]
        written = [id for stretch in own for id in self._written(stretch)]
        if found != written:
            raise ForgedControlToken(
                f"it has {len(found)} control tokens, and the chat template wrote {len(written)}"
            )

    def _control(self, own: str) -> tuple[int, ...]:
        return tuple([id for id in self._tokenize(own) if id in self._ids])


class ForgedControlToken(ValueError):
    """Data in a prompt would become a control token, by a rule of the tokenizer unknown to this module."""


def is_mark(text: str, *, special: bool) -> bool:
    """Whether a token of the vocabulary controls the model. Added tokens for ordinary text, such as runs of
    blanks or words, do not.

    Args:
        text: text of the token.
        special: whether the vocabulary marks it as a control token; `<tool_call>` is often only an added one.
    """
    return bool(text.strip()) and (special or (text[0], text[-1]) in (("<", ">"), ("[", "]")))
