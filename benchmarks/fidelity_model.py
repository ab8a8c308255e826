"""A model trained from a log, for `fidelity.py --model`: a small base made here, and adapters on it.

No language model is at hand on a machine without a network, so the base is made on the spot: a million
weights that have seen the prompts of a simulator for another application (the pocket bank of the tests)
and for nonsense tools over the known tasks' words, and no call of BFCL. Everything after that is what a team
does: `train_simulator` on a log, a GGUF file, llama.cpp.
"""

from __future__ import annotations

import json
import math
import random
import re
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import torch
from tiny_model import make_tokenizer
from train_helpers import bank_log

from artis_sdk.backends.llama_cpp import LlamaCppBackend
from artis_sdk.logs import export_jsonl
from artis_sdk.prompts import Prompts
from artis_sdk.records import CallRecord, Outcome, Provenance, ToolCall, ToolSpec
from artis_sdk.trainers.dataset import DataSettings
from artis_sdk.trainers.export import export
from artis_sdk.trainers.rebalance import NORMAL
from artis_sdk.trainers.rows import FORM, RowMaker
from artis_sdk.trainers.sft import train_simulator
from artis_sdk.trainers.sft_model import Speech
from artis_sdk.trainers.sft_settings import SFTSettings

TEMPLATES = {
    "simulator_system": "Simulate.",
    "simulator_user": "{{ init_config }}\n{{ history }}\n{{ action }}",
}
VOCABULARY = 2048
CHARACTERS = 1000  # of a prompt's data
LONGEST = 640  # tokens of a row
_MAKER = RowMaker(FORM.model_copy(update={"focus": True, "max_characters": CHARACTERS}), Prompts(TEMPLATES))
_BATCH = 4096  # tokens of a step of the base's training, padding included


def make_base(folder: Path, known: Sequence[CallRecord], tokens: int, seed: int) -> Path:
    """Make the base, unless it is there.

    Args:
        folder: is made.
        known: rows whose words the tokenizer and the nonsense tools are made of.
        tokens: that it is trained on.
        seed: of weights and rows.
    """
    if folder.exists():
        return folder
    from transformers import AutoModelForCausalLM, Qwen3Config

    texts = [text for record in known for text in _texts(record)]
    texts += [text for record in bank_log(60, seed=seed) for text in _texts(record)]
    tokenizer = make_tokenizer(VOCABULARY, texts)
    config = Qwen3Config(
        vocab_size=VOCABULARY, hidden_size=128, intermediate_size=384, num_hidden_layers=4,
        num_attention_heads=4, num_key_value_heads=2, head_dim=32, max_position_embeddings=2048,
        tie_word_embeddings=True, initializer_range=0.03, bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    torch.manual_seed(seed)
    auto: Any = AutoModelForCausalLM
    model = auto.from_config(config)
    _pretrain(model, tokenizer, _lessons(known, seed), tokens)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _texts(record: CallRecord) -> list[str]:
    row = _MAKER.row(record)
    return [row.messages[-1].content, row.answer]


def _pretrain(model: Any, tokenizer: Any, lessons: Iterator[CallRecord], tokens: int) -> None:
    """All weights, all of the text; learning rate by cosine."""
    speech = Speech(tokenizer, "base")
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, betas=(0.9, 0.95), weight_decay=0.01)
    model.train()
    seen, steps, began = 0, 0, time.monotonic()
    while seen < tokens:
        rows = [_ids(speech, next(lessons)) for _ in range(64)]
        for group in _groups(sorted(rows, key=len)):
            rate = (
                3e-3 * min(1.0, (steps + 1) / 50) * (0.55 + 0.45 * math.cos(math.pi * min(1, seen / tokens)))
            )
            for part in optimizer.param_groups:
                part["lr"] = rate
            width = max(map(len, group))
            pad = tokenizer.pad_token_id
            ids = torch.tensor([row + [pad] * (width - len(row)) for row in group])
            real = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in group])
            loss = model(input_ids=ids, attention_mask=real, labels=ids.masked_fill(real == 0, -100)).loss
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
            seen += sum(map(len, group))
            steps += 1
            if steps % 50 == 0:
                speed = seen / (time.monotonic() - began)
                print(f"  base: {seen:,} tokens, loss {loss.item():.3f}, {speed:,.0f} a second", flush=True)


def _ids(speech: Speech, record: CallRecord) -> list[int]:
    row = _MAKER.row(record)
    return speech.ids(speech.prompt(row.messages) + row.answer + speech.end)[:LONGEST]


def _groups(rows: list[list[int]]) -> Iterator[list[list[int]]]:
    group: list[list[int]] = []
    for row in rows:
        if group and len(row) * (len(group) + 1) > _BATCH:
            yield group
            group = []
        group.append(row)
    yield group


def _lessons(known: Sequence[CallRecord], seed: int) -> Iterator[CallRecord]:
    """Half of the bank, half of nonsense tools, without end."""
    words = sorted({word for record in known for text in _texts(record) for word in re.findall(r"\w+", text)})
    choice = random.Random(seed)
    number = seed + 1
    while True:
        for record in bank_log(40, seed=number, size=choice.randint(3, 6)):
            yield record
            yield _nonsense(words, choice)
        number += 1


def _nonsense(words: list[str], choice: random.Random) -> CallRecord:
    """A tool that looks something up in a state of random words, and says so where it is not there."""
    keys = choice.sample(words, choice.randint(2, 6))
    texts = [" ".join(choice.choices(words, k=choice.randint(1, 4))) for _ in keys]
    values: list[Any] = [
        choice.choice([text, choice.randint(0, 9999), round(choice.random(), 2)]) for text in texts
    ]
    key = choice.choice([*keys, choice.choice(words)])
    verb, field = choice.choice(words), choice.choice(words)
    found = dict(zip(keys, values, strict=True))
    outcome = (
        Outcome.success({field: found[key], "of": key}, Provenance.REAL)
        if key in found
        else Outcome.success({"error": f"{field} '{key}' not found."}, Provenance.REAL)
    )
    name = f"{verb}_{field}"
    return CallRecord(
        id=f"{choice.getrandbits(64):x}", at=0.0, session="s",
        spec=ToolSpec(name=name, description="", parameters={"type": "object"}),
        call=ToolCall(id="c", tool=name, arguments={choice.choice(words): key}),
        state={choice.choice(words): found}, outcome=outcome,
    )  # fmt: skip


def train(base: Path, rows: Iterable[CallRecord], folder: Path, epochs: int, seed: int) -> Path:
    """Train an adapter on rows just as they are; gives the adapter's folder."""
    if (folder / "run" / "adapter").exists():
        return folder / "run" / "adapter"
    folder.mkdir(parents=True, exist_ok=True)
    numbered = (row.model_copy(update={"id": f"{row.id}-{n}"}) for n, row in enumerate(rows))
    export_jsonl(numbered, folder / "log.jsonl")
    done = train_simulator(
        folder / "log.jsonl",
        base,
        folder / "run",
        data=DataSettings(rebalance=NORMAL, validation=0.05, test=0.05, seed=seed),
        settings=SFTSettings(
            epochs=epochs, batch=16, micro_batch=8, rank=64, alpha=128, learning_rate=2e-3,
            max_length=LONGEST,
            focus=True, max_characters=CHARACTERS, evaluations=2, patience=4, judged=24, seed=seed,
        ),
        prompts=Prompts(TEMPLATES),
        cpu=True,
        on_stage=lambda text: print(f"  {folder.name}: {text}", flush=True),
    )  # fmt: skip
    held_out = {name: round(value, 3) for name, value in done.card["held_out"]["after"].items()}
    print(f"  {folder.name}: {done.card['training']['seconds']:.0f} s, {json.dumps(held_out)}", flush=True)
    return done.adapter


def backend(adapter: Path, folder: Path) -> LlamaCppBackend:
    """The trained model behind llama.cpp."""
    file = folder / "merged.gguf"
    if not file.exists():
        export(adapter, file, "gguf", weights="f32")
    return LlamaCppBackend(file, n_threads=1, n_ctx=8 * 1024)
