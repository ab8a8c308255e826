"""Decoding requests that come and go: each as if it were alone, and nothing computed that is known."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

pytestmark = pytest.mark.engine
torch: Any = pytest.importorskip("torch")

from helpers.small_families import FAMILIES, VOCABULARY, small_model  # noqa: E402

from artis_sdk.trainers.agent.generate import Ask, Generator, Piece  # noqa: E402
from artis_sdk.trainers.agent.torch_decoder import TorchDecoder  # noqa: E402

torch.set_num_threads(1)


def tokens(number: int, seed: int) -> list[int]:
    found: list[int] = torch.randint(
        1, VOCABULARY, (number,), generator=torch.Generator().manual_seed(seed)
    ).tolist()
    return found


def ask(context: list[int], limit: int, seed: int = 0) -> Ask:
    return Ask(context, limit, lambda ids: False, seed)


def decoder(model: Any, temperature: float = 0.0) -> TorchDecoder:
    return TorchDecoder(model, pad=0, ends=frozenset(), temperature=temperature)


def all_of(made: TorchDecoder, *arrivals: Sequence[Ask]) -> dict[Ask, Piece]:
    """The pieces of requests that arrive in steps, one after the other."""
    found = dict[Ask, Piece]()
    wanted = sum(map(len, arrivals))
    coming = iter(arrivals)
    while len(found) < wanted:
        found.update(made.step(next(coming, ())))
    return found


def alone(model: Any, one: Ask) -> Piece:
    """What the model itself says greedily, without a cache."""
    ids, logprobs = list(one.context), list[float]()
    with torch.no_grad():
        for _ in range(one.limit):
            chances = torch.log_softmax(model(input_ids=torch.tensor([ids])).logits[0, -1].float(), -1)
            ids.append(int(chances.argmax()))
            logprobs.append(float(chances.max()))
    return Piece(ids[len(one.context) :], logprobs, "limit")


@pytest.mark.parametrize("family", FAMILIES)
def test_requests_that_come_and_go_are_as_if_alone(family: str) -> None:
    """Of other lengths, in other steps, a further turn of one that ended, and one that begins like it."""
    model = small_model(family).eval()
    asks = [ask(tokens(n, n), limit) for n, limit in ((3, 9), (14, 2), (8, 5), (21, 1), (5, 7))]
    made = decoder(model)
    found = all_of(made, asks[:2], asks[2:4], (), asks[4:])
    again = [ask([*one.context, *found[one].ids, *tokens(4, 99)], 4) for one in asks[:3]]
    like = [ask([*asks[3].context[:17], *tokens(5, 98)], 3)]
    found |= all_of(made, again, like)
    for one in (*asks, *again, *like):
        expected = alone(model, one)
        assert found[one].ids == expected.ids
        assert found[one].logprobs == pytest.approx(expected.logprobs, abs=1e-5)
        assert found[one].why == "limit"


def test_a_prompt_of_a_group_is_read_once_and_a_turn_only_what_is_new() -> None:
    model = small_model("Qwen3").eval()
    prompt = tokens(40, 0)
    made = decoder(model, temperature=1.0)
    group = [ask(prompt, 5, seed) for seed in range(6)]
    found = all_of(made, group)
    assert made.read == 40 + 4 * 6  # the first token is of the prompt's logits
    assert len({tuple(piece.ids) for piece in found.values()}) > 1
    turns = [ask([*prompt, *found[one].ids, *tokens(7, n)], 3, n) for n, one in enumerate(group)]
    before = made.read
    all_of(made, turns)
    assert made.read - before == 6 * 8 + 2 * 6  # seven given tokens, and the last that was generated


def test_a_draw_does_not_depend_on_the_others() -> None:
    model = small_model("Llama").eval()
    one, others = ask(tokens(9, 0), 6, 5), [ask(tokens(9 + n, n), 6, n) for n in range(4)]
    together = all_of(decoder(model, 1.0), [*others[:2], one, *others[2:]])[one]
    assert together.ids == all_of(decoder(model, 1.0), [ask(one.context, 6, 5)]).popitem()[1].ids


async def test_a_request_that_ended_makes_room_at_once() -> None:
    model = small_model("Llama").eval()
    steps = list[int]()

    class Counting(TorchDecoder):
        def step(self, new: Sequence[Ask]) -> list[tuple[Ask, Piece]]:
            ended = super().step(new)
            steps.append(len(self._going) + len(ended))
            return ended

    async with Generator(Counting(model, pad=0, ends=frozenset(), temperature=0.0), batch=2) as generator:
        asks = [ask(tokens(5, n), limit) for n, limit in enumerate((20, 4, 4, 4, 4, 4))]
        pieces = await asyncio.gather(*map(generator.generate, asks))
    assert [len(piece.ids) for piece in pieces] == [20, 4, 4, 4, 4, 4]
    assert steps == [2] * 20
