"""The llama.cpp backend passes what every backend must: with random weights and with real models, with a chat
template that knows tools and with one that knows none."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from helpers import tiny_model
from helpers.models import QWEN, SMOLLM2, Packaged, real_model

from artis_sdk.backends.conformance import suite as conformance
from artis_sdk.backends.llama_cpp import LlamaCppBackend
from artis_sdk.backends.llama_cpp.chat_template import CHATML
from artis_sdk.errors import ConfigurationError

pytest.importorskip("llama_cpp")
pytestmark = pytest.mark.engine


CHECKS = pytest.mark.parametrize("check", conformance.CHECKS, ids=lambda check: check.__name__)


def tiny(template: str | None = None) -> LlamaCppBackend:
    return LlamaCppBackend(tiny_model.gguf_model(), n_ctx=2048, n_threads=1, chat_template=template)


async def passes(check: conformance.Check, profile: conformance.Profile) -> None:
    try:
        await check(profile)
    except conformance.Skip as skip:
        pytest.skip(str(skip))


@pytest.fixture(scope="module", params=[None, CHATML], ids=["tools", "text"])
async def shared(request: pytest.FixtureRequest) -> AsyncIterator[tuple[str | None, LlamaCppBackend]]:
    """A chat template, and a backend with it. ChatML knows no tools, so they are written as text."""
    backend = tiny(request.param)
    yield request.param, backend
    await backend.aclose()


@CHECKS
async def test_llama_conforms(
    check: conformance.Check, shared: tuple[str | None, LlamaCppBackend], tmp_path: Path
) -> None:
    template, backend = shared
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(tiny_model.gguf_model().read_bytes()[:300_000])
    await passes(
        check,
        conformance.Profile(
            make=lambda: tiny(template),
            shared=backend,
            broken={
                "a missing file": (lambda: LlamaCppBackend(tmp_path / "none.gguf"), ConfigurationError),
                "a file that is cut off": (lambda: LlamaCppBackend(broken), ConfigurationError),
            },
        ),
    )


def real(packaged: Packaged) -> LlamaCppBackend:
    return LlamaCppBackend(real_model(packaged), n_ctx=2048, n_threads=1)


@pytest.fixture(scope="module")
async def small() -> AsyncIterator[LlamaCppBackend]:
    backend = real(SMOLLM2)
    yield backend
    await backend.aclose()


@pytest.fixture(scope="module")
async def large() -> AsyncIterator[LlamaCppBackend]:
    backend = real(QWEN)
    yield backend
    await backend.aclose()


@CHECKS
@pytest.mark.timeout(1800)
async def test_smollm2_conforms(check: conformance.Check, small: LlamaCppBackend) -> None:
    """Its template knows no tools."""
    await passes(
        check,
        conformance.Profile(
            make=lambda: real(SMOLLM2), shared=small, timeout=1800, concurrency=8, structured_tokens=128
        ),
    )


@CHECKS
@pytest.mark.large
@pytest.mark.timeout(3600)
async def test_qwen_conforms(check: conformance.Check, large: LlamaCppBackend) -> None:
    await passes(
        check, conformance.Profile(make=lambda: real(QWEN), shared=large, timeout=3600, concurrency=8)
    )
