"""Sampling of one sequence: grammar, temperature, top-p, seed.

In numpy instead of llama.cpp's sampler chains: those pass over the whole vocabulary several times even
if a grammar allows three tokens, and take twice as long at a vocabulary of 65,000.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from artis_sdk.backends.llama_cpp.context import DecodeFailed
from artis_sdk.backends.llama_cpp.grammar import GrammarRefused, Matcher

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

T = TypeVar("T")
_BLOCK = 512


class Sampler:
    """The sampler of one sequence.

    Args:
        temperature: sampling temperature; 0 for the most likely token.
        top_p: share of the probability that is kept, after temperature; 1 for all.
        seed: random seed; None for a fresh one.
        matcher: grammar of the text; None for free text.
        may_be_free: whether the text goes on without the grammar where the grammar becomes too large.
        logprobs: whether to compute each token's log-probability.
    """

    def __init__(
        self,
        *,
        temperature: float,
        top_p: float,
        seed: int | None,
        matcher: Matcher | None,
        logprobs: bool,
        may_be_free: bool = False,
    ) -> None:
        import numpy as np

        self._temperature = temperature
        self._top_p = top_p
        drawn = int.from_bytes(os.urandom(8), "little") if seed is None else seed
        self._random = np.random.Generator(np.random.PCG64(drawn % 2**64))
        self._matcher = matcher
        self._logprobs = logprobs
        self._may_be_free = may_be_free

    def draw(self, logits: NDArray[np.float32]) -> list[tuple[int, float | None]]:
        """The next tokens, each with its natural-log probability under the model alone if `logprobs`.

        One is drawn. Those that the grammar then allows alone need no model: they follow in the same list, or
        are all of it, if the text begins with them; not with `logprobs`, which need the model.

        Args:
            logits: the model's logits, shape (vocabulary,); not changed.

        Raises:
            DecodeFailed: the highest logit is NaN or infinite.
            GrammarRefused: the grammar is too large to go on with.
        """
        if forced := self._forced():
            return forced
        allowed = self._held(Matcher.allowed)
        token = self._choose(logits) if allowed is None else int(allowed[self._choose(logits[allowed])])
        self._held(lambda matcher: matcher.accept(token))
        drawn = token, _log_probability(logits, token) if self._logprobs else None
        return [drawn, *self._forced()]

    def _forced(self) -> list[tuple[int, float | None]]:
        if self._logprobs or self.finished:
            return []
        tokens = self._held(Matcher.forced) or []
        if self._temperature > 0:
            self._random.random(len(tokens))  # one number a token: a seed's text is the same without this
        return [(token, None) for token in tokens]

    def _held(self, step: Callable[[Matcher], T]) -> T | None:
        """A step of the grammar; None if there is none, or none any more."""
        if self._matcher is None:
            return None
        try:
            return step(self._matcher)
        except GrammarRefused:
            if not self._may_be_free:
                raise
        self._matcher = None
        return None

    @property
    def finished(self) -> bool:
        """Whether the grammar allows no further token."""
        return self._matcher is not None and self._matcher.finished

    def _choose(self, logits: NDArray[np.float32]) -> int:
        import numpy as np

        top = float(logits.max())
        if not math.isfinite(top):
            raise DecodeFailed(f"the model computed {top} as its highest logit, so no token can be chosen")
        if self._temperature <= 0:
            return int(logits.argmax())
        weights = logits - top
        weights *= 1 / self._temperature
        np.exp(weights, out=weights)
        if self._top_p < 1:
            kept = _nucleus(weights, self._top_p)
            return int(kept[self._pick(weights[kept])])
        return self._pick(weights)

    def _pick(self, weights: NDArray[np.float32]) -> int:
        """An index by weight: first a block, then an index inside it, to avoid one long running sum."""
        import numpy as np

        blocks = np.add.reduceat(weights, np.arange(0, len(weights), _BLOCK)).cumsum(dtype=np.float64)
        target = self._random.random() * float(blocks[-1])
        block = min(int(blocks.searchsorted(target, side="right")), len(blocks) - 1)
        before = float(blocks[block - 1]) if block else 0.0
        sums = weights[block * _BLOCK : (block + 1) * _BLOCK].cumsum(dtype=np.float64)
        last = int(sums.searchsorted(sums[-1]))  # the last nonzero weight, against rounding
        return block * _BLOCK + min(int(sums.searchsorted(target - before, side="right")), last)


def _nucleus(weights: NDArray[np.float32], top_p: float) -> NDArray[np.intp]:
    """Indices of the fewest weights that sum to a share of `top_p`, heaviest first, at least one."""
    import numpy as np

    total = float(weights.sum(dtype=np.float64))
    # Weights below `light` sum to less than the share left out, so most of a vocabulary is not sorted.
    light = (1 - top_p) * total / len(weights)
    heavy = np.flatnonzero(weights >= light)
    order = heavy[np.argsort(-weights[heavy], kind="stable")]
    sums = weights[order].cumsum(dtype=np.float64)
    return order[: int(sums.searchsorted(top_p * total)) + 1]


def _log_probability(logits: NDArray[np.float32], token: int) -> float:
    import numpy as np

    top = logits.max()
    return float(logits[token] - top) - float(np.log(np.exp(logits - top).sum(dtype=np.float64)))
