"""The trainer's laws: accumulation, draws, answer-only loss, epochs; on a small model with random weights."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest

pytestmark = pytest.mark.engine
torch: Any = pytest.importorskip("torch")

from helpers.tiny_model import Shape, hf_model  # noqa: E402

from artis_sdk.trainers.simulator.model import ChatEncoder, load_base  # noqa: E402
from artis_sdk.trainers.simulator.sampler import DrawSampler  # noqa: E402
from artis_sdk.trainers.simulator.settings import SFTSettings  # noqa: E402

torch.set_num_threads(1)  # two threads on a busy machine wait for each other
SMALL = Shape(hidden=32, intermediate=64, layers=1, heads=2, kv_heads=1, head_dim=16)
ROWS, EPOCHS = 128, 2


def rows(
    draws: list[list[int]] | None = None, *, answers: bool = True, copies: bool = False, alike: bool = False
) -> Any:
    """Rows of 12 to 27 random tokens, or alike of 20, half of each an answer."""
    from datasets import Dataset

    made: dict[str, list[Any]] = {"input_ids": [], "labels": [], "draws": []}
    generator = torch.Generator().manual_seed(0)
    for n in range(ROWS):
        ids = torch.randint(0, 500, (20 if alike else 12 + n % 16,), generator=generator).tolist()
        prompt = len(ids) // 2
        labels = [-100] * prompt + ids[prompt:] if answers else ids
        drawn = draws[n] if draws else [1] * EPOCHS
        for _ in range(drawn[0] if copies else 1):
            made["input_ids"].append(ids)
            made["labels"].append(labels)
            made["draws"].append([1] * EPOCHS if copies else drawn)
    return Dataset.from_dict(made)


def train(folder: Path, data: Any, *, micro: int = 8, stock: bool = False, epochs: int = EPOCHS) -> Any:
    """Train on rows; gives the trainer."""
    from peft import LoraConfig
    from trl import SFTTrainer

    from artis_sdk.trainers.simulator.trainer import SimulatorTrainer, trainer_arguments

    settings = SFTSettings(micro_batch=micro, learning_rate=1e-2, epochs=epochs, seed=3)
    arguments = trainer_arguments(
        folder, settings, draws=len(data), processes=1, judged=False, validated=False, cpu=True
    )
    arguments.save_strategy = "no"
    base = str(hf_model(SMALL))
    model, tokenizer = load_base(base, "float32")
    lora = LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", task_type="CAUSAL_LM")
    if stock:
        trainer = SFTTrainer(
            model=model, args=arguments, train_dataset=data, processing_class=tokenizer, peft_config=lora
        )
    else:
        trainer = SimulatorTrainer(
            model=model,
            tokenizer=tokenizer,
            encoder=ChatEncoder(tokenizer, base),
            train=data,
            validation=None,
            validation_cases=[],
            answer_tokens=8,
            settings=settings,
            args=arguments,
            peft_config=lora,
        )
    trainer.train()
    return trainer


def losses(trainer: Any) -> list[float]:
    return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]


def weights(trainer: Any) -> Any:
    return torch.cat([p.detach().flatten() for n, p in trainer.model.named_parameters() if "lora_" in n])


def test_a_batch_of_64_is_8_times_8(tmp_path: Path) -> None:
    """To rounding: Adam divides by the root of tiny second moments, which blows rounding up."""
    whole, parts = train(tmp_path / "a", rows(), micro=64), train(tmp_path / "b", rows(), micro=8)
    assert len(losses(whole)) == ROWS // 64 * EPOCHS
    assert losses(parts) == pytest.approx(losses(whole), abs=1e-5)
    assert torch.allclose(weights(parts), weights(whole), atol=1e-4)
    moved = (weights(whole) - weights(train(tmp_path / "c", rows(), micro=64, epochs=1))).abs().max()
    assert moved > 1e-2


def test_weights_of_all_ones_are_no_weights(tmp_path: Path) -> None:
    """To the bit where nothing is to be sorted; else to rounding, as a step has the same rows by length."""
    ours, stock = train(tmp_path / "a", rows(alike=True)), train(tmp_path / "b", rows(alike=True), stock=True)
    assert losses(ours) == losses(stock)
    assert torch.equal(weights(ours), weights(stock))
    ours, stock = train(tmp_path / "c", rows()), train(tmp_path / "d", rows(), stock=True)
    assert losses(ours) == pytest.approx(losses(stock), abs=1e-5)
    assert torch.allclose(weights(ours), weights(stock), atol=1e-4)


def test_a_row_drawn_twice_is_a_row_that_is_there_twice(tmp_path: Path) -> None:
    draws = [[2 if n < 32 else 1 if n < 96 else 0] * EPOCHS for n in range(ROWS)]
    drawn = train(tmp_path / "a", rows(draws), micro=64, epochs=1)
    copied = train(tmp_path / "b", rows(draws, copies=True), micro=64, epochs=1)
    assert len(losses(drawn)) == len(losses(copied)) == 2
    assert sum(losses(drawn)) == pytest.approx(sum(losses(copied)), abs=0.02)  # the order differs
    assert losses(drawn) != losses(train(tmp_path / "c", rows(), micro=64, epochs=1))


def test_the_loss_is_of_the_answers_only(tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM

    data = rows()
    first = losses(train(tmp_path / "a", data))[0]
    order = list(DrawSampler(data["draws"], 3))[:64]
    model = AutoModelForCausalLM.from_pretrained(hf_model(SMALL))
    total, count = 0.0, 0
    with torch.no_grad():
        for n in order:
            ids, labels = torch.tensor([data[n]["input_ids"]]), torch.tensor(data[n]["labels"])
            scores = torch.log_softmax(model(input_ids=ids).logits[0, :-1].float(), dim=-1)
            answered = labels[1:] != -100
            total -= scores[answered].gather(1, labels[1:][answered][:, None]).sum().item()
            count += int(answered.sum())
    assert first == pytest.approx(total / count, abs=1e-4)
    assert losses(train(tmp_path / "b", rows(answers=False)))[0] != pytest.approx(first, abs=1e-4)


def test_an_epoch_has_every_row_as_often_as_it_is_drawn() -> None:
    draws = [[3, 0], [0, 1], [1, 3]]
    sampler = DrawSampler(draws, seed=1)
    for epoch in range(4):
        sampler.set_epoch(epoch)
        assert len(sampler) == 4
        assert Counter(sampler) == Counter(
            {n: row[epoch % 2] for n, row in enumerate(draws) if row[epoch % 2]}
        )
    sampler.set_epoch(0)
    first = list(sampler)
    assert first == list(DrawSampler(draws, seed=1))
    longer = DrawSampler([[1]] * 20, seed=1)
    orders = [list(longer), list(longer)]
    longer.set_epoch(1)
    assert orders[0] == orders[1] != list(longer)
    shorter = DrawSampler([[2, 1], [2, 2]], seed=1)
    lengths = [n * 7 % 20 for n in range(20)]
    sorted_ = list(DrawSampler([[1]] * 20, seed=1, lengths=lengths, step=6))
    for at in range(0, 20, 6):
        assert sorted(sorted_[at : at + 6]) == sorted(orders[0][at : at + 6])
        found = [lengths[n] for n in sorted_[at : at + 6]]
        assert found == sorted(found, reverse=True)
    assert [len(list(shorter)), len(shorter)] == [3, 3]


def _times(order: list[int], lengths: list[int], *, processes: int, micro: int, step: int) -> list[float]:
    """Time of each step, in padded tokens of its slowest process, against an equal share of the tokens."""
    found = []
    for at in range(0, len(order), step):
        batches = [order[n : n + micro] for n in range(at, at + step, micro)]
        padded = [micro * max(lengths[n] for n in batch) for batch in batches]
        slowest = max(sum(padded[rank::processes]) for rank in range(processes))
        found.append(slowest * processes / sum(lengths[n] for n in order[at : at + step]))
    return found


@pytest.mark.parametrize("processes", [2, 4, 8])
def test_the_longest_rows_of_a_step_are_shared_by_the_processes(processes: int) -> None:
    """Lengths as of logs with states: most of a few hundred tokens, some of thousands."""
    rng = random.Random(0)
    lengths = [int(min(4096, 150 + rng.lognormvariate(5.5, 1.0))) for _ in range(64 * 20)]
    draws, shape = [[1]] * len(lengths), {"lengths": lengths, "step": 64}
    sorted_ = list(DrawSampler(draws, 1, **shape))  # type: ignore[arg-type]
    for micro in (1, 2, 4):
        sampler = DrawSampler(draws, 1, **shape, micro_batch=micro, processes=processes)  # type: ignore[arg-type]
        dealt = list(sampler)
        for at in range(0, len(dealt), 64):
            assert sorted(dealt[at : at + 64]) == sorted(sorted_[at : at + 64])
        how = {"processes": processes, "micro": micro, "step": 64}
        before, after = (fmean(_times(order, lengths, **how)) for order in (sorted_, dealt))
        print(f"{processes} processes, micro-batches of {micro}: {before:.2f} before, {after:.2f} dealt")
        assert after < before
        if micro == 1:
            assert after < 1.1


def test_the_end_of_an_epoch_keeps_its_micro_batches() -> None:
    lengths = [10 + n for n in range(27)]
    sampler = DrawSampler([[1]] * 27, 1, lengths=lengths, step=16, micro_batch=4, processes=2)
    order = list(sampler)
    assert sorted(order) == list(range(27))
    last = [order[16:][n : n + 4] for n in range(0, 11, 4)]  # 11 rows: 4 for each, and 3
    assert [len(batch) for batch in last] == [4, 4, 3]
    for batch in last:
        assert [lengths[n] for n in batch] == sorted((lengths[n] for n in batch), reverse=True)
