"""llama.cpp in process: one model, many sequences decoded in one batch, shared prefixes prefilled once."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from artis_sdk.backends.llama_cpp.header import Header, read_header
from artis_sdk.backends.llama_cpp.hub import find_model
from artis_sdk.backends.llama_cpp.running import ContextSettings, LoadedModel
from artis_sdk.errors import BackendClosed, BackendError, ConfigurationError
from artis_sdk.records import Capabilities, Completion, Request

_DEFAULT_CONTEXT = 8192  # tokens, if the model was trained for as many


class LlamaCppBackend:
    """The backend of `resolve("llama_cpp:MODEL", ...)`.

    The first request (or `start`) loads the model, off the event loop. All requests run in one context:
    a common prefix is prefilled once, running requests are decoded in one batch, and the tokens of
    finished requests stay in memory as a prefix cache until their slots are needed.

    The KV cache has `n_ctx` times `max_concurrency` tokens.

    Args:
        model: path of a GGUF file, or a hub file as `owner/name/file.gguf` (the file name may contain
            wildcards), which the library's own downloader fetches.
        n_ctx: tokens of one request, prompt and answer together; by default the model's training
            length, at most 8,192.
        max_concurrency: number of slots, each for a running request or the cache of a finished one.
        n_threads: CPU threads; by default half of the machine's cores. More than are idle slow every token.
        n_gpu_layers: layers on a GPU, if the library was built for one; -1 for all.
        n_batch: maximum tokens of one prefill batch; no other request gets a token during a batch.
        adapters: paths of GGUF LoRA adapters by name; a request names one.
        max_tokens: maximum tokens of an answer whose request sets no limit; by default a quarter of
            `n_ctx`, at most 4,096.
        chat_template: Jinja text in place of the model's own.
        chat_template_kwargs: variables for the chat template, such as `{"enable_thinking": False}`.

    Raises:
        ConfigurationError: a file is missing or broken, or a number is out of range.
        MissingExtraError: llama-cpp-python is not installed (raised at the start).
    """

    def __init__(
        self,
        model: str | Path,
        *,
        n_ctx: int | None = None,
        max_concurrency: int = 8,
        n_threads: int | None = None,
        n_gpu_layers: int = 0,
        n_batch: int = 512,
        adapters: Mapping[str, str | Path] | None = None,
        max_tokens: int | None = None,
        chat_template: str | None = None,
        chat_template_kwargs: Mapping[str, Any] | None = None,
    ) -> None:
        self.name = f"llama_cpp:{model}"
        self._source = find_model(str(model))
        if not 1 <= max_concurrency <= 256:
            raise ConfigurationError(
                f"{self.name}: max_concurrency must be from 1 to 256, not {max_concurrency}"
            )
        if n_batch < 2 * max_concurrency:
            raise ConfigurationError(
                f"{self.name}: n_batch must be at least twice max_concurrency, not {n_batch}"
            )
        if max_tokens is not None and max_tokens < 1:
            raise ConfigurationError(f"{self.name}: max_tokens must be at least 1, not {max_tokens}")
        self._settings = ContextSettings(
            n_ctx=n_ctx,
            n_seq=max_concurrency,
            n_threads=n_threads or max(1, (os.cpu_count() or 2) // 2),
            n_gpu_layers=n_gpu_layers,
            n_batch=n_batch,
            adapters={name: Path(path).expanduser() for name, path in (adapters or {}).items()},
            max_tokens=max_tokens,
            chat_template=chat_template,
            chat_template_kwargs=dict(chat_template_kwargs or {}),
        )
        self._header = read_header(self._source) if isinstance(self._source, Path) else None
        for path in self._settings.adapters.values():
            read_header(path)
        self._loading: asyncio.Task[LoadedModel] | None = None
        self._running: LoadedModel | None = None
        self._closed = False

    def __repr__(self) -> str:
        return f"<LlamaCppBackend {self.name}>"

    @property
    def capabilities(self) -> Capabilities:
        """The model's capabilities; the context window is a guess until a hub file is downloaded."""
        return Capabilities(
            native_tools=True,
            local=True,
            held_calls=True,
            structured_output=True,
            seed=True,
            logprobs=True,
            adapters=bool(self._settings.adapters),
            streaming=True,
            context_window=self._context_length(self._header),
        )

    def count_tokens(self, text: str) -> int:
        """Number of tokens of a text; an estimate from its bytes until the model is loaded."""
        if self._running is None or self._closed:
            return -(-len(text.encode("utf-8", "replace")) // 3)
        return len(self._running.model.tokenize(text, special=False))

    async def start(self) -> None:
        """Load the model now rather than with the first request."""
        await self._ready()

    async def complete(
        self, request: Request, *, on_token: Callable[[str], None] | None = None
    ) -> Completion:
        """Answer one request; see `contracts.Backend.complete`.

        Raises:
            ContextOverflow: the prompt leaves no room for an answer.
            RequestRejected: the chat template refuses the messages, or a schema cannot be compiled.
            ConfigurationError: no adapter has the requested name.
            EngineDead: the engine's thread has ended.
        """
        running = await self._ready()
        if request.adapter is not None and request.adapter not in self._settings.adapters:
            known = ", ".join(sorted(self._settings.adapters)) or "none"
            raise ConfigurationError(f"{self.name} has no adapter {request.adapter!r}; its adapters: {known}")
        loop = asyncio.get_running_loop()
        job = await asyncio.to_thread(running.job, request, loop, streamed=on_token is not None)
        shown = 0  # characters
        running.scheduler.submit(job)
        try:
            while isinstance(item := await job.news.get(), str):
                if on_token is not None:
                    shown += len(item)
                    on_token(item)
        finally:
            running.scheduler.cancel(job)  # no effect on a job that has ended
        if isinstance(item, BackendError):
            raise item
        completion = running.completion(request, job, item)
        if on_token is not None and len(completion.text) > shown:
            on_token(completion.text[shown:])
        return completion

    async def aclose(self) -> None:
        """End all requests and the thread, and free the model."""
        self._closed = True
        loading, self._loading = self._loading, None
        if loading is not None:
            await asyncio.wait([loading])
            if loading.exception() is None:
                await asyncio.to_thread(loading.result().close)
            self._running = None

    async def _ready(self) -> LoadedModel:
        if self._closed:
            raise BackendClosed(self.name, "the backend is closed")
        if self._running is None:
            if self._loading is None:
                self._loading = asyncio.create_task(asyncio.to_thread(self._load))
            self._running = await asyncio.shield(self._loading)
        return self._running

    def _load(self) -> LoadedModel:
        source = self._source
        path = source if isinstance(source, Path) else source.download(self.name)
        self._header = header = read_header(path)
        return LoadedModel(self.name, path, header, self._settings, n_ctx=self._context_length(header))

    def _context_length(self, header: Header | None) -> int:
        trained = header.context_length if header else None
        return self._settings.n_ctx or min(trained or _DEFAULT_CONTEXT, _DEFAULT_CONTEXT)
