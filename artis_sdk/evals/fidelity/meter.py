"""The meter of a measured simulator: it counts usage and reads the model's certainty."""

from __future__ import annotations

import math
import re
from dataclasses import replace

from artis_sdk.contracts import Backend
from artis_sdk.records import Completion, Request, Role, Usage

_VERDICT = re.compile(r'"ok"\s*:\s*(true|false)')


class Asked:
    """The common data of all predictions of one run.

    Args:
        samples: further predictions per call; 0 requests log-probabilities instead.
        seed: seed of the samples.

    Attributes:
        usage: total usage.
    """

    def __init__(self, samples: int, seed: int) -> None:
        self.samples = samples
        self.seed = seed
        self.usage = Usage()

    def meter(self, sample: int = 0) -> FidelityMeter:
        """The meter of one prediction; `sample` 0 is the prediction that counts."""
        return FidelityMeter(self, sample)


class FidelityMeter:
    """The meter of one prediction.

    A sample is drawn at temperature 1, not the simulator's own: at 0.01 all would be alike.

    Attributes:
        completion: the model's last answer.
    """

    def __init__(self, asked: Asked, sample: int) -> None:
        self.completion: Completion | None = None
        self._asked = asked
        self._sample = sample

    async def complete(self, backend: Backend, role: Role, request: Request) -> Completion:
        """See `Meter.complete`."""
        if self._sample:
            seed = None
            if backend.capabilities.seed:
                seed = ((request.seed or self._asked.seed) + self._sample) % 2**31
            request = replace(request, temperature=1.0, seed=seed)
        elif not self._asked.samples and backend.capabilities.logprobs:
            request = replace(request, logprobs=True)
        self.completion = await backend.complete(request)
        self._asked.usage += self.completion.usage
        return self.completion


def failure_probability(completion: Completion | None) -> float | None:
    """A model's probability that a call fails, read from the token of `"ok": true` or `false`.

    The other word counts as the rest of the probability. None without log-probabilities, or if the
    answer is not in the typed form.
    """
    if completion is None or not completion.logprobs:
        return None
    found = _VERDICT.search("".join(token.token for token in completion.logprobs))
    if found is None:
        return None
    end = 0
    for token in completion.logprobs:
        end += len(token.token)
        if end > found.start(1):
            said = min(1.0, math.exp(token.logprob))
            return said if found[1] == "false" else 1.0 - said
    return None
