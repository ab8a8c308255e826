"""The duties of every backend, as checks that a third party's tests can run too.

A model with random weights answers gibberish, so no check looks at meaning: each asserts a law that
holds for any model (the schema is held, a stop string is absent, the same seed gives the same text).
Checks of a missing capability are skipped with that reason. With pytest:

    from artis_sdk.backends.conformance import suite as conformance

    @pytest.mark.parametrize("check", conformance.CHECKS, ids=lambda check: check.__name__)
    async def test_my_backend(check):
        profile = conformance.Profile(make=lambda: MyBackend("model"))
        try:
            await check(profile)
        except conformance.Skip as skip:
            pytest.skip(str(skip))

Without pytest, `await conformance.run(profile)` returns one result per check.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ValidationError

from artis_sdk.backends.conformance.laws import (
    Check,
    Judgement,
    Make,
    Profile,
    Skip,
    Verdict,
    answered,
    ask,
    check_completion,
    made,
    make_and_ask,
    may_apply,
    need,
    opened,
    raises,
)
from artis_sdk.backends.conformance.tools import (
    offered_calls_fit,
    parallel_tool_calls,
    required_calls_end,
    tools_offered,
    tools_refused,
    tools_required,
)
from artis_sdk.contracts import Backend
from artis_sdk.errors import ArtisError, BackendClosed, BackendError, ConfigurationError, ContextOverflow
from artis_sdk.records import Completion, Request, answer_limit

__all__ = ["CHECKS", "Check", "CheckResult", "Make", "Profile", "Skip", "run"]


@dataclass(frozen=True, slots=True)
class CheckResult:
    check: str
    outcome: Literal["passed", "skipped", "failed"]
    detail: str = ""


async def run(profile: Profile) -> list[CheckResult]:
    """Run every check in order; no failure stops the others."""
    results = []
    for check in CHECKS:
        name = check.__name__
        try:
            await check(profile)
        except Skip as skip:
            results.append(CheckResult(name, "skipped", str(skip)))
        except (AssertionError, ArtisError, TimeoutError, ValidationError, ExceptionGroup) as error:
            results.append(CheckResult(name, "failed", f"{type(error).__name__}: {error}"))
        else:
            results.append(CheckResult(name, "passed"))
    return results


# --- the checks -------------------------------------------------------------------------------


async def plain_chat(profile: Profile) -> None:
    """A question gets an answer, and a second one gets its own."""
    async with opened(profile, plain_chat) as backend:
        assert backend.name
        assert isinstance(backend, Backend)
        for text in ("Say hello.", 'Zähle: 一, 二 🙂\n\t"quoted" \\ {braces} <tags>'):
            request = Request(messages=ask(text), max_tokens=profile.max_tokens)
            completion = await answered(backend, request)
            assert completion.tool_calls == ()
            assert completion.finish_reason in ("stop", "length")


async def max_tokens(profile: Profile) -> None:
    """An answer is cut at `max_tokens`, and its finish reason says so."""
    async with opened(profile, max_tokens) as backend:
        request = Request(messages=ask("Count to a thousand."), max_tokens=4)
        completion = await answered(backend, request)
        assert completion.finish_reason in ("stop", "length")


def check_fits(model: type[BaseModel], completion: Completion) -> None:
    try:
        model.model_validate_json(completion.text)
    except ValidationError as error:
        raise AssertionError(f"{completion.text!r} breaks the schema: {error}") from error


async def json_schema(profile: Profile) -> None:
    """A text under a schema is JSON that fits it, every time and at any temperature."""
    async with opened(profile, json_schema) as backend:
        need(backend.capabilities.structured_output, "no structured output")
        schema = Verdict.model_json_schema()
        for temperature in (0.01, 1.0):
            for number in range(3):
                request = Request(
                    messages=ask(f"Judge number {number}."),
                    schema=schema,
                    temperature=temperature,
                    seed=number if backend.capabilities.seed else None,
                    max_tokens=profile.structured_tokens,
                )
                check_fits(Verdict, await answered(backend, request))


async def bounded_strings(profile: Profile) -> None:
    """Bounds of strings, constants and alternatives in a schema hold."""
    async with opened(profile, bounded_strings) as backend:
        need(backend.capabilities.structured_output, "no structured output")
        for seed in range(3):
            request = Request(
                messages=ask("Judge, and give your reasons."),
                schema=Judgement.model_json_schema(),
                seed=seed if backend.capabilities.seed else None,
                max_tokens=profile.structured_tokens,
            )
            check_fits(Judgement, await answered(backend, request))


async def bounded_without_a_limit(profile: Profile) -> None:
    """An answer to a request without `max_tokens` leaves room for the next prompt."""
    async with opened(profile, bounded_without_a_limit) as backend:
        answer = await answered(backend, Request(messages=ask("Count to a million, without a pause.")))
        most = answer_limit(backend.capabilities.context_window)
        assert answer.usage.completion_tokens <= most, f"{answer.usage.completion_tokens} tokens"


async def stop_strings(profile: Profile) -> None:
    """The answer ends before a stop string, and the stop string is not in it."""
    async with opened(profile, stop_strings) as backend:
        messages = ask("Tell a long story.")
        free = await answered(
            backend, Request(messages=messages, temperature=0.0, max_tokens=profile.max_tokens)
        )
        if len(free.text) < 4:
            raise Skip(f"the model said only {free.text!r}: nothing to stop at")
        middle = len(free.text) // 2
        for stop in (free.text[middle], free.text[middle : middle + 3]):
            request = Request(
                messages=messages, temperature=0.0, max_tokens=profile.max_tokens, stop=("\x01no", stop)
            )
            held = await answered(backend, request)
            assert held.finish_reason in ("stop", "length")


async def same_seed_same_text(profile: Profile) -> None:
    """One seed leads to one text at temperature 1; several seeds do not all lead to the same.

    The prompt was computed before: a prompt from a cache gives slightly other numbers than a fresh one.
    """
    async with opened(profile, same_seed_same_text) as backend:
        need(backend.capabilities.seed, "no seed")
        texts = []
        await answered(backend, Request(messages=ask("Say something."), max_tokens=1))
        for seed in (1, 1, 2, 3, 4):
            request = Request(messages=ask("Say something."), seed=seed, max_tokens=profile.max_tokens)
            texts.append((await answered(backend, request)).text)
        assert texts[0] == texts[1], f"one seed, two texts: {texts[0]!r}, {texts[1]!r}"
        if len(texts[0]) < 8:
            raise Skip(f"the model said only {texts[0]!r}: too short to distinguish seeds")
        assert len(set(texts)) > 1, "every seed leads to the same text"


async def usage_counts(profile: Profile) -> None:
    """Usage counts one request, and a longer prompt has more tokens."""
    async with opened(profile, usage_counts) as backend:
        short = await answered(backend, Request(messages=ask("Hi."), max_tokens=8))
        long = await answered(backend, Request(messages=ask("Hi. " * 40), max_tokens=8))
        assert short.usage.requests == 1
        assert long.usage.prompt_tokens > short.usage.prompt_tokens
        if short.text:
            assert short.usage.completion_tokens > 0


async def log_probabilities(profile: Profile) -> None:
    """Each generated token has a log-probability, and it is at most zero."""
    async with opened(profile, log_probabilities) as backend:
        need(backend.capabilities.logprobs, "no log-probabilities")
        request = Request(messages=ask("Say something."), logprobs=True, max_tokens=16)
        completion = await answered(backend, request)
        if completion.usage.completion_tokens <= 1:
            raise Skip("the model said nothing")
        assert completion.logprobs, "no log-probabilities came"
        assert all(token.logprob <= 1e-6 for token in completion.logprobs)
        assert len(completion.logprobs) <= completion.usage.completion_tokens
        without = await answered(backend, Request(messages=request.messages, max_tokens=16))
        assert without.logprobs is None


async def streaming(profile: Profile) -> None:
    """The streamed pieces add up to the text, nothing more and nothing less."""
    async with opened(profile, streaming) as backend:
        pieces: list[str] = []
        request = Request(messages=ask("Tell a story."), max_tokens=profile.max_tokens)
        completion = await backend.complete(request, on_token=pieces.append)
        check_completion(completion, request)
        if not backend.capabilities.streaming:
            assert pieces == [], "a backend that does not stream never calls on_token"
            raise Skip("no streaming")
        assert "".join(pieces) == completion.text


async def cancellation(profile: Profile) -> None:
    """A cancelled request ends at once, and the backend continues to work."""
    async with opened(profile, cancellation) as backend:
        for delay in (0.0, 0.001, 0.05):
            async with asyncio.TaskGroup() as group:
                tasks = [
                    group.create_task(backend.complete(Request(messages=ask(f"Talk {i}."), max_tokens=256)))
                    for i in range(4)
                ]
                await asyncio.sleep(delay)
                running = [task for task in tasks if task.cancel()]
                started = asyncio.get_running_loop().time()
                await asyncio.wait(tasks)
                assert asyncio.get_running_loop().time() - started < 5.0, "a cancelled request kept running"
                assert all(task.cancelled() for task in running), "a cancellation was lost"
            await answered(backend, Request(messages=ask("Still there?"), max_tokens=8))


async def concurrency(profile: Profile) -> None:
    """Many requests at once are all answered."""
    async with opened(profile, concurrency) as backend:
        requests = [
            Request(messages=ask(f"Question {i}. " + "More. " * i), max_tokens=16, priority=i % 3)
            for i in range(profile.concurrency)
        ]
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(answered(backend, request)) for request in requests]
        prompts = [task.result().usage.prompt_tokens for task in tasks]
        assert prompts == sorted(prompts), "answers went to the wrong questions"


async def context_overflow(profile: Profile) -> None:
    """A prompt longer than the context is a `ContextOverflow`, and the backend continues to work."""
    async with opened(profile, context_overflow) as backend:
        window = backend.capabilities.context_window
        request = profile.overflow
        if request is None:
            need(window is not None, "the context's length is not known")
            request = Request(messages=ask("word " * (2 * (window or 0))), max_tokens=8)
        await raises(ContextOverflow, backend.complete(request), "a prompt longer than the context")
        await answered(backend, Request(messages=ask("Still there?"), max_tokens=8))


async def unknown_adapter(profile: Profile) -> None:
    """A missing adapter is an error, never an answer of the base model."""
    async with opened(profile, unknown_adapter) as backend:
        request = Request(messages=ask("Hi."), adapter="no-such-adapter", max_tokens=8)
        await raises((ConfigurationError, BackendError), backend.complete(request), "an unknown adapter")
        await answered(backend, Request(messages=ask("Still there?"), max_tokens=8))


async def error_mapping(profile: Profile) -> None:
    """A backend that cannot answer raises the error that says why, and no other."""
    may_apply(profile, error_mapping)
    if not profile.broken:
        raise Skip("the profile names no broken backends")
    for what, (make, expected) in profile.broken.items():
        async with asyncio.timeout(profile.timeout):
            await raises(expected, make_and_ask(make), what)


async def closing_twice(profile: Profile) -> None:
    """Closing is idempotent, also before the first request."""
    may_apply(profile, closing_twice)
    backend = await made(profile.make)
    async with asyncio.timeout(profile.timeout):
        await backend.aclose()
        await backend.aclose()


async def use_after_close(profile: Profile) -> None:
    """A closed backend raises `BackendClosed`."""
    may_apply(profile, use_after_close)
    backend = await made(profile.make)
    async with asyncio.timeout(profile.timeout):
        try:
            await answered(backend, Request(messages=ask("Hi."), max_tokens=8))
        finally:
            await backend.aclose()
        request = Request(messages=ask("Hi again."), max_tokens=8)
        await raises(BackendClosed, backend.complete(request), "use after close")


async def closing_in_flight(profile: Profile) -> None:
    """Closing ends requests that are under way: with an answer or a typed error, never a hang."""
    may_apply(profile, closing_in_flight)
    backend = await made(profile.make)
    async with asyncio.timeout(profile.timeout):
        request = Request(messages=ask("Talk."), max_tokens=256)
        tasks = [asyncio.create_task(backend.complete(request)) for _ in range(4)]
        try:
            await asyncio.sleep(0.02)
            await backend.aclose()
            for end in await asyncio.gather(*tasks, return_exceptions=True):
                assert isinstance(end, (Completion, BackendError)), f"ended with {end!r}"
        finally:  # even if the backend hangs: nothing is left behind
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks, timeout=5.0)


CHECKS: tuple[Check, ...] = (
    plain_chat,
    max_tokens,
    tools_offered,
    tools_required,
    required_calls_end,
    offered_calls_fit,
    tools_refused,
    parallel_tool_calls,
    json_schema,
    bounded_strings,
    bounded_without_a_limit,
    stop_strings,
    same_seed_same_text,
    usage_counts,
    log_probabilities,
    streaming,
    cancellation,
    concurrency,
    context_overflow,
    unknown_adapter,
    error_mapping,
    closing_twice,
    use_after_close,
    closing_in_flight,
)
