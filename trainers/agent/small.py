"""A model of half a million weights, made on the spot: it knows how to use tools, but not which to use.

It is a Qwen3 in shape, with a vocabulary of whole words, taught by imitation of rollouts in which the tools
are drawn at random. What it must learn by reinforcement is which tool a question is about.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from artis_sdk.trainers.agent.examples.lookup import CITIES, KINDS, OWNERS, THINGS, lookup_tasks
from artis_sdk.trainers.agent.rollout import AgentTask
from artis_sdk.trainers.agent.turns import ANSWER, OUTPUT, THINK

PROMPT: Final = "{query}\n"
"""The prompt that it was taught with; its context is short."""
_TAGS: Final = (THINK, ANSWER, OUTPUT, *KINDS)
_STOPS: Final = 0.5  # share of lessons that answer after a first output, rather than call again
_IGNORED: Final = -100


def make_small(folder: Path, *, seed: int = 0, steps: int = 600, batch: int = 48) -> Path:
    """Make the model and write it as a Hugging Face folder.

    Args:
        folder: new folder.
        seed: seed of weights and lessons.
        steps: steps of imitation.
        batch: lessons per step.
    """
    import torch
    from transformers import Qwen3Config, Qwen3ForCausalLM

    torch.manual_seed(seed)
    tokenizer = make_tokenizer()
    config = Qwen3Config(
        vocab_size=len(tokenizer),
        hidden_size=96,
        intermediate_size=256,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=4,
        head_dim=24,
        max_position_embeddings=512,
        tie_word_embeddings=False,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    model: Any = Qwen3ForCausalLM(config)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=steps)
    taught = lessons(tokenizer, seed)
    for _ in range(steps):
        rows = [next(taught) for _ in range(batch)]
        width = max(len(ids) for ids, _ in rows)
        ids = torch.tensor([ids + [tokenizer.pad_token_id] * (width - len(ids)) for ids, _ in rows])
        labels = torch.tensor([marks + [_IGNORED] * (width - len(marks)) for _, marks in rows])
        loss = model(input_ids=ids, labels=labels).loss
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def make_tokenizer() -> Any:
    """Whole words, pairs of digits, and each tag as one token; decoding is exact."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = [*THINGS, *OWNERS, *CITIES, *KINDS, "ref", "error", "none"]
    tags = [f"<{slash}{name}>" for name in _TAGS for slash in ("", "/")]
    numbers = [f"{n:02}" for n in range(100)]
    marks = list(" \n{}\":',.=()[]-_") + list(
        "0123456789abcdefghijklmnopqrstuvwxyz<>/&;ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    )
    known = ["<|end|>", "<|pad|>", "<|unknown|>", *tags, *words, *numbers, *marks]
    vocabulary = {text: id for id, text in enumerate(dict.fromkeys(known))}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<|unknown|>"))
    names = "|".join([*words, *KINDS])
    pattern = Regex(rf"</?(?:{'|'.join(_TAGS)})>|\b(?:{names})\b|\d\d|[\s\S]")
    tokenizer.pre_tokenizer = pre_tokenizers.Split(pattern, "isolated")
    tokenizer.decoder = decoders.Fuse()
    fast: Any = PreTrainedTokenizerFast
    return fast(
        tokenizer_object=tokenizer,
        eos_token="<|end|>",
        pad_token="<|pad|>",
        unk_token="<|unknown|>",
        clean_up_tokenization_spaces=False,
    )


def lessons(tokenizer: Any, seed: int) -> Iterator[tuple[list[int], list[int]]]:
    """Rollouts with random tools, as ids and labels; outputs of tools are not learned."""
    rng = random.Random(f"lessons {seed}")
    while True:
        for task in lookup_tasks(64, seed=rng.getrandbits(32), held_out=rng.random() < 0.25):
            pieces = list(_lesson(task, rng))
            ids: list[int] = []
            labels: list[int] = []
            for text, learned in pieces:
                more = tokenizer(text, add_special_tokens=False)["input_ids"]
                ids += more
                labels += more if learned else [_IGNORED] * len(more)
            yield ids, labels


def _lesson(task: AgentTask, rng: random.Random) -> Iterator[tuple[str, bool]]:
    """Pieces of text, each with a flag whether it is learned."""
    asked = task.query.split()[1]
    yield PROMPT.format(query=task.query), False
    seen = asked
    for number in range(2):
        tool = rng.choice(KINDS)
        key = seen if tool == "city" else asked
        yield f"<{tool}>{key}</{tool}>", True
        try:
            found = str(task.tools[tool].function(key))
        except LookupError as error:
            found = f'{{"error":"{error.args[0]}"}}'
        yield f"<{OUTPUT}>{found}</{OUTPUT}>", False
        seen = "none" if found.startswith("{") else found.split()[0]
        if number == 1 or rng.random() < _STOPS:
            yield f"<{ANSWER}>{seen}</{ANSWER}>", True
            return
