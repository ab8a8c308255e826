"""The memory that a run is told it will take, beside what its step took."""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy
import pytest

pytestmark = pytest.mark.engine
torch: Any = pytest.importorskip("torch")

from artis_sdk.trainers.memory import ModelSize, PassSize, training_bytes  # noqa: E402
from artis_sdk.trainers.token_tree import IGNORED, Form, TokenRow, packed  # noqa: E402
from artis_sdk.trainers.tree_attention import choose_form, scores  # noqa: E402

CLEAR = Path("/proc/self/clear_refs")  # Linux: writing 5 makes the present memory the highest
MMAP_THRESHOLD = -3  # glibc's M_MMAP_THRESHOLD: what is larger is the system's own again once freed
FACTOR = 1.7  # between told and measured, either way


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


@pytest.fixture
def libc() -> Iterator[ctypes.CDLL]:
    """The C library, which gives back each large block as it is freed.

    Blocks that lie between others stay with the process, up to as much again as is in use: 80 MiB in use were
    measured as 200 to 250, another number in each run.
    """
    found = ctypes.CDLL(None)
    found.mallopt(MMAP_THRESHOLD, 2**16)
    yield found
    found.mallopt(MMAP_THRESHOLD, 2**25)  # the highest that it would choose by itself


@pytest.mark.skipif(not CLEAR.exists(), reason="needs Linux's peak of a process")
@pytest.mark.parametrize(("form", "checkpointing"), [("tree", False), ("packed", False), ("tree", True)])
def test_what_is_told_is_what_a_step_takes(libc: ctypes.CDLL, form: Form, checkpointing: bool) -> None:
    from peft import LoraConfig, get_peft_model
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.set_num_threads(1)
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
    libc.malloc_trim(0)  # or what others freed before would hold what this takes
    before = resident("VmRSS") - size.weights
    CLEAR.write_text("5")
    (-scores(model.train(), one, fused=False).log_probs.sum()).backward()
    optimizer.step()
    measured = resident("VmHWM") - before
    print(f"{form}, {len(one.ids)} tokens: told {told / 2**20:.0f} MiB, measured {measured / 2**20:.0f} MiB")
    assert measured / FACTOR < told < measured * FACTOR
