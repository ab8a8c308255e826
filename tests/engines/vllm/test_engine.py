"""vLLM in process: a real engine, real weights, a real adapter."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import re
import shutil
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from helpers.loop_lag import loop_lags
from helpers.vllm import (
    ENGINE_ARGS,
    IN_PROCESS,
    adapters,
    all_gone,
    ask,
    check_cancelled,
    descendants,
    model,
)

from artis_sdk.backends import resolve
from artis_sdk.backends.conformance import suite as conformance
from artis_sdk.backends.vllm import VLLMBackend
from artis_sdk.errors import BackendClosed, ConfigurationError, ContextOverflow, RequestRejected
from artis_sdk.records import Completion, Message, Request, ToolSpec

pytestmark = IN_PROCESS

BLOCK = 16  # tokens of a cache block; on a CPU it is 128

MOVE = ToolSpec(
    name="move",
    parameters={
        "type": "object",
        "properties": {"direction": {"enum": ["north", "south"]}},
        "required": ["direction"],
        "additionalProperties": False,
    },
)


@pytest_asyncio.fixture(scope="module")
async def backend(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[VLLMBackend]:
    broken = tmp_path_factory.mktemp("adapters") / "broken"
    shutil.copytree(adapters()["simulator"], broken)
    (broken / "adapter_model.safetensors").write_bytes(b"no weights")
    made = resolve(f"vllm:{model()}", adapters={**adapters(), "broken": broken}, engine_args=ENGINE_ARGS)
    assert isinstance(made, VLLMBackend)
    try:
        await made.start()
        yield made
    finally:
        await made.aclose()


def lazy(path: str | None = None, **engine_args: object) -> VLLMBackend:
    return VLLMBackend(path or model(), engine_args={**ENGINE_ARGS, **engine_args})


BROKEN = {
    "a model that is not there": (lambda: lazy("/no/such/model"), ConfigurationError),
    "an argument that vLLM does not know": (lambda: lazy(no_such_argument=1), ConfigurationError),
    "an adapter that is no adapter": (
        lambda: VLLMBackend(model(), adapters={"x": "/no/such/adapter"}),
        ConfigurationError,
    ),
}


@pytest.mark.parametrize(
    "check",
    [each for each in conformance.CHECKS if each is not conformance.use_after_close],  # the last test's
    ids=lambda check: check.__name__,
)
async def test_conformance(check: conformance.Check, backend: VLLMBackend) -> None:
    try:
        # A model with random weights may make many calls before it makes an end. Closed in flight while
        # it starts here, and while it runs by the last test.
        profile = conformance.Profile(make=lazy, shared=backend, broken=BROKEN, structured_tokens=1500)
        await check(profile)
    except conformance.Skip as skip:
        pytest.skip(str(skip))


# --- adapters ---------------------------------------------------------------------------------


@pytest.mark.parametrize("adapter", [None, "simulator"])
async def test_the_same_tokens_as_transformers_and_peft(backend: VLLMBackend, adapter: str | None) -> None:
    """The prompt, the weights and the adapter are the right ones: greedy answers agree token by token."""
    completion = await backend.complete(
        Request(messages=ask("Where to?"), temperature=0.0, max_tokens=24, logprobs=True, adapter=adapter)
    )
    assert completion.logprobs is not None
    expected = await asyncio.to_thread(greedy, ask("Where to?"), adapter, 24)
    assert [token.id for token in completion.logprobs] == expected


def greedy(messages: tuple[Message, ...], adapter: str | None, tokens: int) -> list[int]:
    import peft
    import torch
    import transformers

    loaders: Any = transformers
    tokenizer = loaders.AutoTokenizer.from_pretrained(model())
    weights = loaders.AutoModelForCausalLM.from_pretrained(model())
    if adapter is not None:
        weights = peft.PeftModel.from_pretrained(weights, adapters()[adapter])
    turns = [{"role": message.role, "content": message.content} for message in messages]
    prompt = tokenizer.apply_chat_template(
        turns, add_generation_prompt=True, return_dict=False, return_tensors="pt"
    )
    with torch.no_grad():
        whole = weights.generate(input_ids=prompt, do_sample=False, max_new_tokens=tokens)
    ids: list[int] = whole[0, prompt.shape[1] :].tolist()
    return ids


async def test_base_and_adapter_in_one_batch(backend: VLLMBackend) -> None:
    """Agent and simulator decode together, with log-probabilities and seeds, and the engine lives."""
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(
                backend.complete(
                    Request(
                        messages=ask(f"Question {i}"),
                        max_tokens=24,
                        seed=i,
                        logprobs=True,
                        adapter="simulator" if i % 2 else None,
                    )
                )
            )
            for i in range(12)
        ]
    assert all(len(task.result().logprobs or ()) == 24 for task in tasks)


async def test_a_broken_adapter_is_an_error_and_the_engine_lives(backend: VLLMBackend) -> None:
    for _ in range(2):
        with pytest.raises(ConfigurationError, match="broken"):
            await backend.complete(Request(messages=ask("Hi"), max_tokens=4, adapter="broken"))
    assert (await backend.complete(Request(messages=ask("Hi"), max_tokens=4))).text


# --- prefix cache -----------------------------------------------------------------------------


async def test_cached_tokens_are_reported_by_adapter(backend: VLLMBackend) -> None:
    messages = ask("The same long story. " * 40)
    first, second, adapted = [
        (await backend.complete(Request(messages=messages, max_tokens=2, adapter=adapter))).usage
        for adapter in (None, None, "simulator")
    ]
    assert first.prompt_tokens == second.prompt_tokens > 256
    assert first.cached_tokens == 0
    assert second.cached_tokens >= 128
    assert second.cached_tokens % BLOCK == 0
    assert adapted.cached_tokens == 0, "the adapter's keys and values are not the base model's"


# --- scheduling -------------------------------------------------------------------------------


async def test_a_commit_overtakes_rehearsals(backend: VLLMBackend) -> None:
    """It is sent when the first of three batches has begun, 200 steps before that batch ends."""
    waiting = 3 * ENGINE_ARGS["max_num_seqs"]
    for commit_priority, before_it in ((0, range(waiting - 8, waiting + 1)), (-1, range(9))):
        ended = 0
        begun = asyncio.Event()

        async def rehearse(i: int, begun: asyncio.Event) -> None:
            nonlocal ended
            request = Request(messages=ask(f"Rehearse {i}"), max_tokens=200)
            await backend.complete(request, on_token=lambda _: begun.set())
            ended += 1

        async with asyncio.TaskGroup() as group:
            for i in range(waiting):
                group.create_task(rehearse(i, begun))
            await begun.wait()
            await backend.complete(Request(messages=ask("Commit"), max_tokens=2, priority=commit_priority))
            assert ended in before_it, f"at priority {commit_priority} {ended} rehearsals came first"


async def test_long_prompts_with_seeds_together(backend: VLLMBackend) -> None:
    """With chunked prefill this kills a CPU engine."""
    requests = [
        Request(messages=ask(f"{i}: " + "Much to read. " * 100), seed=i % 3, max_tokens=16) for i in range(12)
    ]
    completions = await asyncio.gather(*map(backend.complete, requests))
    assert all(completion.usage.completion_tokens == 16 for completion in completions)


async def test_cancelled_requests_hold_nothing(backend: VLLMBackend) -> None:
    """Had a hundred requests of 1,500 tokens gone on, one more would have to wait for minutes."""
    await check_cancelled(backend, 100)
    assert backend.requests_under_way == 0


async def test_a_listener_that_raises_ends_its_request(backend: VLLMBackend) -> None:
    class Enough(Exception):
        pass

    def listen(piece: str) -> None:
        raise Enough

    with pytest.raises(Enough):
        await backend.complete(Request(messages=ask("Talk on."), max_tokens=1500), on_token=listen)
    async with asyncio.timeout(10):
        await backend.complete(Request(messages=ask("Still there?"), max_tokens=4))


async def test_the_event_loop_goes_on_during_decoding(backend: VLLMBackend) -> None:
    def ignore(piece: str) -> None: ...

    requests = [Request(messages=ask(f"Story {i}. " * 50), max_tokens=64) for i in range(16)]
    async with loop_lags() as late:
        await asyncio.gather(*(backend.complete(request, on_token=ignore) for request in requests))
    late.sort()
    assert len(late) > 50
    assert late[int(0.95 * len(late))] < 0.1, "the 95th percentile of the loop's lag, in seconds"


async def test_another_event_loop_is_refused(backend: VLLMBackend) -> None:
    errors: list[BaseException] = []

    def other_loop() -> None:
        try:
            asyncio.run(backend.complete(Request(messages=ask("Hi"))))
        except ConfigurationError as error:
            errors.append(error)

    thread = threading.Thread(target=other_loop)
    thread.start()
    await asyncio.to_thread(thread.join)
    assert "event loop" in str(errors[0])


# --- what is written --------------------------------------------------------------------------


BLANKS = re.compile(r"\s\s")


async def test_json_has_no_blanks_to_get_lost_in(backend: VLLMBackend) -> None:
    schema = {
        "type": "object",
        "properties": {"a": {"type": "integer", "minimum": 0, "maximum": 9}, "b": {"type": "boolean"}},
        "required": ["a", "b"],
        "additionalProperties": False,
    }
    held = [Request(messages=ask("JSON!"), schema=schema, seed=seed, max_tokens=64) for seed in range(12)]
    for completion in await asyncio.gather(*map(backend.complete, held)):
        assert json.loads(completion.text).keys() == {"a", "b"}
        assert not BLANKS.search(completion.text)
    called = [
        Request(messages=ask("Go"), tools=(MOVE,), tool_choice="required", seed=seed, max_tokens=64)
        for seed in range(12)
    ]
    for completion in await asyncio.gather(*map(backend.complete, called)):
        assert not completion.tool_calls[0].malformed
        assert not BLANKS.search(completion.raw)


async def test_a_schema_that_cannot_be_held_is_refused(backend: VLLMBackend) -> None:
    unheld = {"type": "array", "items": {"type": "integer"}, "uniqueItems": True}
    with pytest.raises(RequestRejected, match="schema"):
        await backend.complete(Request(messages=ask("JSON!"), schema=unheld))


@pytest.mark.parametrize("stream", [False, True])
async def test_tools_are_in_the_prompt_and_calls_out_of_the_text(backend: VLLMBackend, stream: bool) -> None:
    plain = await backend.complete(Request(messages=ask("Go"), max_tokens=4))

    async def call() -> Completion:
        pieces: list[str] = []
        called = await backend.complete(
            Request(messages=ask("Go"), tools=(MOVE,), tool_choice="required", max_tokens=1200),
            on_token=pieces.append if stream else None,
        )
        assert "".join(pieces) == (called.text if stream else "")
        return called

    # After each call random weights decide whether another follows: 300 tokens on average, and one answer
    # in fifty is cut at 1,200. It is held to the same, but for its last call.
    answers = await asyncio.gather(*(call() for _ in range(3)))
    for called in answers:
        cut = called.finish_reason == "length"
        assert called.finish_reason in ("length", "tool_calls")
        assert called.usage.completion_tokens == 1200 or not cut
        assert called.usage.prompt_tokens > plain.usage.prompt_tokens + 50
        whole = [call for call in called.tool_calls if not call.malformed]
        assert {call.tool for call in whole} == {"move"}
        assert len(called.tool_calls) - len(whole) <= cut
        assert "<tool_call>" in called.raw
        assert "<tool_call>" not in called.text
    assert any(called.finish_reason == "tool_calls" for called in answers)


async def test_a_call_cut_short_is_malformed(backend: VLLMBackend) -> None:
    cut = await backend.complete(
        Request(messages=ask("Go"), tools=(MOVE,), tool_choice="required", max_tokens=12)
    )
    assert cut.finish_reason == "length"
    (call,) = cut.tool_calls
    assert call.malformed
    assert call.raw
    assert call.raw in cut.raw


async def test_stop_strings_in_a_stream(backend: VLLMBackend) -> None:
    request = Request(messages=ask("Tell"), temperature=0.0, max_tokens=48)
    free = (await backend.complete(request)).text
    stop = free[len(free) // 2 :][:3]
    pieces: list[str] = []
    held = await backend.complete(
        Request(messages=ask("Tell"), temperature=0.0, max_tokens=48, stop=(stop,)), on_token=pieces.append
    )
    assert "".join(pieces) == held.text == free[: free.index(stop)]
    assert held.finish_reason == "stop"


async def test_answers_are_cut_at_the_window_and_prompts_refused(backend: VLLMBackend) -> None:
    window: int = ENGINE_ARGS["max_model_len"]
    assert backend.capabilities.context_window == window
    nearly = Request(messages=ask("word " * 700), temperature=0.0, max_tokens=10 * window)
    completion = await backend.complete(nearly)
    assert completion.finish_reason == "length"
    assert completion.usage.total_tokens == window
    fits_exactly = await length_of(backend, window)
    with pytest.raises(ContextOverflow):
        await backend.complete(Request(messages=ask(fits_exactly)))


async def length_of(backend: VLLMBackend, tokens: int) -> str:
    """A question whose prompt has exactly so many tokens."""
    base = (await backend.complete(Request(messages=ask(""), max_tokens=1))).usage.prompt_tokens
    one = (await backend.complete(Request(messages=ask("\t" * 100), max_tokens=1))).usage.prompt_tokens - base
    return "\t" * ((tokens - base) * 100 // one)


# --- ends -------------------------------------------------------------------------------------


async def test_closing_while_it_starts_leaves_no_process() -> None:
    starting = lazy()
    task = asyncio.create_task(starting.complete(Request(messages=ask("Hi"))))
    before = descendants(os.getpid())
    fresh: set[int] = set()
    for _ in range(1200):
        fresh = descendants(os.getpid()) - before
        if fresh:
            break
        await asyncio.sleep(0.1)
    assert fresh
    await starting.aclose()
    with pytest.raises(BackendClosed):
        await task
    assert all_gone(fresh, 5.0)
    gc.collect()  # what vLLM forgot to close would warn here


async def test_conformance_use_after_close(backend: VLLMBackend) -> None:
    """Last, because it ends the module's engine; with it, requests under way end."""
    processes = backend.process_ids
    request = Request(messages=ask("Talk on."), max_tokens=1500, temperature=0.0)
    under_way = ENGINE_ARGS["max_num_seqs"] - 1  # and one is left for the check
    tasks = [asyncio.create_task(backend.complete(request)) for _ in range(under_way)]
    await conformance.use_after_close(conformance.Profile(make=lambda: backend))
    async with asyncio.timeout(10):
        ends = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(end) for end in ends] == [BackendClosed] * under_way
    assert all_gone(processes, 1.0)
    await backend.aclose()
    gc.collect()
