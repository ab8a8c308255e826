"""Draws the tokens of one sequence: grammar mask, temperature, top-p, seed."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from artis_sdk.backends.llama.context import Context
from artis_sdk.backends.llama.library import library

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from artis_sdk.backends.llama.grammar import Matcher

_SEEDS = 2**32 - 1  # the last one means "any" to the library


class Sampler:
    """One sequence's sampler chain.

    Args:
        temperature: 0 takes the most likely token.
        top_p: share of the probability that is kept, after temperature.
        seed: None draws one.
        matcher: the grammar that the text is held to.
        logprobs: whether each token's log-probability is kept.
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
        self._temperature = temperature
        self._top_p = top_p
        self._seed = int.from_bytes(os.urandom(4), "little") if seed is None else seed
        self._matcher = matcher
        self._logprobs = logprobs
        self._made: Any = None

    @property
    def _chain(self) -> Any:
        """Made with the first token, so that a request that never runs holds nothing."""
        if self._made is None:
            lib = library()
            self._made = lib.llama_sampler_chain_init(lib.llama_sampler_chain_default_params())
            if self._temperature <= 0:
                stages = [lib.llama_sampler_init_greedy()]
            else:
                stages = [lib.llama_sampler_init_temp(self._temperature)]
                if self._top_p is not None and self._top_p < 1:
                    stages.append(lib.llama_sampler_init_top_p(self._top_p, 1))
                stages.append(lib.llama_sampler_init_dist(self._seed % _SEEDS))
            for stage in stages:
                lib.llama_sampler_chain_add(self._made, stage)
        return self._made

    def draw(self, context: Context, row: int) -> tuple[int, float | None]:
        """The next token, and its natural-log probability under the model alone where that is kept."""
        if self._matcher is None and not self._logprobs:
            return context.sample(self._chain, row), None
        logits = context.logits(row)
        total = _log_sum_exp(logits) if self._logprobs else 0.0
        if self._matcher is None:
            token = context.sample(self._chain, row)
            return token, float(logits[token]) - total
        self._matcher.mask(logits)
        token = context.sample(self._chain, row)
        self._matcher.accept(token)
        return token, float(logits[token]) - total if self._logprobs else None

    @property
    def finished(self) -> bool:
        """Whether the grammar admits nothing more."""
        return self._matcher is not None and self._matcher.finished

    def close(self) -> None:
        """Free the chain."""
        if self._made is not None:
            library().llama_sampler_free(self._made)
            self._made = None


def _log_sum_exp(logits: NDArray[np.float32]) -> float:
    import numpy as np

    top = float(logits.max())
    return top + float(np.log(np.exp(logits - top).sum(dtype=np.float64)))
