"""One budget across concurrent attempts: what it admits, counts and refuses."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from artis_sdk.backends.scripted import ScriptedBackend
from artis_sdk.errors import BackendError, ConfigurationError, LimitReached
from artis_sdk.loop.budget import Budget
from artis_sdk.loop.limits import Limits, Price
from artis_sdk.loop.strategies.base import together
from artis_sdk.loop.tokens import PromptSize, message_tokens
from artis_sdk.records import Capabilities, Completion, Message, Request, Role, ToolCall, Usage


def request(text: str = "hello", **more: Any) -> Request:
    return Request(messages=(Message(role="user", content=text),), **more)


@dataclass
class Costly:
    """A backend that uses what it is told to, and remembers who was in flight with whom."""

    name = "costly"
    capabilities = Capabilities()
    usages: dict[str, Usage] = field(default_factory=dict)
    in_flight: set[str] = field(default_factory=set)
    last_admitted: set[str] = field(default_factory=set)
    most: int = 0

    async def complete(
        self, request: Request, *, on_token: Callable[[str], None] | None = None
    ) -> Completion:
        name = request.messages[0].content
        self.in_flight.add(name)
        self.last_admitted = set(self.in_flight)
        self.most = max(self.most, len(self.in_flight))
        for _ in range(len(name) % 4):
            await asyncio.sleep(0)
        self.in_flight.discard(name)
        return Completion(text="x", usage=self.usages[name])

    async def aclose(self) -> None:
        pass


class Hanging(Costly):
    cancelled = False

    async def complete(
        self, request: Request, *, on_token: Callable[[str], None] | None = None
    ) -> Completion:
        try:
            await asyncio.sleep(60)
        finally:
            self.cancelled = True
        raise AssertionError


@dataclass(frozen=True)
class Planned:
    """One call of the random plan."""

    name: str
    max_tokens: int
    prompt: int
    completion: int


Attempts = list[list[Planned]]


def estimated(call: Planned) -> int:
    return PromptSize().of(request(call.name)) + call.max_tokens


@st.composite
def plans(draw: st.DrawFn, *, outgrow: bool) -> Attempts:
    """Attempts, each a list of calls; with `outgrow` a call may use more than its estimate."""
    attempts = []
    for attempt in range(draw(st.integers(1, 6))):
        calls = []
        for number in range(draw(st.integers(1, 6))):
            name = f"{attempt}.{number}" + "x" * draw(st.integers(0, 40))
            most = PromptSize().of(request(name))
            max_tokens = draw(st.integers(1, 60))
            factor = 3 if outgrow else 1
            calls.append(
                Planned(
                    name,
                    max_tokens,
                    draw(st.integers(0, most * factor)),
                    draw(st.integers(0, max_tokens * factor)),
                )
            )
        attempts.append(calls)
    return attempts


async def spend(attempts: Attempts, budget: Budget, backend: Costly) -> None:
    async def one(index: int, calls: list[Planned]) -> None:
        meter = budget.for_attempt(index)
        try:
            for planned in calls:
                await meter.complete(
                    backend, Role.ACTION, request(planned.name, max_tokens=planned.max_tokens)
                )
        except LimitReached:
            pass

    await together(*[one(index, calls) for index, calls in enumerate(attempts)])


def backend_for(attempts: Attempts) -> Costly:
    return Costly(
        {
            call.name: Usage(requests=1, prompt_tokens=call.prompt, completion_tokens=call.completion)
            for calls in attempts
            for call in calls
        }
    )


@settings(deadline=None)
@given(plans(outgrow=False), st.integers(20, 900), st.sampled_from([0.0, 0.2, 0.5]))
async def test_tokens_are_never_exceeded_where_estimates_hold(
    attempts: Attempts, limit: int, reserve: float
) -> None:
    budget, backend = Budget(Limits(tokens=limit, reserve=reserve)), backend_for(attempts)
    await spend(attempts, budget, backend)
    assert budget.tokens <= limit * (1 - reserve)
    assert not backend.in_flight


@settings(deadline=None)
@given(plans(outgrow=True), st.integers(20, 900))
async def test_tokens_are_exceeded_by_no_more_than_the_stated_bound(attempts: Attempts, limit: int) -> None:
    budget, backend = Budget(Limits(tokens=limit, reserve=0)), backend_for(attempts)
    await spend(attempts, budget, backend)
    by_name = {call.name: call for calls in attempts for call in calls}
    last = [by_name[name] for name in backend.last_admitted]
    outgrown = sum(max(0, call.prompt + call.completion - estimated(call)) for call in last)
    assert budget.tokens <= limit + outgrown


@settings(deadline=None)
@given(plans(outgrow=False), st.floats(0.00001, 0.01))
async def test_cost_is_never_exceeded_where_estimates_hold(attempts: Attempts, limit: float) -> None:
    price = Price(prompt=3, cached=0.3, completion=15)
    budget, backend = Budget(Limits(cost=limit, reserve=0), prices={"costly": price}), backend_for(attempts)
    await spend(attempts, budget, backend)
    assert budget.cost <= limit + 1e-9
    assert budget.cost == pytest.approx(sum(price.of(usage) for usage in budget.usage.values()))


@settings(deadline=None)
@given(plans(outgrow=True), st.integers(1, 20))
async def test_steps_are_used_up_to_the_limit_and_never_beyond(attempts: Attempts, limit: int) -> None:
    budget, backend = Budget(Limits(steps=limit, reserve=0)), backend_for(attempts)
    await spend(attempts, budget, backend)
    assert budget.usage[Role.ACTION].requests == min(limit, sum(map(len, attempts)))


@pytest.mark.parametrize(
    ("limit", "reserve", "allowed"), [(10, 0.3, 7), (10, 0.2, 8), (10, 0.9, 1), (3, 0.1, 2), (1, 0.2, 0)]
)
async def test_a_rehearsal_leaves_the_reserve(limit: int, reserve: float, allowed: int) -> None:
    budget = Budget(Limits(steps=limit, reserve=reserve))
    backend = Costly({"hello": Usage(requests=1)})
    meter = budget.for_attempt(0)
    for _ in range(allowed):
        await meter.complete(backend, Role.ACTION, request())
    with pytest.raises(LimitReached, match="steps"):
        await meter.complete(backend, Role.ACTION, request())
    for _ in range(limit - allowed):
        await budget.for_commit().complete(backend, Role.ACTION, request())
    with pytest.raises(LimitReached, match="steps"):
        await budget.for_commit().complete(backend, Role.ACTION, request())


async def test_the_summary_may_draw_on_half_of_the_reserve() -> None:
    budget = Budget(Limits(tokens=300, reserve=2 / 3))
    backend = Costly({"hello": Usage(requests=1, prompt_tokens=90, completion_tokens=5)})
    await budget.for_attempt(0).complete(backend, Role.ACTION, request(max_tokens=10))
    with pytest.raises(LimitReached):
        await budget.for_attempt(0).complete(backend, Role.SUMMARY, request(max_tokens=10))
    await budget.for_summary().complete(backend, Role.SUMMARY, request(max_tokens=10))
    with pytest.raises(LimitReached):
        await budget.for_summary().complete(backend, Role.SUMMARY, request(max_tokens=10))
    await budget.for_commit().complete(backend, Role.ACTION, request(max_tokens=10))


async def test_a_call_waits_for_what_others_hold_instead_of_failing() -> None:
    usage = Usage(requests=1, prompt_tokens=20, completion_tokens=10)
    backend = Costly(dict.fromkeys(("a..", "b..", "c.."), usage))
    budget = Budget(Limits(tokens=1000, reserve=0))
    meters = [budget.for_attempt(index) for index in range(3)]
    await together(
        *[
            meter.complete(backend, Role.ACTION, request(name, max_tokens=600))
            for meter, name in zip(meters, backend.usages, strict=True)
        ]
    )
    assert budget.tokens == 90
    assert backend.most == 1  # two estimates of 600 do not fit beside each other


async def test_a_cancelled_or_failed_call_gives_back_what_it_held() -> None:
    budget = Budget(Limits(tokens=1000, reserve=0))
    meter = budget.for_attempt(0)
    waiting = asyncio.create_task(meter.complete(Hanging(), Role.ACTION, request(max_tokens=900)))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    failing = ScriptedBackend([BackendError("x", "down")], name="costly")
    with pytest.raises(BackendError):
        await meter.complete(failing, Role.ACTION, request(max_tokens=900))
    good = Costly({"hello": Usage(requests=1, prompt_tokens=1, completion_tokens=1)})
    await meter.complete(good, Role.ACTION, request(max_tokens=900))
    assert budget.tokens == 2


async def test_a_hanging_call_ends_when_the_seconds_are_used_up() -> None:
    budget, backend = Budget(Limits(seconds=0.1, reserve=0.5)), Hanging()
    with budget.running(), pytest.raises(LimitReached, match="seconds") as caught:
        await budget.for_attempt(0).complete(backend, Role.ACTION, request())
    assert backend.cancelled
    assert caught.value.allowed == 0.05
    assert 0.05 <= caught.value.used < 2


async def test_a_timeout_of_the_backends_own_is_not_taken_for_ours() -> None:
    backend = ScriptedBackend([TimeoutError("its own")])
    with pytest.raises(TimeoutError, match="its own"):
        await Budget(Limits(seconds=60)).for_attempt(0).complete(backend, Role.ACTION, request())


async def test_the_clock_stands_between_rehearsal_and_commit() -> None:
    budget = Budget()
    with budget.running(), budget.running():
        await asyncio.sleep(0.02)
    used = budget.seconds
    await asyncio.sleep(0.02)
    assert budget.seconds == used >= 0.02
    with budget.running():
        await asyncio.sleep(0.02)
        assert budget.seconds > used
    assert budget.seconds >= used + 0.02


async def test_a_begun_commit_goes_on_and_notes_the_overrun_once() -> None:
    events: list[Any] = []
    budget = Budget(Limits(tokens=100, steps=2, reserve=0), emit=events.append)
    backend = Costly({"hello": Usage(requests=1, prompt_tokens=80, completion_tokens=10)})
    meter = budget.for_commit()
    await meter.complete(backend, Role.ACTION, request(max_tokens=10))
    with pytest.raises(LimitReached):  # nothing real has been done
        await meter.complete(backend, Role.ACTION, request(max_tokens=10))
    assert not meter.overrun
    meter.begin()
    for _ in range(3):
        await meter.complete(backend, Role.ACTION, request(max_tokens=10))
    assert meter.overrun
    assert budget.steps == 4
    assert [event.limit for event in events if event.kind == "limit_hit"] == ["tokens", "steps"]
    assert len(budget.notes) == 2


async def test_a_commit_overtakes_and_attempts_have_seeds_of_their_own() -> None:
    backend, budget = ScriptedBackend(["x"] * 5), Budget()
    for meter in (*map(budget.for_attempt, range(3)), budget.for_commit()):
        await meter.complete(backend, Role.ACTION, request(seed=7))
    seeds = [sent.seed for sent in backend.requests]
    assert len(set(seeds[:3])) == 3
    assert seeds[0] == seeds[3] == 7
    assert backend.requests[3].priority < backend.requests[0].priority
    await budget.for_attempt(3).complete(backend, Role.ACTION, request())
    assert backend.requests[4].seed is None


async def test_usage_by_role_is_the_sum_of_what_the_backend_reported() -> None:
    events: list[Any] = []
    backend, budget = ScriptedBackend(["one", "two two", "three"]), Budget(emit=events.append)
    meter = budget.for_attempt(4)
    for role in (Role.ACTION, Role.EVALUATION, Role.ACTION):
        await meter.complete(backend, role, request("some text"))
    assert budget.usage[Role.ACTION].requests == 2
    assert {event.attempt for event in events} == {4}
    for role, usage in budget.usage.items():
        told = [event.usage for event in events if event.role is role]
        assert sum(told, Usage()) == usage
    assert budget.tokens == sum(usage.total_tokens for usage in budget.usage.values())


def test_a_cost_limit_needs_every_price_before_anything_runs() -> None:
    backend = ScriptedBackend([], name="openai:gpt-5-mini")
    with pytest.raises(ConfigurationError, match="openai:gpt-5-mini"):
        Budget(Limits(cost=1)).require_prices(backend)
    Budget(Limits(tokens=1)).require_prices(backend)
    Budget(Limits(cost=1), prices={backend.name: Price(prompt=1, completion=1)}).require_prices(backend)


async def test_an_unpriced_backend_is_not_called_under_a_cost_limit() -> None:
    backend = ScriptedBackend(["x"])
    with pytest.raises(ConfigurationError):
        await Budget(Limits(cost=1)).for_attempt(0).complete(backend, Role.ACTION, request())
    assert not backend.requests


@pytest.mark.parametrize(
    "wrong",
    [{"tokens": 0}, {"seconds": -1}, {"cost": float("inf")}, {"steps": 0}, {"reserve": 1}, {"token": 5}],
)
def test_limits_are_checked(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Limits(**wrong)


def test_cached_tokens_have_their_price() -> None:
    usage = Usage(prompt_tokens=1_000_000, cached_tokens=400_000, completion_tokens=100_000)
    assert Price(prompt=1, cached=0.1, completion=10).of(usage) == pytest.approx(0.6 + 0.04 + 1)
    assert Price(prompt=1, completion=10).of(usage) == pytest.approx(2)


MESSAGES = st.lists(
    st.builds(
        Message,
        role=st.just("user"),
        content=st.text(max_size=30),
        tool_calls=st.lists(st.builds(ToolCall, tool=st.text(max_size=5)), max_size=2).map(tuple),
    ),
    max_size=8,
)


@given(MESSAGES, st.data())
def test_a_growing_prompt_is_sized_as_if_read_anew(messages: list[Message], data: st.DataObject) -> None:
    size = PromptSize()
    for _ in range(3):
        part = tuple(messages[: data.draw(st.integers(0, len(messages)))])
        if len(part) > 2 and data.draw(st.booleans()):
            part = (part[0], Message(role="user", content="revised" * 9), *part[2:])
        assert size.of(Request(messages=part)) == sum(map(message_tokens, part))
