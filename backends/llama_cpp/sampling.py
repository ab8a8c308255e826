"""Draws the tokens of one sequence: grammar, temperature, top-p, seed.

In numpy and not with llama.cpp's sampler chains: those look at the whole vocabulary several times even
where a grammar admits three tokens, and take twice as long at a vocabulary of 65,000.
"""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING

from artis_sdk.backends.llama_cpp.context import DecodeFailed

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from artis_sdk.backends.llama_cpp.grammar import Matcher

_BLOCK = 512


class Sampler:
    """One sequence's choices.

    Args:
        temperature: 0 takes the most likely token.
        top_p: share of the probability that is kept, after temperature; None keeps all.
        seed: None draws one.
        matcher: the grammar that the text is held to.
        logprobs: whether each token's log-probability is wanted.
    """

    def __init__(
        self,
        *,
        temperature: float,
        top_p: float | None,
        seed: int | None,
        matcher: Matcher | None,
        logprobs: bool,
    ) -> None:
        import numpy as np

        self._temperature = temperature
        self._top_p = 1.0 if top_p is None else top_p
        drawn = int.from_bytes(os.urandom(8), "little") if seed is None else seed
        self._random = np.random.Generator(np.random.PCG64(drawn % 2**64))
        self._matcher = matcher
        self._logprobs = logprobs

    def draw(self, logits: NDArray[np.float32]) -> tuple[int, float | None]:
        """The next token, and its natural-log probability under the model alone where that is wanted.

        Args:
            logits: (vocabulary); not changed.

        Raises:
            DecodeFailed: the model computed no numbers.
        """
        if self._matcher is None:
            token = self._choose(logits)
        else:
            allowed = self._matcher.allowed()
            token = int(allowed[self._choose(logits[allowed])])
            self._matcher.accept(token)
        return token, _log_probability(logits, token) if self._logprobs else None

    @property
    def finished(self) -> bool:
        """Whether the grammar admits nothing more."""
        return self._matcher is not None and self._matcher.finished

    def _choose(self, logits: NDArray[np.float32]) -> int:
        import numpy as np

        top = float(logits.max())
        if not math.isfinite(top):
            raise DecodeFailed(f"the model computed {top} as a logit")
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
        """An index by weight: first a block, then one inside it, so that no long running sum is needed."""
        import numpy as np

        blocks = np.add.reduceat(weights, np.arange(0, len(weights), _BLOCK)).cumsum(dtype=np.float64)
        target = self._random.random() * float(blocks[-1])
        block = min(int(blocks.searchsorted(target, side="right")), len(blocks) - 1)
        before = float(blocks[block - 1]) if block else 0.0
        sums = weights[block * _BLOCK : (block + 1) * _BLOCK].cumsum(dtype=np.float64)
        last = int(sums.searchsorted(sums[-1]))  # the last one of any weight, against rounding
        return block * _BLOCK + min(int(sums.searchsorted(target - before, side="right")), last)


def _nucleus(weights: NDArray[np.float32], top_p: float) -> NDArray[np.intp]:
    """Indices of the fewest weights that make up a share of `top_p`, heaviest first, at least one."""
    import numpy as np

    total = float(weights.sum(dtype=np.float64))
    # All that lie below make up less than what may be left out: most of a vocabulary is not sorted.
    light = (1 - top_p) * total / len(weights)
    heavy = np.flatnonzero(weights >= light)
    order = heavy[np.argsort(-weights[heavy], kind="stable")]
    sums = weights[order].cumsum(dtype=np.float64)
    return order[: int(sums.searchsorted(top_p * total)) + 1]


def _log_probability(logits: NDArray[np.float32], token: int) -> float:
    import numpy as np

    top = logits.max()
    return float(logits[token] - top) - float(np.log(np.exp(logits - top).sum(dtype=np.float64)))
