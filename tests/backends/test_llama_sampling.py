"""Drawing tokens: the distribution is the one that temperature and top-p say."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from artis_sdk.backends.llama_cpp.context import DecodeFailed
from artis_sdk.backends.llama_cpp.sampling import Sampler

np = pytest.importorskip("numpy")


def sampler(**settings: object) -> Sampler:
    given = {"temperature": 1.0, "top_p": 1.0, "seed": 0, "matcher": None, "logprobs": False, **settings}
    return Sampler(**given)  # type: ignore[arg-type]


LOGITS = st.lists(st.floats(-30, 30, width=32), min_size=1, max_size=40)


@given(LOGITS, st.sampled_from([0.0, 0.01, 1.0, 2.0]), st.sampled_from([0.1, 0.9, 1.0]), st.integers(0, 5))
def test_only_what_is_allowed_is_drawn(
    values: list[float], temperature: float, top_p: float, seed: int
) -> None:
    logits = np.array(values, np.float32)
    drawing = sampler(temperature=temperature, top_p=top_p, seed=seed, logprobs=True)
    ((token, logprob),) = drawing.draw(logits)
    assert logprob is not None
    assert 0 <= token < len(values)
    total = math.log(sum(math.exp(value - max(values)) for value in values)) + max(values)
    assert logprob == pytest.approx(values[token] - total, abs=1e-3)
    if temperature == 0.0:
        assert values[token] == max(values)
    if temperature > 0 and top_p < 1:
        weights = [math.exp((value - max(values)) / temperature) for value in values]
        heavier = sum(weight for weight in weights if weight > weights[token] * 1.001)
        assert heavier <= top_p * sum(weights) * 1.001


@pytest.mark.slow
@settings(max_examples=5, deadline=None)
@given(st.sampled_from([3, 511, 512, 513, 1500]), st.sampled_from([0.5, 1.0]), st.sampled_from([0.6, 1.0]))
def test_the_frequencies_are_the_probabilities(size: int, temperature: float, top_p: float) -> None:
    logits = np.full(size, -20.0, np.float32)
    chosen = [0, size // 2, size - 1]
    logits[chosen] = [0.0, 0.7, -0.5]
    weights = np.exp(logits[chosen] / temperature)
    if top_p < 1:
        order = np.argsort(-weights)
        kept = order[: int(np.searchsorted(np.cumsum(weights[order]), top_p * weights.sum())) + 1]
        weights = np.where(np.isin(np.arange(3), kept), weights, 0)
    expected = weights / weights.sum()
    drawing = sampler(temperature=temperature, top_p=top_p)
    draws = [drawing.draw(logits)[0][0] for _ in range(4000)]
    found = np.array([draws.count(token) for token in chosen]) / len(draws)
    assert np.abs(found - expected).max() < 0.04
    assert found.sum() > 0.999


def test_one_seed_one_text() -> None:
    logits = np.zeros(1000, np.float32)

    def text(seed: int | None) -> list[int]:
        drawing = sampler(seed=seed)
        return [drawing.draw(logits)[0][0] for _ in range(20)]

    assert text(7) == text(7)
    assert text(7) != text(8)
    assert text(None) != text(None)
    assert text(-1) == text(-1)


def test_a_model_that_computes_no_numbers_is_an_error() -> None:
    with pytest.raises(DecodeFailed, match="nan"):
        sampler().draw(np.full(10, np.nan, np.float32))
