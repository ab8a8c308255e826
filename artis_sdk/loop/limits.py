"""What a run may use, as its caller says it. `loop.budget` holds a run to it."""

from __future__ import annotations

from pydantic import BaseModel, Field

from artis_sdk.records import Usage
from artis_sdk.records.calls import FROZEN


class Limits(BaseModel):
    """Limits over one whole run, rehearsal and commit, across concurrent attempts.

    A limit that is None does not apply. The rehearsal may use `1 - reserve` of each limit; of the rest,
    half may go into the summary and all that is left into the commit. `loop.budget.Budget` says what
    happens at a limit.

    Args:
        tokens: prompt and completion tokens of all roles, cached ones included.
        seconds: wall time of rehearsal and commit; the time between them does not count.
        cost: in the currency of the prices given to the session.
        steps: agent steps: model calls of the action agent, or guarded calls of a caller's agent.
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
        prompt: prompt tokens that were not cached.
        cached: cached prompt tokens; None is the same as `prompt`.
        completion: generated tokens.
    """

    model_config = FROZEN

    prompt: float = Field(ge=0, allow_inf_nan=False)
    cached: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    completion: float = Field(ge=0, allow_inf_nan=False)

    def of(self, usage: Usage) -> float:
        """What a call with this usage costs."""
        cached = self.prompt if self.cached is None else self.cached
        fresh = usage.prompt_tokens - usage.cached_tokens
        return (
            fresh * self.prompt + usage.cached_tokens * cached + usage.completion_tokens * self.completion
        ) / 1e6
