"""The memory that a run is told it will take, beside what its step took."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.engine
pytest.importorskip("torch")

from helpers import memory_child  # noqa: E402

FACTOR = 1.7  # between told and measured, either way


@pytest.fixture(scope="module")
def measured() -> dict[tuple[str, bool], tuple[int, int]]:
    """By form and checkpointing, the bytes that a step was told to take, and those that it took."""
    child = [sys.executable, "-m", memory_child.__name__]
    ran = subprocess.run(child, cwd=Path(__file__).parents[2], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    lines = [tuple(map(int, line.split())) for line in ran.stdout.splitlines()]
    return dict(zip(memory_child.CASES, lines, strict=True))  # type: ignore[arg-type]


@pytest.mark.skipif(not memory_child.CLEAR.exists(), reason="needs Linux's peak of a process")
@pytest.mark.parametrize("case", memory_child.CASES)
def test_what_is_told_is_what_a_step_takes(
    measured: dict[tuple[str, bool], tuple[int, int]], case: tuple[str, bool]
) -> None:
    told, taken = measured[case]
    print(f"{case}: told {told / 2**20:.0f} MiB, measured {taken / 2**20:.0f} MiB")
    assert taken / FACTOR < told < taken * FACTOR
