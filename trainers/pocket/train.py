"""`python -m artis_sdk.trainers.pocket.train`: the recipe of the pocket model. Needs the train extra.

Every step has tasks of its own, made on the spot from the step's number, so that no row is seen twice and
a resumed run continues exactly where it stopped.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Final, NamedTuple

import torch

from artis_sdk.pocket.chat import Segment
from artis_sdk.pocket.families import make
from artis_sdk.pocket.weights import folder as shipped_base
from artis_sdk.trainers.pocket.drills import drill
from artis_sdk.trainers.pocket.lessons import Lessons
from artis_sdk.trainers.pocket.muon import Muon
from artis_sdk.trainers.pocket.shape import make_model, make_tokenizer, save
from artis_sdk.view.screen import Screen
from artis_sdk.view.text import plain

TOKENS: Final = 4096  # of one optimizer step
MICRO: Final = 2048  # of one forward pass, padding included
LONGEST: Final = 700  # a longer lesson is left out
WARMUP: Final = 30  # steps
DECAY: Final = 0.35  # share of the steps over which the learning rate falls to nothing
MUON: Final = 4e-3
ADAM: Final = 3e-3
SAVE_EVERY: Final = 240.0  # seconds
SHARES: Final[dict[str, float]] = {
    "agent": 1.0,
    "judge": 0.4,
    "advisor": 0.12,
    "scorer": 0.15,
    "simulator": 0.8,
    "auditor": 4.0,
}
"""Lessons of each role for one turn of a task; of drills there are two."""
ORDER: Final = 2.0
"""Factor for the auditor's lessons with two steps in a decisive order, which change the calculation."""
READ: Final = 0.1
"""Weight of the loss on text that the model only reads: much of it repeats the text above."""


class Lesson(NamedTuple):
    ids: list[int]
    learned: list[bool]


def lessons(step: int, seed: int) -> Iterator[tuple[str, list[Segment]]]:
    """The lessons of one step, without end: role and conversation."""
    writer = Lessons(seed=step)
    rng = random.Random(f"{seed}-{step}")
    number = 0
    while True:
        for scene in writer.scenes(make(f"train-{seed}-{step}-{number}", "train")):
            for _ in range(2):
                yield "drill", drill(rng)
            yield "agent", writer.agent(scene)
            for role, write in (
                ("judge", writer.judge),
                ("advisor", writer.advisor),
                ("scorer", writer.scorer),
            ):
                if rng.random() < SHARES[role]:
                    yield role, write(scene)
            calls = list(writer.simulator(scene))
            while rng.random() < SHARES["simulator"] / 2 and calls:
                yield "simulator", calls.pop(rng.randrange(len(calls)))
            audited = list(writer.auditor(scene))
            rng.shuffle(audited)
            share = SHARES["auditor"] * (ORDER if scene.task.family == "order" else 1.0)
            for conversation in audited[: round(share)]:
                yield "auditor", conversation
        number += 1


def tokenized(tokenizer: Any, conversation: list[Segment]) -> Lesson:
    """Token ids, with a flag for those that the model must write."""
    ids: list[int] = []
    learned: list[bool] = []
    for segment in conversation:
        piece = tokenizer(segment.text, add_special_tokens=False)["input_ids"]
        ids += piece
        learned += [segment.learned] * len(piece)
    return Lesson(ids, learned)


def batch_of(tokenizer: Any, conversations: Iterable[list[Segment]]) -> list[list[Lesson]]:
    """A step's lessons, `TOKENS` of them, in groups of like length."""
    taken: list[Lesson] = []
    size = 0
    for conversation in conversations:
        lesson = tokenized(tokenizer, conversation)
        if len(lesson.ids) > LONGEST:
            continue
        taken.append(lesson)
        size += len(lesson.ids)
        if size >= TOKENS:
            break
    taken.sort(key=lambda lesson: len(lesson.ids))
    groups: list[list[Lesson]] = [[]]
    for lesson in taken:
        if groups[-1] and (len(groups[-1]) + 1) * len(lesson.ids) > MICRO:
            groups.append([])
        groups[-1].append(lesson)
    return groups


def loss_of(body: Any, head: Any, group: list[Lesson]) -> Any:
    """Sum of the losses: in full on written text, in part on text that is only read."""
    width = max(len(lesson.ids) for lesson in group)
    ids = torch.zeros(len(group), width, dtype=torch.long)
    weights = torch.zeros(len(group), width)
    for row, lesson in enumerate(group):  # padding on the right: causal attention does not see it
        ids[row, : len(lesson.ids)] = torch.tensor(lesson.ids)
        weights[row, : len(lesson.ids)] = torch.where(torch.tensor(lesson.learned), 1.0, READ)
    hidden = body(input_ids=ids, use_cache=False).last_hidden_state[:, :-1]
    counted = weights[:, 1:] > 0
    losses = torch.nn.functional.cross_entropy(head(hidden[counted]), ids[:, 1:][counted], reduction="none")
    return (losses * weights[:, 1:][counted]).sum()


def optimizers(model: Any) -> list[Any]:
    """Muon for the matrices inside the layers, AdamW for embeddings and norms."""
    matrices = [p for name, p in model.named_parameters() if p.ndim == 2 and "layers" in name]
    known = {id(p) for p in matrices}
    others = [p for p in model.parameters() if id(p) not in known]
    return [
        Muon(matrices, lr=MUON),
        torch.optim.AdamW(others, lr=ADAM, betas=(0.9, 0.95), weight_decay=0.0),
    ]


def learn(model: Any, groups: list[list[Lesson]], both: list[Any], body: Any = None) -> float:
    """One optimizer step. Returns the loss per learned token.

    Args:
        model: model to train.
        groups: groups from `batch_of`.
        both: optimizers from `optimizers`.
        body: compiled model without its head.
    """
    count = sum(sum(lesson.learned[1:]) for group in groups for lesson in group)
    total = 0.0
    for group in groups:
        loss = loss_of(model.model if body is None else body, model.lm_head, group)
        (loss / count).backward()
        total += loss.item()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    for optimizer in both:
        optimizer.step()
        optimizer.zero_grad()
    return total / count


def set_rate(both: list[Any], share: float) -> None:
    """Set the learning rates of both optimizers to a share of the full ones."""
    for optimizer, full in zip(both, (MUON, ADAM), strict=True):
        for group in optimizer.param_groups:
            group["lr"] = full * share


def rate(step: int, steps: int) -> float:
    """Share of the full learning rate."""
    return min(1.0, (step + 1) / WARMUP, (steps - step) / max(1.0, DECAY * steps))


class Run:
    """A training run in its folder."""

    def __init__(
        self, folder: Path, *, steps: int, seed: int, compiled: bool = False, begin: Path | None = None
    ) -> None:
        self.folder = folder
        self.steps = steps
        self.seed = seed
        self.step = 0
        self.seconds = 0.0
        self.processor_seconds = 0.0
        self.tokens = 0
        folder.mkdir(parents=True, exist_ok=True)
        self.tokenizer = self._tokenizer(begin)
        self.model = make_model(self.tokenizer, seed)
        self.optimizers = optimizers(self.model)
        if self._state.exists():
            self._load()
        elif begin is not None:
            self._begin_with(begin)
        self._body = torch.compile(self.model.model, dynamic=True) if compiled else self.model.model

    @property
    def _state(self) -> Path:
        return self.folder / "state.pt"

    def _tokenizer(self, begin: Path | None) -> Any:
        from transformers import AutoTokenizer

        where = self.folder / "tokenizer"
        if begin is not None and not where.exists():
            AutoTokenizer.from_pretrained(shipped_base(begin)).save_pretrained(where)
        if not where.exists():
            texts = ("".join(s.text for s in c) for _, c in islice(lessons(-1, self.seed), 4000))
            make_tokenizer(texts).save_pretrained(where)
        return AutoTokenizer.from_pretrained(where)

    def train(self) -> None:
        """Run the remaining steps, saving every few minutes and at the end."""
        saved = began = time.monotonic()
        processor = time.process_time()
        before, before_processor = self.seconds, self.processor_seconds
        mean = 0.0
        while self.step < self.steps:
            set_rate(self.optimizers, rate(self.step, self.steps))
            groups = batch_of(self.tokenizer, (c for _, c in lessons(self.step, self.seed)))
            loss = learn(self.model, groups, self.optimizers, self._body)
            self.tokens += sum(len(lesson.ids) for group in groups for lesson in group)
            mean = loss if mean == 0.0 else 0.95 * mean + 0.05 * loss
            self.step += 1
            self.seconds = before + time.monotonic() - began
            self.processor_seconds = before_processor + time.process_time() - processor
            if self.step % 10 == 0:
                _tell(
                    f"step {self.step}/{self.steps}  loss {mean:.4f}  tokens {self.tokens:,}  "
                    f"{self.seconds:,.0f} s"
                )
            if time.monotonic() - saved > SAVE_EVERY:
                self.save()
                saved = time.monotonic()
        self.save()

    def save(self) -> None:
        """Write the checkpoint, whole or not at all, and the model beside it."""
        partial = self._state.with_suffix(".partial")
        torch.save(
            {
                "model": self.model.state_dict(),
                "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
                "step": self.step,
                "seconds": self.seconds,
                "processor_seconds": self.processor_seconds,
                "tokens": self.tokens,
            },
            partial,
        )
        partial.rename(self._state)
        save(self.model, self.tokenizer, self.folder / "model")
        told = {
            "seed": self.seed,
            "steps": self.step,
            "planned": self.steps,
            "tokens": self.tokens,
            "seconds": round(self.seconds, 1),
            "processor_seconds": round(self.processor_seconds, 1),
            "threads": torch.get_num_threads(),
        }
        (self.folder / "run.json").write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")

    def _load(self) -> None:
        found = torch.load(self._state, weights_only=True)
        self.model.load_state_dict(found["model"])
        for optimizer, state in zip(self.optimizers, found["optimizers"], strict=True):
            optimizer.load_state_dict(state)
        self.step, self.seconds, self.tokens = found["step"], found["seconds"], found["tokens"]
        self.processor_seconds = found["processor_seconds"]
        _tell(f"resuming at step {self.step}")

    def _begin_with(self, shipped: Path) -> None:
        """Start from a shipped model's weights and step count, without an optimizer state."""
        from safetensors.torch import load_file

        weights = load_file(shipped_base(shipped) / "model.safetensors")
        self.model.load_state_dict({name: tensor.float() for name, tensor in weights.items()})
        card = json.loads((shipped / "card.json").read_bytes())["base"]
        self.step, self.tokens, self.seconds = card["steps"], card["tokens"], card["seconds"]
        self.processor_seconds = card["processor_seconds"]
        _tell(f"beginning with the weights of step {self.step}")


def _tell(text: str) -> None:
    Screen().print(plain(text), soft_wrap=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder of the run; a run there is resumed")
    parser.add_argument("--steps", type=int, default=7500, help=f"of {TOKENS} tokens")
    parser.add_argument("--begin", type=Path, help="folder of shipped weights to start from, with their card")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument(
        "--compile", action="store_true", help="a quarter faster after two minutes; needs a C++ compiler"
    )
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    run = Run(given.out, steps=given.steps, seed=given.seed, compiled=given.compile, begin=given.begin)
    run.train()


if __name__ == "__main__":
    main()
