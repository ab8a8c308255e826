"""What a whole session costs for each LLM step, counted where it does not depend on the machine."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "session.py"


@pytest.fixture(scope="module")
def benchmark() -> ModuleType:
    spec = importlib.util.spec_from_file_location("session_benchmark", BENCHMARK)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


async def test_python_function_calls_of_a_step(benchmark: ModuleType) -> None:
    short, long = await benchmark.function_calls(6), await benchmark.function_calls(41)
    assert short <= 910  # measured 645
    assert long <= 1.05 * short, "a step costs more the longer the history is"
    assert short > 300, "the count has missed the client"
