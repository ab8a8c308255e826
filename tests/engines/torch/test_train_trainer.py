"""The trainer's laws: accumulation, draws, answer-only loss, epochs; on a small model with random weights."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.engine
torch: Any = pytest.importorskip("torch")

from helpers.tiny_model import Shape, hf_model  # noqa: E402

from artis_sdk.trainers.simulator.model import ChatEncoder, load_base  # noqa: E402
from artis_sdk.trainers.simulator.settings import SFTSettings  # noqa: E402
from artis_sdk.trainers.simulator.steps import DrawOrder  # noqa: E402
from artis_sdk.trainers.tree_attention import choose_form  # noqa: E402

torch.set_num_threads(1)  # two threads on a busy machine wait for each other
SMALL = Shape(hidden=32, intermediate=64, layers=1, heads=2, kv_heads=1, head_dim=16)
ROWS, EPOCHS = 128, 2


def rows(draws: list[list[int]] | None = None, *, answers: bool = True, copies: bool = False) -> Any:
    """Rows of 20 to 35 tokens, of which all share four and some eight; half of each is an answer."""
    from datasets import Dataset

    made: dict[str, list[Any]] = {"input_ids": [], "labels": [], "draws": []}
    generator = torch.Generator().manual_seed(0)
    for n in range(ROWS):
        ids = [
            7,
            8,
            9,
            10,
            *([n % 5] * 4),
            *torch.randint(0, 500, (12 + n % 16,), generator=generator).tolist(),
        ]
        prompt = len(ids) // 2
        labels = [-100] * prompt + ids[prompt:] if answers else ids
        drawn = draws[n] if draws else [1] * EPOCHS
        for _ in range(drawn[0] if copies else 1):
            made["input_ids"].append(ids)
            made["labels"].append(labels)
            made["draws"].append([1] * EPOCHS if copies else drawn)
    return Dataset.from_dict(made)


def train(folder: Path, data: Any, *, tokens: int = 300, stock: bool = False, epochs: int = EPOCHS) -> Any:
    """Train on rows; gives the trainer."""
    from peft import LoraConfig
    from trl import SFTTrainer

    from artis_sdk.trainers.simulator.trainer import SimulatorTrainer, trainer_arguments

    settings = SFTSettings(tokens_per_pass=tokens, learning_rate=1e-2, epochs=epochs, seed=3)
    arguments = trainer_arguments(
        folder, settings, draws=len(data), processes=1, judged=False, validated=False,
        checkpointing=False, cpu=True,
    )  # fmt: skip
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
            form=choose_form(model),
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


def test_passes_of_few_tokens_come_to_those_of_many(tmp_path: Path) -> None:
    """To rounding: Adam divides by the root of tiny second moments, which blows rounding up."""
    whole, parts = train(tmp_path / "a", rows(), tokens=9999), train(tmp_path / "b", rows(), tokens=150)
    assert len(losses(whole)) == ROWS // 64 * EPOCHS
    assert losses(parts) == pytest.approx(losses(whole), abs=1e-5)
    assert torch.allclose(weights(parts), weights(whole), atol=1e-4)
    moved = (weights(whole) - weights(train(tmp_path / "c", rows(), epochs=1))).abs().max()
    assert moved > 1e-2


def test_weights_of_all_ones_are_no_weights(tmp_path: Path) -> None:
    """Plain TRL's losses and weights, to rounding: a step has the same rows, in another order."""
    ours, stock = train(tmp_path / "a", rows()), train(tmp_path / "b", rows(), stock=True)
    assert losses(ours) == pytest.approx(losses(stock), abs=1e-5)
    assert torch.allclose(weights(ours), weights(stock), atol=1e-4)


def test_a_row_drawn_twice_is_a_row_that_is_there_twice(tmp_path: Path) -> None:
    draws = [[2 if n < 32 else 1 if n < 96 else 0] * EPOCHS for n in range(ROWS)]
    drawn = train(tmp_path / "a", rows(draws), epochs=1)
    copied = train(tmp_path / "b", rows(draws, copies=True), epochs=1)
    assert len(losses(drawn)) == len(losses(copied)) == 2
    assert sum(losses(drawn)) == pytest.approx(sum(losses(copied)), abs=0.02)  # the order differs
    assert losses(drawn) != losses(train(tmp_path / "c", rows(), epochs=1))


def test_the_loss_is_of_the_answers_only(tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM

    data = rows()
    first = losses(train(tmp_path / "a", data))[0]
    order = DrawOrder(data["draws"], 3).epoch(0)[:64]
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
    order = DrawOrder(draws, seed=1)
    for epoch in range(4):
        assert len(order) == 4
        assert Counter(order.epoch(epoch)) == Counter(
            {n: row[epoch % 2] for n, row in enumerate(draws) if row[epoch % 2]}
        )
    assert order.epoch(0) == DrawOrder(draws, seed=1).epoch(0)
    longer = DrawOrder([[1]] * 20, seed=1)
    assert longer.epoch(0) == longer.epoch(0) != longer.epoch(1)
    shorter = DrawOrder([[2, 1], [2, 2]], seed=1)
    assert [len(shorter.epoch(0)), len(shorter)] == [3, 3]
