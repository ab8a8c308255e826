"""The one engine in process of these tests; the last test of `test_session` kills it."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from helpers.vllm import ENGINE_ARGS, adapters, model

from artis_sdk.backends import resolve
from artis_sdk.backends.vllm import VLLMBackend


@pytest_asyncio.fixture(scope="session")
async def engine(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[VLLMBackend]:
    """An engine that has started, with an adapter and with one whose weights are none."""
    broken = tmp_path_factory.mktemp("adapters") / "broken"
    shutil.copytree(adapters()["simulator"], broken)
    (broken / "adapter_model.safetensors").write_bytes(b"no weights")
    made = resolve(f"vllm:{model()}", adapters={**adapters(), "broken": broken}, engine_args=ENGINE_ARGS)
    assert isinstance(made, VLLMBackend)
    try:
        await made.start()
        yield made
    finally:
        await made.aclose()
