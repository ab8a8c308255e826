"""Constrained decoding by llguidance: the tokens that a JSON schema or a grammar allows next.

llama.cpp's own GBNF grammars cost 60 times more per token at a vocabulary of 65,000 and accept
control characters in strings and integers out of bounds.
"""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from artis_sdk.backends.llama_cpp.model import Model

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_REMEMBERED = 64  # compiled grammars
# The usual JSON style of models. With free whitespace a model could fill its budget with blanks.
JSON_STYLE = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}


class GrammarRefused(ValueError):
    """The schema or grammar cannot be used; the message gives the reason."""


class Matcher:
    """The state of one text under a grammar."""

    def __init__(self, matcher: Any, vocab_size: int) -> None:
        import numpy as np

        self._matcher = matcher
        self._mask = np.zeros((vocab_size + 31) // 32, np.int32)
        self._vocab_size = vocab_size

    def allowed(self) -> NDArray[np.intp]:
        """Ids of the tokens that the grammar allows next, in ascending order.

        Raises:
            GrammarRefused: the grammar is too large to go on with.
        """
        import numpy as np

        self._matcher.unsafe_compute_mask_ptr(self._mask.ctypes.data, self._mask.nbytes)
        self._check()
        bits = np.unpackbits(self._mask.view(np.uint8), bitorder="little", count=self._vocab_size)
        return np.flatnonzero(bits)

    def accept(self, token: int) -> None:
        """Advance by the sampled token. Raises: GrammarRefused: as `allowed`."""
        self._matcher.consume_token(token)
        self._check()

    def forced(self) -> list[int]:
        """Advance by the text that the grammar allows alone.

        Returns:
            Its tokens, as the tokenizer cuts them.

        Raises:
            GrammarRefused: as `allowed`.
        """
        tokens: list[int] = self._matcher.compute_ff_tokens()
        if tokens:
            self._matcher.consume_tokens(tokens)
        self._check()
        return tokens

    def _check(self) -> None:
        if self._matcher.is_error():  # it looks like an answer that has ended
            raise GrammarRefused(self._matcher.get_error().partition("\n")[0])

    @property
    def finished(self) -> bool:
        return bool(self._matcher.is_stopped())


class Grammars:
    """Compiler and cache of grammars for one model. Thread-safe."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._lock = threading.Lock()
        self._tokenizer: Any = None
        self._specials: list[int] | None = None
        self._compiled: OrderedDict[str, Any] = OrderedDict()

    def schema(self, schema: dict[str, Any]) -> Matcher:
        """A matcher for JSON that satisfies a schema. Raises: GrammarRefused."""
        styled = {**schema, "x-guidance": {**JSON_STYLE, **schema.get("x-guidance", {})}}
        return self._matcher(json.dumps(styled), is_schema=True)

    def lark(self, grammar: str) -> Matcher:
        """A matcher for a grammar in llguidance's Lark dialect. Raises: GrammarRefused."""
        return self._matcher(grammar, is_schema=False)

    def special(self, text: str) -> int | None:
        """The id of a text that is one special token, which a grammar must name by its id; else None."""
        ids = self._model.tokenize(text, special=True)
        with self._lock:
            if len(ids) == 1 and self._guidance_tokenizer().is_special_token(ids[0]):
                return ids[0]
        return None

    def specials(self) -> list[int]:
        """Ids of the special tokens that do not end an answer."""
        with self._lock:
            if self._specials is None:
                tokenizer, model = self._guidance_tokenizer(), self._model
                self._specials = [
                    token
                    for token in range(model.vocab_size)
                    if tokenizer.is_special_token(token) and not model.ends(token)
                ]
            return self._specials

    def _matcher(self, source: str, *, is_schema: bool) -> Matcher:
        with self._lock:
            compiled = self._compiled.get(source)
            if compiled is None:
                compiled = self._compiled[source] = self._compile(source, is_schema=is_schema)
                if len(self._compiled) > _REMEMBERED:
                    self._compiled.popitem(last=False)
            self._compiled.move_to_end(source)
            return Matcher(compiled.deep_copy(), self._model.vocab_size)

    def _compile(self, source: str, *, is_schema: bool) -> Any:
        from llguidance import LLMatcher

        try:
            make = LLMatcher.grammar_from_json_schema if is_schema else LLMatcher.grammar_from_lark
            matcher = LLMatcher(self._guidance_tokenizer(), make(source), log_level=0)
        except ValueError as error:
            raise GrammarRefused(str(error)) from error
        if matcher.is_error():
            raise GrammarRefused(matcher.get_error())
        return matcher

    def _guidance_tokenizer(self) -> Any:
        if self._tokenizer is None:  # takes a second for a large vocabulary
            self._tokenizer = self._model.guidance_tokenizer()
        return self._tokenizer
