"""The memory that a run is told to take: the formula, and the choice of gradient checkpointing by it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from artis_sdk.trainers import memory
from artis_sdk.trainers.memory import ModelSize, PassSize, plan_memory, training_bytes

GIB = 2**30
QWEN3_8B = ModelSize(
    parameters=8_190_735_360, weights=16_381_470_720, layers=36, hidden=4096, inner=12288, attention=4096,
    vocabulary=151_936, linear=36 * (2 * (4096 + 4096) + 2 * (4096 + 1024) + 3 * (4096 + 12288)),
)  # fmt: skip
PASSES = [PassSize(1000, 2000, 100), PassSize(4096, 9000, 900)]


def taken(**more: Any) -> int:
    given = {"precision": "bf16", "rank": 16, "checkpointing": False, "cpu": False, **more}
    return training_bytes(QWEN3_8B, PASSES, **given)


def test_the_formula_in_words_is_the_one_that_is_computed() -> None:
    token = 2 * (7 * 4096 + 6 * 4096 + 5 * 12288)
    layer = token * 4096 + 2 * 2 * 4096 * (9000 - 4096)
    adapter = 16 * QWEN3_8B.linear * 16
    assert taken() == QWEN3_8B.weights + adapter + 36 * layer
    assert taken(checkpointing=True) == QWEN3_8B.weights + adapter + 36 * 2 * 4096 * 4096 + layer
    assert taken(cpu=True) - taken() == 900 * 151_936 * 16
    assert taken(rank=None) == QWEN3_8B.weights + 12 * QWEN3_8B.parameters + 36 * layer
    assert taken(precision="fp32") > 1.5 * taken()


@pytest.mark.parametrize(
    ("free", "asked", "chosen"), [(80, None, False), (40, None, True), (40, False, False), (80, True, True)]
)
def test_activations_are_computed_again_where_memory_is_short(
    monkeypatch: pytest.MonkeyPatch, free: int, asked: bool | None, chosen: bool
) -> None:
    monkeypatch.setattr(memory, "free_bytes", lambda *, cpu: free * GIB - QWEN3_8B.weights)
    monkeypatch.setattr(ModelSize, "of", lambda model: QWEN3_8B)
    plan = plan_memory(SimpleNamespace(), PASSES, precision="bf16", rank=16, checkpointing=asked, cpu=False)
    assert plan.checkpointing is chosen
    assert "8.2B parameters, 4,096 tokens a pass: about" in plan.sentence
    assert ("with gradient checkpointing" in plan.sentence) is chosen
    assert plan.sentence.endswith(f"of {free}.0 GiB")
