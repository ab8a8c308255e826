"""The llama.cpp backend passes what every backend must."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from helpers import tiny_model

from artis_sdk.backends.conformance import suite as conformance
from artis_sdk.backends.llama_cpp import LlamaCppBackend
from artis_sdk.errors import ConfigurationError

pytest.importorskip("llama_cpp")
pytestmark = pytest.mark.engine


def make() -> LlamaCppBackend:
    return LlamaCppBackend(tiny_model.gguf_model(), n_ctx=2048, n_threads=1)


@pytest.fixture(scope="module")
async def shared() -> AsyncIterator[LlamaCppBackend]:
    backend = make()
    yield backend
    await backend.aclose()


@pytest.mark.parametrize("check", conformance.CHECKS, ids=lambda check: check.__name__)
async def test_llama_conforms(check: conformance.Check, shared: LlamaCppBackend, tmp_path: Path) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(tiny_model.gguf_model().read_bytes()[:300_000])
    profile = conformance.Profile(
        make=make,
        shared=shared,
        broken={
            "a missing file": (lambda: LlamaCppBackend(tmp_path / "none.gguf"), ConfigurationError),
            "a file that is cut off": (lambda: LlamaCppBackend(broken), ConfigurationError),
        },
    )
    try:
        await check(profile)
    except conformance.Skip as skip:
        pytest.skip(str(skip))
