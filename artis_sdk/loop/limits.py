"""The limits of a run, as its caller sets them. `loop.budget` enforces them."""

from __future__ import annotations

from pydantic import BaseModel, Field

from artis_sdk.records import Usage
from artis_sdk.records.calls import FROZEN


class Limits(BaseModel):
    """Limits of one whole run, rehearsal and commit, across concurrent attempts.

    A limit of None does not apply. The rehearsal may use `1 - reserve` of each limit; the summary may use
    half of the rest, and the commit all that remains. `loop.budget.Budget` describes what happens at a
    limit.

    Args:
        tokens: prompt and completion tokens of all roles, cached ones included.
        seconds: wall time of rehearsal and commit; the time between them does not count.
        cost: total cost, in the currency of the session's prices.
        steps: agent steps: model calls of the action agent, or guarded calls of the caller's agent.
        reserve: share of each limit kept for the commit, 0 to 1.
    """

    model_config = FROZEN

    tokens: int | None = Field(default=None, gt=0)
    seconds: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    cost: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    steps: int | None = Field(default=None, gt=0)
    reserve: float = Field(default=0.2, ge=0, lt=1)


class Price(BaseModel):
    """Price of a backend, per million tokens, in any one currency.

    Args:
        prompt: price of prompt tokens that were not cached.
        cached: price of cached prompt tokens; None for the same as `prompt`.
        completion: price of generated tokens.
    """

    model_config = FROZEN

    prompt: float = Field(ge=0, allow_inf_nan=False)
    cached: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    completion: float = Field(ge=0, allow_inf_nan=False)

    def of(self, usage: Usage) -> float:
        """The cost of a call with this usage."""
        cached = self.prompt if self.cached is None else self.cached
        fresh = usage.prompt_tokens - usage.cached_tokens
        return (
            fresh * self.prompt + usage.cached_tokens * cached + usage.completion_tokens * self.completion
        ) / 1e6
