"""Errors of the llama.cpp backend: requests and files that do not fit, and an engine that dies."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import pytest
from helpers import tiny_model
from helpers.llama import ask, endless, opened, running
from helpers.llama_work import BIG, LONG, threads

from artis_sdk.backends.llama_cpp import LlamaCppBackend
from artis_sdk.backends.llama_cpp import context as context_module
from artis_sdk.backends.registry import resolve
from artis_sdk.errors import (
    BackendClosed,
    ConfigurationError,
    ContextOverflow,
    EngineDead,
)

pytestmark = pytest.mark.engine


async def test_a_prompt_without_room_says_how_long_it_is() -> None:
    async with opened(n_ctx=256) as backend:
        with pytest.raises(ContextOverflow, match=r"\d{3,} tokens, and the context holds 256"):
            await backend.complete(ask(LONG))
        answer = await backend.complete(ask("short", max_tokens=None, seed=1))
        assert answer.finish_reason in ("length", "stop")
        assert answer.usage.total_tokens <= 257


async def test_a_backends_own_limit_holds_for_requests_that_set_none() -> None:
    with pytest.raises(ConfigurationError, match="max_tokens must be at least 1, not 0"):
        LlamaCppBackend(tiny_model.gguf_model(), max_tokens=0)
    async with opened(max_tokens=5) as backend:
        answer = await backend.complete(ask("Talk.", max_tokens=None, temperature=0.0))
        assert (answer.finish_reason, answer.usage.completion_tokens) == ("length", 5)
        longer = await backend.complete(ask("Talk.", max_tokens=9, temperature=0.0))
        assert longer.usage.completion_tokens == 9


async def test_files_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="does not exist"):
        LlamaCppBackend(tmp_path / "none.gguf")
    text = tmp_path / "text.gguf"
    text.write_text("no model")
    with pytest.raises(ConfigurationError, match="not a complete GGUF file"):
        LlamaCppBackend(text)
    whole = tiny_model.gguf_model().read_bytes()
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(whole[: len(whole) // 2])
    backend = LlamaCppBackend(cut)
    with pytest.raises(ConfigurationError, match=r"cut\.gguf cannot be loaded: .+"):
        await backend.start()
    await backend.aclose()
    assert threads() == []


async def test_adapters_that_do_not_fit() -> None:
    other = tiny_model.gguf_adapter(BIG)
    backend = LlamaCppBackend(tiny_model.gguf_model(), adapters={"other": other})
    with pytest.raises(ConfigurationError, match=r"adapter 'other' .* does not fit"):
        await backend.start()
    await backend.aclose()
    model = tiny_model.gguf_model()
    backend = LlamaCppBackend(model, adapters={"model": model})
    with pytest.raises(ConfigurationError, match="is a model, not a LoRA adapter"):
        await backend.start()
    await backend.aclose()


def test_settings_that_make_no_sense() -> None:
    with pytest.raises(ConfigurationError, match="max_concurrency"):
        resolve(f"llama_cpp:{tiny_model.gguf_model()}", max_concurrency=0)
    with pytest.raises(ConfigurationError, match="n_batch"):
        resolve(f"llama_cpp:{tiny_model.gguf_model()}", n_batch=3)


async def test_closing_ends_everything_under_way() -> None:
    async with opened() as backend:
        await backend.start()
        tasks = [asyncio.create_task(backend.complete(endless("Talk"))) for _ in range(12)]
        await asyncio.sleep(0.05)
    ends = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(end, BackendClosed) for end in ends)
    assert threads() == []
    with pytest.raises(BackendClosed):
        await backend.complete(ask("Hi"))


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
async def test_the_death_of_the_thread_is_a_typed_error(monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened() as backend:
        await backend.start()

        def die(*_: object) -> None:
            raise MemoryError("no more")

        tasks = [asyncio.create_task(backend.complete(endless("Talk"))) for _ in range(12)]
        await asyncio.sleep(0.05)
        monkeypatch.setattr(context_module.Context, "decode", die)
        ends = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(end, EngineDead) for end in ends)
        with pytest.raises(EngineDead, match="no more"):
            await backend.complete(ask("Hi"))
    assert threads() == []


async def test_an_engine_that_cannot_compute_is_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened() as backend:
        await backend.start()
        context = running(backend).scheduler._context
        monkeypatch.setattr(context, "_handle", None)
        monkeypatch.setattr(context._lib, "llama_decode", lambda *_: -3)
        with pytest.raises(EngineDead, match="failed with code -3"):
            await backend.complete(ask("Hi"))
        monkeypatch.undo()


async def test_a_full_memory_drops_what_is_kept_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened() as backend:
        await backend.complete(ask(LONG))
        lib = running(backend).scheduler._context._lib
        real, full = lib.llama_decode, [1]
        monkeypatch.setattr(lib, "llama_decode", lambda *a: full.pop() if full else real(*a))
        assert (await backend.complete(ask("something else entirely"))).text
        assert full == []
        full += [1]
        monkeypatch.setattr(lib, "llama_decode", lambda *a: 1)
        with pytest.raises(ContextOverflow, match="KV cache is full"):
            await backend.complete(ask("and now something else"))
        monkeypatch.undo()
        assert (await backend.complete(ask("Still there?"))).text


async def test_a_caller_whose_callback_fails_gets_its_error() -> None:
    def fail(_: str) -> None:
        raise RuntimeError("mine")

    async with opened() as backend:
        with pytest.raises(RuntimeError, match="mine"):
            await backend.complete(ask("Talk", max_tokens=200), on_token=fail)
        assert (await backend.complete(ask("Still there?"))).text


async def test_the_librarys_log_goes_to_logging(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "artis_sdk.llama_cpp")
    async with opened() as backend:
        await backend.complete(ask("Hi"))
    assert capfd.readouterr().err == ""
    assert any(record.name == "artis_sdk.llama_cpp" for record in caplog.records)
