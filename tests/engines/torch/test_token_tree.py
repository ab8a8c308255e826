"""Rows as a tree of tokens: the losses and gradients of plain transformers, in double precision."""

from __future__ import annotations

import random
from typing import Any

import numpy
import pytest

pytestmark = pytest.mark.engine
torch: Any = pytest.importorskip("torch")

from helpers.small_families import FAMILIES, VOCABULARY, small_model  # noqa: E402

from artis_sdk.trainers.simulator.steps import shares  # noqa: E402
from artis_sdk.trainers.token_tree import (  # noqa: E402
    IGNORED,
    Form,
    TokenRow,
    costs,
    even_shares,
    in_order,
    packed,
    passes,
    runs,
)
from artis_sdk.trainers.tree_attention import choose_form, scores  # noqa: E402

torch.set_num_threads(1)


def model(family: str) -> Any:
    """A small model with TRL's head, as the trainers have it."""
    from trl.trainer.utils import add_fused_lm_head

    made = small_model(family)
    add_fused_lm_head(made, outputs=("log_probs", "entropy"))
    return made


def rows(number: int, seed: int = 0) -> list[TokenRow]:
    """Rows whose prompts share beginnings of many lengths; some prompts and some whole rows twice."""
    rng = random.Random(seed)
    prompts: list[list[int]] = [[rng.randrange(1, VOCABULARY) for _ in range(12)]]
    made = list[TokenRow]()
    while len(made) < number:
        prompt = rng.choice(prompts)[: rng.randrange(3, 14)]
        prompt = prompt + [rng.randrange(1, VOCABULARY) for _ in range(rng.randrange(0, 9))]
        prompts.append(prompt)
        answer = [rng.randrange(1, VOCABULARY) for _ in range(rng.randrange(1, 6))]
        row = TokenRow(numpy.array(prompt + answer), numpy.array([IGNORED] * len(prompt) + answer))
        made += [row] * rng.choice([1, 1, 1, 2])
    return made[:number]


def plain_loss(made: Any, given: list[TokenRow]) -> Any:
    """Sum over the labels, of a padded batch as transformers computes it."""
    width = max(len(row.ids) for row in given)
    ids, mask, labels = torch.zeros(3, len(given), width, dtype=torch.long)
    labels[:] = IGNORED
    for n, row in enumerate(given):
        ids[n, : len(row.ids)] = torch.from_numpy(row.ids)
        mask[n, : len(row.ids)] = 1
        labels[n, : len(row.ids)] = torch.from_numpy(row.labels)
    logits = made(input_ids=ids, attention_mask=mask).logits[:, :-1].flatten(0, 1)
    return torch.nn.functional.cross_entropy(logits, labels[:, 1:].flatten(), reduction="sum")


def gradients(made: Any, loss: Any) -> dict[str, Any]:
    made.zero_grad()
    loss.backward()
    return {name: p.grad.clone() for name, p in made.named_parameters() if p.grad is not None}


def equal(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert one.keys() == other.keys()
    for name, gradient in one.items():
        assert torch.allclose(gradient, other[name], rtol=1e-4, atol=1e-5), name
    assert sum(float(gradient.norm()) for gradient in one.values()) > 1.0


@pytest.mark.parametrize("family", FAMILIES)
def test_a_tree_has_the_loss_and_the_gradient_of_rows_by_themselves(family: str) -> None:
    made, given = model(family), rows(14)
    expected = plain_loss(made, given)
    expected_gradients = gradients(made, expected)
    assert choose_form(made) == "tree"
    made.train()
    for tokens in (10_000, 60):
        parts = passes(given, "tree", tokens)
        assert (len(parts) == 1) is (tokens == 10_000)
        loss = -sum(scores(made, part).log_probs.sum() for part in parts)
        assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
        equal(gradients(made, loss), expected_gradients)
    whole = packed([given[n] for n in in_order(given)], "tree")
    assert len(whole.ids) < 0.7 * sum(len(row.ids) for row in given)


def test_other_ways_to_compute_rows_come_to_the_same() -> None:
    """One after the other, one by one, by TRL's head, and with activations computed again."""
    made, given = model("Qwen3"), rows(9, seed=1)
    expected = plain_loss(made, given)
    expected_gradients = gradients(made, expected)
    forms: list[Form] = ["packed", "alone", "tree"]
    for form in forms:
        if form == "tree":
            assert choose_form(made) == "tree"
            made.gradient_checkpointing_enable()
        made.train()
        for fused in (False, True):
            found = [scores(made, part, fused=fused) for part in passes(given, form, 80)]
            loss = -sum(part.log_probs.sum() for part in found)
            assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
            equal(gradients(made, loss), expected_gradients)
            assert sum(part.entropy.sum() for part in found) > 1.0
    assert len(passes(given, "alone", 80)) == 9


def test_a_pass_without_labels_adds_nothing_and_reaches_all_weights() -> None:
    """As of a process for which no row of a step is left: others wait for its gradients."""
    made = model("Llama")
    assert choose_form(made) == "tree"
    made.train()
    (only,) = shares(rows(1), "tree", 2)[1:]
    for fused in (False, True):
        loss = -scores(made, packed(only, "tree"), fused=fused).log_probs.sum()
        found = gradients(made, loss)
        assert loss.item() == 0.0
        assert found.keys() == dict(made.named_parameters()).keys()
        assert not any(gradient.abs().max() for gradient in found.values())


def test_a_model_whose_attention_is_another_computes_rows_by_themselves() -> None:
    made = model("Llama")
    made.set_attn_implementation("eager")
    for layer in made.model.layers:  # as one of a model that adds to its scores what no mask says
        layer.self_attn.forward = backwards(layer.self_attn.forward)
    assert choose_form(made) == "alone"
    assert made.config._attn_implementation == "eager"


def backwards(forward: Any) -> Any:
    def changed(hidden_states: Any, **more: Any) -> Any:
        states, weights = forward(hidden_states=hidden_states, **more)
        return states.cumsum(1), weights

    return changed


def test_runs_and_shares_have_every_row_once_and_keep_their_bounds() -> None:
    for seed in range(30):
        given = rows(1 + seed, seed=seed)
        ordered = [given[n] for n in in_order(given)]
        prices = costs(ordered, "tree")
        for most in (1, 30, 100, 10_000):
            found = runs(prices, most)
            assert [n for run in found for n in range(len(ordered))[run]] == list(range(len(ordered)))
            for run in found:
                part = packed(ordered[run], "tree")
                price = prices[run][0][0] + sum(after for _, after in prices[run][1:])
                assert len(part.ids) == price
                assert price <= most or len(ordered[run]) == 1
                assert sorted(set(part.heads.tolist())) == sorted(part.heads.tolist())  # a label each
        for processes in (1, 2, 5):
            dealt = even_shares(prices, processes)
            assert [n for share in dealt for n in range(len(ordered))[share]] == list(range(len(ordered)))
            parts = shares(given, "tree", processes)
            assert len(parts) == processes
            labels = [sum(len(row.predicted) for row in part) for part in parts]
            assert all(parts)
            assert sum(labels) == sum(len(row.predicted) for row in given)


@pytest.mark.parametrize("processes", [2, 4, 8])
def test_a_step_is_shared_evenly(processes: int) -> None:
    """Lengths as of logs with states: most of a few hundred tokens, some of thousands; a shared prompt."""
    rng = random.Random(0)
    found = []
    for _ in range(20):
        prices = []
        for _ in range(64):
            own = int(min(3746, rng.lognormvariate(5.5, 1.0)))
            prices.append((350 + own, own))
        prices[0] = (prices[0][0], prices[0][0])
        taken = [
            sum(after for _, after in prices[s][1:]) + prices[s][0][0] for s in even_shares(prices, processes)
        ]
        found.append(max(taken) * processes / sum(taken))
    print(f"{processes} processes: {sum(found) / len(found):.2f} of an equal share")
    assert sum(found) / len(found) < 1.35
