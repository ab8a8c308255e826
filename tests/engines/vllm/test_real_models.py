"""Real models on vLLM in process: the laws, their own tool calls, and README's bank end to end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from helpers.models import QWEN, SMOLLM2, Packaged, hf_folder
from helpers.readme_bank import check_calls, play_end_to_end
from helpers.vllm import THEIR_WARNINGS

from artis_sdk.backends.conformance import suite as conformance
from artis_sdk.backends.vllm import VLLMBackend

pytestmark = [
    pytest.mark.engine,
    pytest.mark.timeout(3600),
    *map(pytest.mark.filterwarnings, THEIR_WARNINGS),
]

# Those that make and close engines of their own are laws of the engine, not of its model.
CHECKS = [
    check
    for check in conformance.CHECKS
    if check.__name__ not in ("error_mapping", "closing_twice", "use_after_close", "closing_in_flight")
]
every_check = pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)

# On a CPU this engine needs about 0.1 s a token; the other checks take a hundred tokens and more each.
SHORT = (
    "plain_chat",
    "max_tokens",
    "tools_required",
    "required_calls_end",
    "tools_refused",
    "usage_counts",
    "log_probabilities",
    "streaming",
    "cancellation",
    "concurrency",
    "context_overflow",
    "unknown_adapter",
)
short_checks_first = pytest.mark.parametrize(
    "check",
    [pytest.param(check, marks=() if check.__name__ in SHORT else pytest.mark.large) for check in CHECKS],
    ids=lambda check: check.__name__,
)


async def opened(packaged: Packaged) -> VLLMBackend:
    limits = {"max_model_len": 2048, "kv_cache_memory_bytes": 2**29, "max_num_seqs": 8, "dtype": "bfloat16"}
    backend = VLLMBackend(str(hf_folder(packaged)), engine_args=limits)
    await backend.start()
    return backend


async def passes(check: conformance.Check, backend: VLLMBackend, **more: Any) -> None:
    profile = conformance.Profile(make=lambda: backend, shared=backend, timeout=3600, concurrency=8, **more)
    try:
        await check(profile)
    except conformance.Skip as skip:
        pytest.skip(str(skip))


@pytest_asyncio.fixture(scope="module")
async def small() -> AsyncIterator[VLLMBackend]:
    backend = await opened(SMOLLM2)
    yield backend
    await backend.aclose()


@pytest_asyncio.fixture(scope="module")
async def large() -> AsyncIterator[VLLMBackend]:
    backend = await opened(QWEN)
    yield backend
    await backend.aclose()


@short_checks_first
async def test_smollm2_conforms(check: conformance.Check, small: VLLMBackend) -> None:
    """Its template knows no tools. It writes until it is cut: short answers."""
    await passes(check, small, max_tokens=24, structured_tokens=128)


@every_check
@pytest.mark.large
async def test_qwen_conforms(check: conformance.Check, large: VLLMBackend) -> None:
    await passes(check, large)


@pytest.mark.large
async def test_qwen_calls(large: VLLMBackend) -> None:
    await check_calls(large)


@pytest.mark.large
async def test_qwen_plays_readme_s_bank(large: VLLMBackend, tmp_path: Path) -> None:
    await play_end_to_end(large, tmp_path)
