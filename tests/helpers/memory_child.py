"""The memory of training steps, told and measured, in a process of its own.

python memory_child.py prints both in bytes, a line for each of `CASES`. What a process has freed before lies
between what it holds, and what a step takes is put there or elsewhere by chance.
"""

from __future__ import annotations

import ctypes
import gc
from pathlib import Path
from typing import Any

import numpy
import torch
from peft import LoraConfig, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM

from artis_sdk.trainers.memory import ModelSize, PassSize, training_bytes
from artis_sdk.trainers.token_tree import IGNORED, Form, TokenRow, packed
from artis_sdk.trainers.tree_attention import choose_form, scores

CLEAR = Path("/proc/self/clear_refs")  # Linux: writing 5 makes the present memory the highest

MMAP_THRESHOLD = -3
"""glibc's M_MMAP_THRESHOLD: a block from here on is the system's own again once it is freed. Others stay with
the process: 80 MiB in use were measured as 200 to 250."""
CASES: tuple[tuple[Form, bool], ...] = (("tree", False), ("packed", False), ("tree", True))
"""Form of the rows, and whether activations are computed again."""


def resident(name: str) -> int:
    """Bytes in memory: `VmRSS` now, `VmHWM` at most."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


def rows(number: int) -> list[TokenRow]:
    """Rows of 150 tokens, of which all share the first 100 and 20 are answers."""
    draw = numpy.random.default_rng(0)
    shared = draw.integers(0, 8000, 100)
    ids = [numpy.concatenate([shared, [n], draw.integers(0, 8000, 49)]) for n in range(number)]
    return [TokenRow(row, numpy.where(numpy.arange(150) < 130, IGNORED, row)) for row in ids]


def step(form: Form, checkpointing: bool) -> tuple[int, int]:
    """Bytes that a step is told to take, and bytes that it took."""
    torch.set_num_threads(1)
    libc = ctypes.CDLL(None)
    libc.mallopt(MMAP_THRESHOLD, 2**16)
    base = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=8000, hidden_size=256, intermediate_size=768, num_hidden_layers=6,
            num_attention_heads=4, num_key_value_heads=2, attn_implementation="sdpa",
        )
    )  # fmt: skip
    if form == "tree":
        assert choose_form(base) == "tree"
    size, one = ModelSize.of(base), packed(rows(18 if form == "tree" else 7), form)
    told = training_bytes(
        size, [PassSize.of(one)], precision="fp32", rank=16, checkpointing=checkpointing, cpu=True
    )
    model: Any = get_peft_model(base, LoraConfig(r=16, target_modules="all-linear", task_type="CAUSAL_LM"))
    if checkpointing:
        model.enable_input_require_grads()
        model.gradient_checkpointing_enable()
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad])
    gc.collect()
    libc.malloc_trim(0)
    before = resident("VmRSS") - size.weights
    CLEAR.write_text("5")
    (-scores(model.train(), one, fused=False).log_probs.sum()).backward()
    optimizer.step()
    return told, resident("VmHWM") - before


if __name__ == "__main__":
    for case in CASES:
        print(*step(*case))
