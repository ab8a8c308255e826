"""One budget for a whole run, across concurrent attempts, with a share kept for the commit."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace

from artis_sdk.contracts import Backend
from artis_sdk.errors import ConfigurationError, LimitReached
from artis_sdk.loop.limits import Limits, Price
from artis_sdk.loop.streamed import OnText, TextPiece
from artis_sdk.loop.tokens import PromptSize
from artis_sdk.records import Completion, Request, Role, Usage
from artis_sdk.records.events import Event, LimitHit, ModelAnswered
from artis_sdk.simulators.seal import unsealed
from artis_sdk.traces.operations import model_call

Emit = Callable[[Event], None]

_FIRST_GUESS = 512  # completion tokens of a request without max_tokens, before any answer is known
_SEED_STRIDE = 1_000_003  # attempts with one seed must not be copies of each other
_COMMIT_PRIORITY = -1  # below 0, so that a commit overtakes rehearsals on a shared engine


def ignore(event: Event) -> None:
    """A callback that drops events."""


class Unmetered:
    """A meter without limits, counts or events, for a part that is used alone."""

    async def complete(self, backend: Backend, role: Role, request: Request) -> Completion:
        return await backend.complete(request)


@dataclass(slots=True)
class _Hold:
    """Tokens and cost that calls in flight may still use."""

    tokens: int = 0
    cost: float = 0.0


class Budget:
    """Holds a run to its limits and counts what it uses.

    Every model call is admitted before it is made and charged after it. A call in flight holds its
    estimate: the estimated tokens of its prompt, and `max_tokens` or else the longest answer of that
    role so far. A call that does not fit beside these estimates waits for the others; a call that would not
    fit even alone raises `LimitReached`. So steps are never exceeded. Tokens (likewise cost) are exceeded
    by at most the sum of the amounts by which the calls in flight with the last admitted one outgrew
    their estimates: by nothing if requests have `max_tokens` and no prompt is longer than estimated.
    A call that fails or is cancelled is not charged: its usage is not known.

    A rehearsal may use `1 - limits.reserve` of each limit, and its summary also half of the reserve. The
    commit has all the rest, and a limit stops it only before its first real call: half a commit is worse
    than an overrun. An overrun is reported in `notes`, and once as `LimitHit`.

    Args:
        limits: limits of the run.
        prices: prices by backend name; a cost limit needs one for every backend.
        emit: callback for `ModelAnswered` and `LimitHit`.
        on_text: callback for the models' texts as they arrive; None asks for whole answers.
        spent: earlier usage of the run, by role, as for a plan that another session rehearsed.
    """

    def __init__(
        self,
        limits: Limits | None = None,
        *,
        prices: Mapping[str, Price] | None = None,
        emit: Emit = ignore,
        on_text: OnText | None = None,
        spent: Mapping[Role, Usage] | None = None,
    ) -> None:
        self.limits = limits or Limits()
        self.usage: dict[Role, Usage] = dict(spent or {})
        self.tokens = sum(usage.total_tokens for usage in self.usage.values())
        self.steps = 0
        self.cost = 0.0
        self.notes: list[str] = []
        self._prices = dict(prices or {})
        self._emit = emit
        self._on_text = on_text
        self._requests = 0
        self._held = _Hold()
        self._settled: list[asyncio.Future[None]] = []
        self._longest: dict[Role, int] = {}
        self._overruns: set[str] = set()
        self._seconds = 0.0  # of finished phases
        self._since = 0.0
        self._running = 0
        self._holds = self.limits.tokens is not None or self.limits.cost is not None

    def require_prices(self, *backends: Backend) -> None:
        """Check before anything runs that a cost limit can be kept.

        Raises:
            ConfigurationError: the cost is limited, and a backend has no price.
        """
        if self.limits.cost is None:
            return
        missing = sorted({backend.name for backend in backends} - self._prices.keys())
        if missing:
            raise ConfigurationError(
                f"a cost limit needs a price for {', '.join(missing)}: "
                f'prices={{"{missing[0]}": Price(prompt=..., completion=...)}}, per million tokens'
            )

    @property
    def seconds(self) -> float:
        """Wall time used by rehearsal and commit so far."""
        return self._seconds + (time.monotonic() - self._since if self._running else 0.0)

    @contextmanager
    def running(self) -> Iterator[None]:
        """The clock runs inside this block; between a rehearsal and its commit it is stopped."""
        if not self._running:
            self._since = time.monotonic()
        self._running += 1
        try:
            yield
        finally:
            if self._running == 1:
                self._seconds = self.seconds
            self._running -= 1

    def for_attempt(self, attempt: int) -> BudgetMeter:
        """The meter of one attempt."""
        return BudgetMeter(self, attempt, 1 - self.limits.reserve)

    def for_summary(self) -> BudgetMeter:
        """The meter of the summary: the commit needs it, so it may draw on half of the reserve."""
        return BudgetMeter(self, None, 1 - self.limits.reserve / 2)

    def for_commit(self) -> CommitMeter:
        """The meter of the commit."""
        return CommitMeter(self)

    async def ask(self, backend: Backend, role: Role, request: Request, attempt: int | None) -> Completion:
        """Make a call that was admitted; its text is told as it arrives, if somebody listens."""
        tell, number = self._on_text, self._requests
        self._requests += 1
        with unsealed():
            if tell is None:
                return await model_call(backend, role, request)

            def arrived(text: str) -> None:
                tell(TextPiece(role, attempt, number, text))

            return await model_call(backend, role, request, on_token=arrived)

    async def admit(
        self, backend: Backend, role: Role, request: Request, size: PromptSize, share: float
    ) -> _Hold | None:
        """Wait until a call fits beside those in flight, and hold its estimate.

        Raises:
            LimitReached: it would not fit even if the others used nothing more.
        """
        hold = None
        if self._holds:
            hold = self._estimate(backend, role, request, size)
            while not self._fits(hold, share):
                settled = asyncio.get_running_loop().create_future()
                self._settled.append(settled)
                await settled
        if role is Role.ACTION:
            self.take_step(share)
        if hold is not None:
            self._held.tokens += hold.tokens
            self._held.cost += hold.cost
        return hold

    def take_step(self, share: float) -> None:
        """Count one agent step.

        Raises:
            LimitReached: no step is left.
        """
        if self.limits.steps is not None:
            self._check("steps", self.steps + 1, share)
        self.steps += 1

    def settle(self, hold: _Hold | None) -> None:
        """A call is over: release its hold."""
        if hold is None:
            return
        self._held.tokens -= hold.tokens
        self._held.cost -= hold.cost
        waiting, self._settled = self._settled, []
        for future in waiting:
            if not future.done():
                future.set_result(None)

    def charge(self, backend: Backend, role: Role, usage: Usage, attempt: int | None) -> None:
        """Count the usage of a call."""
        before = self.usage.get(role)
        self.usage[role] = usage if before is None else before + usage
        self.tokens += usage.prompt_tokens + usage.completion_tokens
        name = backend.name
        price = self._prices.get(name)
        if price is not None:
            self.cost += price.of(usage)
        if usage.completion_tokens > self._longest.get(role, 0):
            self._longest[role] = usage.completion_tokens
        self._emit(ModelAnswered(role=role, backend=name, usage=usage, attempt=attempt))

    @asynccontextmanager
    async def deadline(self, share: float) -> AsyncIterator[None]:
        """Code inside ends in `LimitReached` when the seconds are used up."""
        if self.limits.seconds is None:
            yield
            return
        self._check("seconds", self.seconds, share)
        allowed = self.limits.seconds * share
        try:
            async with asyncio.timeout(allowed - self.seconds) as timeout:
                yield
        except TimeoutError:
            if not timeout.expired():
                raise
            raise LimitReached("seconds", self.seconds, allowed) from None

    def overrun(self) -> bool:
        """Whether any limit is exceeded; each one is noted once."""
        for name in ("tokens", "seconds", "cost", "steps"):
            allowed = self._allowed(name, 1.0)
            if allowed is None or name in self._overruns or getattr(self, name) <= allowed:
                continue
            self._overruns.add(name)
            self.notes.append(f"the commit ran past its {name} limit: a commit is not ended half-way")
            self._emit(LimitHit(limit=name, used=getattr(self, name), allowed=allowed))
        return bool(self._overruns)

    def _estimate(self, backend: Backend, role: Role, request: Request, size: PromptSize) -> _Hold:
        self.require_prices(backend)
        prompt = (size if role is Role.ACTION else PromptSize()).of(request)
        completion = request.max_tokens or self._longest.get(role, _FIRST_GUESS)
        price = self._prices.get(backend.name)
        cost = price.of(Usage(prompt_tokens=prompt, completion_tokens=completion)) if price else 0.0
        return _Hold(prompt + completion, cost)

    def _fits(self, hold: _Hold, share: float) -> bool:
        """Whether a call fits now; False if it may once those in flight are settled."""
        tokens, cost = self.tokens + hold.tokens, self.cost + hold.cost
        self._check("tokens", tokens, share)
        self._check("cost", cost, share)
        most_tokens, most_cost = self._allowed("tokens", share), self._allowed("cost", share)
        return (most_tokens is None or tokens + self._held.tokens <= most_tokens) and (
            most_cost is None or cost + self._held.cost <= most_cost
        )

    def _allowed(self, name: str, share: float) -> float | None:
        limit = getattr(self.limits, name)
        # 0.7 of 10 steps is 7, in spite of binary fractions.
        return None if limit is None else round(limit * share, 9)

    def _check(self, name: str, wanted: float, share: float) -> None:
        allowed = self._allowed(name, share)
        if allowed is not None and wanted > allowed:
            raise LimitReached(name, getattr(self, name), allowed)


class BudgetMeter:
    """The `Meter` of one attempt: its share of the budget, events with its index, its own seeds."""

    __slots__ = ("_budget", "_share", "_size", "attempt")

    def __init__(self, budget: Budget, attempt: int | None, share: float) -> None:
        self._budget = budget
        self._share = share
        self._size = PromptSize()
        self.attempt = attempt

    async def complete(self, backend: Backend, role: Role, request: Request) -> Completion:
        """As `Backend.complete`; the seed is changed by the attempt's index.

        Raises:
            LimitReached: the call does not fit, or it hung until the seconds were used up.
        """
        if request.seed is not None and self.attempt:
            request = replace(request, seed=(request.seed + self.attempt * _SEED_STRIDE) % 2**31)
        return await self._metered(backend, role, request)

    def step(self) -> None:
        """Count a step of an agent whose model calls are not ours.

        Raises:
            LimitReached: no step is left.
        """
        self._budget.take_step(self._share)

    def deadline(self) -> AbstractAsyncContextManager[None]:
        """Code inside ends in `LimitReached` when the seconds are used up."""
        return self._budget.deadline(self._share)

    async def _metered(self, backend: Backend, role: Role, request: Request) -> Completion:
        if self._budget.limits.seconds is None:
            return await self._call(backend, role, request)
        async with self.deadline():
            return await self._call(backend, role, request)

    async def _call(self, backend: Backend, role: Role, request: Request) -> Completion:
        budget = self._budget
        hold = await budget.admit(backend, role, request, self._size, self._share)
        try:
            completion = await budget.ask(backend, role, request, self.attempt)
        finally:
            budget.settle(hold)
        budget.charge(backend, role, completion.usage, self.attempt)
        return completion


class CommitMeter(BudgetMeter):
    """The meter of the commit: limits stop it only until `begin()`."""

    __slots__ = ("_begun",)

    def __init__(self, budget: Budget) -> None:
        super().__init__(budget, None, 1.0)
        self._begun = False

    def begin(self) -> None:
        """The first real call follows: from here on the commit runs to its end."""
        self._begun = True

    @property
    def overrun(self) -> bool:
        """Whether the commit has exceeded a limit; parts that can save should do so."""
        return self._begun and self._budget.overrun()

    async def complete(self, backend: Backend, role: Role, request: Request) -> Completion:
        """As `Backend.complete`, ahead of the requests of rehearsals.

        Raises:
            LimitReached: before the first real call only.
        """
        if request.priority > _COMMIT_PRIORITY:
            request = request.with_priority(_COMMIT_PRIORITY)
        if not self._begun:
            return await self._metered(backend, role, request)
        completion = await self._budget.ask(backend, role, request, None)
        self._budget.steps += role is Role.ACTION
        self._budget.charge(backend, role, completion.usage, None)
        self._budget.overrun()
        return completion

    def step(self) -> None:
        """Count a step of an agent whose model calls are not ours.

        Raises:
            LimitReached: before the first real call only.
        """
        if not self._begun:
            super().step()
            return
        self._budget.steps += 1
        self._budget.overrun()
