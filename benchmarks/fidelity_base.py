"""The base of `fidelity.py --model`: a language model of three million weights, made on the spot.

No pretrained weights are at hand on a machine without a network, and the pocket model has never read English.
So a base is trained on what is no outcome to foretell: the tools' own source code as text, the ground truth
of the known tasks, which hardly ever fails, and drills in copying. Both kinds of adapters begin with it.
"""

from __future__ import annotations

import inspect
import random
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import torch

from artis_sdk.pocket.chat import Segment, segments
from artis_sdk.pocket.drills import drill
from artis_sdk.pocket.shape import make_model, make_tokenizer, save
from artis_sdk.pocket.train import ADAM, MUON, Lesson, loss_of, optimizers, rate, tokenized
from artis_sdk.records import CallRecord, Message
from artis_sdk.trainers.rows import RowMaker

VOCABULARY: Final = 2048
TOKENS: Final = 4096  # of one step
MICRO: Final = 2048  # of one forward pass, padding included
LONGEST: Final = 640
SOURCE: Final = 1200  # characters of a piece of source code


def make_base(folder: Path, known: Sequence[CallRecord], owners: Sequence[type], maker: RowMaker,
              steps: int, seed: int) -> Path:  # fmt: skip
    """Train the base, unless it is there.

    Args:
        folder: is made.
        known: rows of the known tasks' ground truth.
        owners: classes of the tools, whose source is read.
        maker: of prompts, as the adapters will see them.
        steps: of 4,096 tokens.
        seed: of weights and order.
    """
    if folder.exists():
        return folder
    source = "\n".join(inspect.getsource(owner) for owner in owners)
    conversations = [_conversation(maker, record) for record in known]
    texts = ["".join(piece.text for piece in one) for one in conversations]
    tokenizer = make_tokenizer([*texts, source], VOCABULARY)
    model = make_model(tokenizer, seed)
    lessons = _lessons(conversations, source, random.Random(seed))
    both = optimizers(model)
    began, mean = time.monotonic(), 0.0
    for step in range(steps):
        for optimizer, full in zip(both, (MUON, ADAM), strict=True):
            for group in optimizer.param_groups:
                group["lr"] = full * rate(step, steps)
        loss = _learn(model, tokenizer, lessons, both)
        mean = loss if step == 0 else 0.95 * mean + 0.05 * loss
        if step % 50 == 49:
            print(
                f"  base: step {step + 1}/{steps}, loss {mean:.3f}, {time.monotonic() - began:.0f} s",
                flush=True,
            )
    save(model, tokenizer, folder)
    return folder


def _conversation(maker: RowMaker, record: CallRecord) -> list[Segment]:
    row = maker.row(record)
    return segments([*row.messages, Message(role="assistant", content=row.answer)])


def _lessons(
    conversations: list[list[Segment]], source: str, choice: random.Random
) -> Iterator[list[Segment]]:
    """Half of the known rows, the rest source code and drills, without end."""
    while True:
        kind = choice.random()
        if kind < 0.5:
            yield choice.choice(conversations)
        elif kind < 0.75:
            at = choice.randrange(max(1, len(source) - SOURCE))
            yield [Segment(source[at : at + SOURCE], True)]
        else:
            yield drill(choice)


def _learn(model: Any, tokenizer: Any, lessons: Iterator[list[Segment]], both: list[Any]) -> float:
    """One step; gives the loss per token that is learned."""
    taken: list[Lesson] = []
    while sum(len(lesson.ids) for lesson in taken) < TOKENS:
        lesson = tokenized(tokenizer, next(lessons))
        if len(lesson.ids) <= LONGEST:
            taken.append(lesson)
    taken.sort(key=lambda lesson: len(lesson.ids))
    count, total = sum(sum(lesson.learned[1:]) for lesson in taken), 0.0
    while taken:
        width = len(taken[-1].ids)
        group, taken = taken[-max(1, MICRO // width) :], taken[: -max(1, MICRO // width)]
        loss = loss_of(model.model, model.lm_head, group)
        (loss / count).backward()
        total += loss.item()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    for optimizer in both:
        optimizer.step()
        optimizer.zero_grad()
    return total / count
