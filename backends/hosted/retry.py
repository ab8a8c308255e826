"""The one retry policy of hosted backends. The SDKs' own retries are off.

`errors.is_retryable` decides which requests to send again; this module decides when and how often.
"""

from __future__ import annotations

import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from artis_sdk.errors import BackendError, MalformedResponse, is_retryable

if TYPE_CHECKING:
    from tenacity import RetryCallState

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """Exponential backoff with jitter; a server's Retry-After is waited for in full.

    A wait that would end after `total` is not begun: the error is raised at once, with its
    `retry_after`, so that the caller may decide.
    """

    attempts: int = 6
    """Maximum number of times that a request is sent; 1 for no retries."""
    after_odd_answers: int = 1
    """How often a request is sent again after an answer that cannot be read: each was paid for."""
    total: float = 300.0
    """Seconds from the first sending to the last."""
    first: float = 0.5
    """Seconds before the second sending, on average three quarters of it; doubled each time."""
    cap: float = 30.0
    """Seconds that one backoff may last. Retry-After is not capped."""

    async def run(
        self,
        send: Callable[[], Awaitable[T]],
        *,
        sleep: Callable[[float], Awaitable[None]],
    ) -> T:
        """Send until it succeeds, fails for good, or the policy ends.

        Args:
            send: function that sends the request once and holds nothing between two calls.
            sleep: function that waits a number of seconds; it may raise to end the wait.

        Raises:
            BackendError: the last sending's error.
        """
        started = time.monotonic()
        try:
            return await send()
        except BackendError as error:
            if not is_retryable(error) or self.attempts <= 1:
                raise
            first_error = error
        return await self._again(first_error, send, sleep, started)

    async def _again(
        self,
        first_error: BackendError,
        send: Callable[[], Awaitable[T]],
        sleep: Callable[[float], Awaitable[None]],
        started: float,
    ) -> T:
        # tenacity costs a hundred function calls, so it sees a request only once it has failed; that
        # failure is its first attempt.
        from tenacity import AsyncRetrying, retry_if_exception

        failed: list[BackendError] = [first_error]
        odd = 0

        async def attempt() -> T:
            if failed:
                raise failed.pop()
            return await send()

        def over(state: RetryCallState) -> bool:
            nonlocal odd
            if state.outcome is not None and isinstance(state.outcome.exception(), MalformedResponse):
                odd += 1
            ends = time.monotonic() - started + state.upcoming_sleep
            return state.attempt_number >= self.attempts or odd > self.after_odd_answers or ends > self.total

        retrying = AsyncRetrying(
            retry=retry_if_exception(is_retryable), wait=self._wait, stop=over, sleep=sleep, reraise=True
        )
        return await retrying(attempt)

    def _wait(self, state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome is not None else None
        backoff = min(self.cap, self.first * 2.0 ** (state.attempt_number - 1)) * random.uniform(0.5, 1.0)
        if isinstance(error, BackendError) and error.retry_after is not None:
            return error.retry_after + random.uniform(0.0, min(self.first, backoff))
        return backoff
