"""`python -m artis_sdk.trainers.pocket.persistent`: an agent that goes on after a refusal, as an adapter over
the pocket base. Needs the train extra.

Its lessons are those of agent, judge and advisor (`lessons`), half of them from the families of traps, and
drills in copying. Every step has tasks of its own, made from the step's number.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import torch

from artis_sdk.pocket.chat import Segment
from artis_sdk.pocket.families import FAMILIES, make
from artis_sdk.pocket.traps import TRAPS
from artis_sdk.pocket.weights import PERSISTENT, folder
from artis_sdk.trainers.pocket.lessons import Lessons
from artis_sdk.trainers.pocket.train import batch_of, loss_of, rate
from artis_sdk.view.screen import Screen
from artis_sdk.view.text import plain

RANK: Final = 16
RATE: Final = 3e-3
"""Peak learning rate, of AdamW."""
STEPS: Final = 1300  # of `train.TOKENS` tokens
SHARES: Final[dict[str, float]] = {"agent": 1.0, "judge": 0.7, "advisor": 0.35}
"""Lessons of each role for one turn of a task."""


def lessons(step: int, seed: int) -> Iterator[list[Segment]]:
    """The lessons of one step, without end."""
    writer = Lessons(seed=step, persistent=True)
    rng = random.Random(f"persistent-{seed}-{step}")
    number = 0
    while True:
        families = TRAPS if rng.random() < 0.5 else FAMILIES
        for scene in writer.scenes(make(f"train-persistent-{seed}-{step}-{number}", "train", families)):
            for role, write in (
                ("agent", writer.agent),
                ("judge", writer.judge),
                ("advisor", writer.advisor),
            ):
                if rng.random() < SHARES[role]:
                    yield write(scene)
        number += 1


def train(out: Path, *, steps: int = STEPS, seed: int = 0) -> dict[str, Any]:
    """Train the adapter.

    Args:
        out: folder for `adapter/`, a peft folder, and `run.json`.
        steps: optimizer steps.
        seed: seed of tasks and initial weights.

    Returns:
        The content of `run.json`.
    """
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, AutoTokenizer

    torch.manual_seed(seed)
    base = folder()
    tokenizer = AutoTokenizer.from_pretrained(base)
    model: Any = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    lora = LoraConfig(r=RANK, lora_alpha=2 * RANK, target_modules="all-linear", task_type="CAUSAL_LM")
    model = get_peft_model(model, lora)
    inner = model.get_base_model()
    weights = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=RATE, betas=(0.9, 0.95), weight_decay=0.0)
    began, tokens, mean = time.process_time(), 0, 0.0
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = RATE * rate(step, steps)
        groups = batch_of(tokenizer, lessons(step, seed))
        count = sum(sum(lesson.learned[1:]) for group in groups for lesson in group)
        total = 0.0
        for rows in groups:
            loss = loss_of(inner.model, inner.lm_head, rows)
            (loss / count).backward()
            total += loss.item() / count
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        tokens += sum(len(lesson.ids) for rows in groups for lesson in rows)
        mean = total if step == 0 else 0.95 * mean + 0.05 * total
        if (step + 1) % 10 == 0:
            _tell(f"step {step + 1}/{steps}  loss {mean:.4f}  tokens {tokens:,}")
    model.save_pretrained(out / "adapter")
    told = {
        "seed": seed,
        "steps": steps,
        "tokens": tokens,
        "rank": RANK,
        "loss": round(mean, 4),
        "processor_seconds": round(time.process_time() - began, 1),
    }
    (out / "run.json").write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    return told


def _tell(text: str) -> None:
    Screen().print(plain(text), soft_wrap=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path, help=f"folder of a run; the adapter goes to {PERSISTENT}/ in it")
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    told = train(given.run / PERSISTENT, steps=given.steps, seed=given.seed)
    _tell(f"{given.run / PERSISTENT}: {told}")


if __name__ == "__main__":
    main()
