"""Text that a grammar allows alone: written without asking the model, and the same as with it."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest
from helpers.llama import ask, opened, running

from artis_sdk.backends.llama_cpp import LlamaCppBackend
from artis_sdk.backends.llama_cpp.context import Context
from artis_sdk.backends.llama_cpp.grammar import Matcher
from artis_sdk.records import Completion, Request, ToolSpec

pytestmark = pytest.mark.engine

RECEIPT: dict[str, Any] = {
    "type": "object",
    "properties": {
        "the receipt's number": {"type": "integer", "minimum": 0, "maximum": 9},
        "whether the payment was accepted": {"type": "boolean"},
    },
    "required": ["the receipt's number", "whether the payment was accepted"],
    "additionalProperties": False,
}
LONG = {"const": " ".join(f"part {n}" for n in range(100))}
PAY = ToolSpec(
    name="pay_the_invoice",
    description="Pay.",
    parameters={"type": "object", "properties": {"amount": {"type": "boolean"}}, "required": ["amount"]},
)


@pytest.fixture
def batches(monkeypatch: pytest.MonkeyPatch) -> list[list[int]]:
    """Sizes of the spans of each batch that is computed."""
    seen: list[list[int]] = []
    decode = Context.decode

    def watched(self: Context, spans: Any) -> None:
        listed = list(spans)
        seen.append([len(span.tokens) for span in listed])
        decode(self, listed)

    monkeypatch.setattr(Context, "decode", watched)
    return seen


def without_forcing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Matcher, "forced", lambda _: [])


def tokens(backend: LlamaCppBackend, text: str) -> list[int]:
    return list(running(backend).model.tokenize(text, special=True))


async def test_forced_text_takes_one_batch_and_the_model_fills_in_the_rest(
    batches: list[list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    request = ask("Give a receipt.", schema=RECEIPT, temperature=0.0, max_tokens=200)
    async with opened() as backend:
        answer = await backend.complete(request)
        steps = len(batches)
        assert set(json.loads(answer.text)) == set(RECEIPT["properties"])
        assert answer.usage.completion_tokens > 3 * steps
        with monkeypatch.context() as patched:
            without_forcing(patched)
            batches.clear()
            plain = await backend.complete(request)
            assert len(batches) > 3 * steps
    assert json.loads(plain.text) == json.loads(answer.text)


@pytest.mark.parametrize("count", [1, 8])
async def test_calls_are_the_same_side_by_side_and_alone(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    requests = [
        ask(f"Pay {n}.", tools=(PAY,), tool_choice="required", temperature=0.0, max_tokens=100)
        for n in range(count)
    ]

    async def answers() -> list[Completion]:
        async with opened(max_concurrency=count) as backend:
            return await asyncio.gather(*map(backend.complete, requests))

    forced = await answers()
    without_forcing(monkeypatch)
    for one, other in zip(forced, await answers(), strict=True):
        assert [(call.tool, call.arguments) for call in one.tool_calls] == [
            (call.tool, call.arguments) for call in other.tool_calls
        ]
        assert one.tool_calls[0].tool == PAY.name


async def test_a_seed_gives_the_same_text_whether_or_not_every_token_is_asked_for() -> None:
    asked = {"schema": RECEIPT, "temperature": 1.0, "max_tokens": 200}
    async with opened() as backend:
        texts = set()
        for seed in range(8):
            request = ask("Give a receipt.", seed=seed, **asked)
            forced = await backend.complete(request)
            plain = await backend.complete(replace(request, logprobs=True))
            assert json.loads(forced.text) == json.loads(plain.text)
            texts.add(forced.text)
    assert len(texts) > 1


async def test_forced_text_longer_than_a_batch_is_computed_in_parts(batches: list[list[int]]) -> None:
    schema = {"type": "array", "prefixItems": [LONG, {"type": "boolean"}], "items": False, "minItems": 2}
    request = ask("Say all of it.", schema=schema, temperature=0.0, max_tokens=2000)
    async with opened(n_ctx=4096, n_batch=64, max_concurrency=4) as backend:
        answers = await asyncio.gather(*(backend.complete(request) for _ in range(4)))
    assert max(map(sum, batches)) <= 64
    for answer in answers:
        assert json.loads(answer.text)[0] == LONG["const"]
        assert answer.finish_reason == "stop"


@pytest.mark.parametrize("limit", [1, 5, 20])
async def test_the_limit_of_tokens_holds_inside_forced_text(limit: int) -> None:
    async with opened() as backend:
        answer = await backend.complete(ask("Say it.", schema=LONG, max_tokens=limit))
        assert answer.finish_reason == "length"
        assert answer.usage.completion_tokens == limit
        assert json.dumps(LONG["const"]).startswith(answer.text)


async def test_an_answer_that_ends_with_its_last_token_is_whole() -> None:
    async with opened() as backend:
        whole = await backend.complete(ask("Say it.", schema=LONG, max_tokens=2000))
        again = await backend.complete(ask("Say it.", schema=LONG, max_tokens=whole.usage.completion_tokens))
    assert (again.text, again.finish_reason) == (whole.text, "stop")


async def test_a_stop_string_is_found_in_forced_text() -> None:
    async with opened() as backend:
        answer = await backend.complete(ask("Say it.", schema=LONG, max_tokens=2000, stop=("part 7",)))
    assert answer.text == json.dumps(LONG["const"]).partition("part 7")[0]
    assert answer.finish_reason == "stop"


async def test_log_probabilities_are_the_models_and_nothing_is_forced(batches: list[list[int]]) -> None:
    request = ask("Give a receipt.", schema=RECEIPT, temperature=0.0, max_tokens=200, logprobs=True)
    async with opened() as backend:
        answer = await backend.complete(request)
    assert answer.logprobs is not None
    assert len(answer.logprobs) == answer.usage.completion_tokens
    assert all(sizes == [1] for sizes in batches[1:])
    assert min(each.logprob for each in answer.logprobs) < -1e-3


async def test_the_tokens_are_those_that_the_model_writes_itself() -> None:
    """A simulator was trained on the tokenizer's tokens of its answers."""
    seen: list[tuple[int, ...]] = []
    async with opened() as backend:
        await backend.complete(ask("Say it.", schema=LONG, max_tokens=2000))
        engine = running(backend)
        whole = engine.completion

        def watched(request: Request, job: Any, generated: Any) -> Completion:
            seen.append(generated.tokens)
            return whole(request, job, generated)

        engine.completion = watched  # type: ignore[method-assign]
        await backend.complete(ask("Say it.", schema=LONG, max_tokens=2000))
        assert list(seen[0]) == tokens(backend, json.dumps(LONG["const"]))
