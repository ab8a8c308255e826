"""A real model on llama.cpp: its own tool calls, and README's bank end to end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from helpers.models import QWEN, SMOLLM2, real_model
from helpers.readme_bank import check_calls, play_end_to_end

from artis_sdk.backends.llama_cpp import LlamaCppBackend

pytest.importorskip("llama_cpp")
pytestmark = [pytest.mark.engine, pytest.mark.timeout(3600)]


@pytest.fixture(scope="module")
async def qwen() -> AsyncIterator[LlamaCppBackend]:
    backend = LlamaCppBackend(real_model(QWEN), n_ctx=4096, n_threads=1)
    yield backend
    await backend.aclose()


@pytest.mark.large
async def test_qwen_calls(qwen: LlamaCppBackend) -> None:
    await check_calls(qwen)


@pytest.mark.large
async def test_qwen_plays_readme_s_bank(qwen: LlamaCppBackend, tmp_path: Path) -> None:
    await play_end_to_end(qwen, tmp_path)


async def test_smollm2_plays_readme_s_bank(tmp_path: Path) -> None:
    """Its template knows no tools. It writes until it is cut, and a cut answer is no answer."""
    backend = LlamaCppBackend(real_model(SMOLLM2), n_ctx=4096, n_threads=1)
    try:
        await play_end_to_end(backend, tmp_path, attempts=1, max_tokens=60)
    finally:
        await backend.aclose()
