"""What the llama.cpp tests share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from helpers import tiny_model

from artis_sdk.backends.llama_cpp import LlamaCppBackend
from artis_sdk.backends.llama_cpp.running import LoadedModel
from artis_sdk.records import Message, Request


def ask(text: str, **more: Any) -> Request:
    """A request of one question."""
    return Request(messages=(Message(role="user", content=text),), **{"max_tokens": 16, **more})


def endless(text: str) -> Request:
    """A request that the tiny model does not end by itself: without chance it goes on and on."""
    return ask(text, max_tokens=1000, temperature=0.0)


@asynccontextmanager
async def opened(model: Path | None = None, **options: Any) -> AsyncIterator[LlamaCppBackend]:
    """A backend of the tiny model."""
    settings = {"n_ctx": 2048, "n_threads": 1, **options}
    backend = LlamaCppBackend(model or tiny_model.gguf_model(), **settings)
    try:
        yield backend
    finally:
        await backend.aclose()


def running(backend: LlamaCppBackend) -> LoadedModel:
    """The loaded engine of a backend that has answered."""
    assert backend._running is not None
    return backend._running
