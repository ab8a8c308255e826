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
from typing import Final

from artis_sdk.pocket.chat import Segment, segments
from artis_sdk.records import CallRecord, Message
from artis_sdk.trainers.dataset.training_rows import RowMaker
from artis_sdk.trainers.pocket.drills import drill
from artis_sdk.trainers.pocket.shape import make_model, make_tokenizer, save
from artis_sdk.trainers.pocket.train import batch_of, learn, optimizers, rate, set_rate

VOCABULARY: Final = 2048
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
        set_rate(both, rate(step, steps))
        loss = learn(model, batch_of(tokenizer, lessons), both)
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
