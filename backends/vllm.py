"""vLLM, one name and two ways: an engine inside this program, or any `vllm serve` behind a URL.

In process one engine serves everything that is given the same backend: the agent on the base model,
the trained simulator as a LoRA adapter beside it, rehearsals and, ahead of them, a commit.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any, TypedDict, Unpack

from artis_sdk.backends.openai import OpenAIBackend
from artis_sdk.backends.retry import RetryPolicy
from artis_sdk.backends.vllm_chat import Chat
from artis_sdk.backends.vllm_engine import Engine
from artis_sdk.backends.vllm_tools import guess_tool_parser, template_of
from artis_sdk.errors import ConfigurationError
from artis_sdk.records import Capabilities, Completion, Request, new_id


class ServerOptions(TypedDict, total=False):
    """Options of the server's way; see `OpenAIBackend`."""

    api_key: str
    timeout: float
    max_concurrency: int
    retry: RetryPolicy
    max_tokens: int
    extra_body: Mapping[str, Any]
    extra_headers: Mapping[str, str]
    context_window: int


class VLLMBackend:
    """What `resolve("vllm:MODEL", ...)` makes: with `base_url` a server's client, else an engine.

    Args:
        model: in process a path or hub id; for a server the name that it serves.
        base_url: a running server, with the `/v1`.
        adapters: LoRA adapters by name, each a peft folder or hub id; a request names one. A server
            knows its adapters itself.
        tool_parser: in process, vLLM's name of the model's call format; by default the chat
            template tells.
        chat_template_kwargs: given to the chat template, such as `{"enable_thinking": False}`.
        engine_args: in process, further arguments of vLLM's `AsyncEngineArgs`, such as
            `{"tensor_parallel_size": 2}`; they win over what this backend sets.
        server: options of the server's way.

    Raises:
        ConfigurationError: an option belongs to the other way, or an adapter is none.
        MissingExtraError: vLLM, or for a server the OpenAI SDK, is not installed.
    """

    def __init__(
        self,
        model: str,
        *,
        base_url: str | None = None,
        adapters: Mapping[str, str | Path] | None = None,
        tool_parser: str | None = None,
        chat_template_kwargs: Mapping[str, Any] | None = None,
        engine_args: Mapping[str, Any] | None = None,
        **server: Unpack[ServerOptions],
    ) -> None:
        unknown = set(server) - set(ServerOptions.__annotations__)
        if unknown:
            raise ConfigurationError(f"vllm:{model} takes no {', '.join(sorted(unknown))}")
        self._way: _EngineBackend | VLLMServer
        if base_url is None:
            if server:
                raise ConfigurationError(f"vllm:{model}: {', '.join(server)} need base_url, a server")
            engine = Engine(f"vllm:{model}", model, adapters or {}, engine_args or {})
            self._way = _EngineBackend(engine, bool(adapters), tool_parser, chat_template_kwargs or {})
        else:
            if adapters or tool_parser or engine_args:
                raise ConfigurationError(
                    f"vllm:{model}: adapters, tool_parser and engine_args are the server's own; give them"
                    " to `artis serve`"
                )
            self._way = VLLMServer(model, base_url, chat_template_kwargs or {}, server)

    def __repr__(self) -> str:
        return f"<VLLMBackend {self.name}>"

    @property
    def name(self) -> str:
        return self._way.name

    @property
    def capabilities(self) -> Capabilities:
        return self._way.capabilities

    async def start(self) -> None:
        """Start the engine now rather than with the first request; nothing to do for a server."""
        if isinstance(self._way, _EngineBackend):
            await self._way.ready()

    @property
    def process_ids(self) -> list[int]:
        """An engine's own processes: its core and its workers; none before it has started."""
        return self._way.engine.process_ids if isinstance(self._way, _EngineBackend) else []

    async def complete(
        self, request: Request, *, on_token: Callable[[str], None] | None = None
    ) -> Completion:
        """Answer one request; see `contracts.Backend.complete`."""
        return await self._way.complete(request, on_token=on_token)

    async def aclose(self) -> None:
        """End the engine and its processes, or the connections."""
        await self._way.aclose()


class VLLMServer(OpenAIBackend):
    """A `vllm serve`: chat completions, and what vLLM adds to them."""

    prefix = "vllm"

    def __init__(
        self, model: str, base_url: str, template_arguments: Mapping[str, Any], options: ServerOptions
    ) -> None:
        given: dict[str, Any] = {"api_key": "none", **options}
        if template_arguments:
            extra = {"chat_template_kwargs": dict(template_arguments), **given.get("extra_body", {})}
            given["extra_body"] = extra
        super().__init__(model, base_url=base_url, strict_tools=True, **given)
        self._capabilities = replace(self._capabilities, adapters=True)

    def fields(self, request: Request, *, stream: bool) -> dict[str, Any]:
        fields = super().fields(request, stream=stream)
        if request.adapter is not None:
            fields["model"] = request.adapter  # vLLM serves an adapter as a model of its own name
        if request.priority:
            fields["priority"] = request.priority
        return fields


class _EngineBackend:
    """An engine in this program."""

    def __init__(
        self,
        engine: Engine,
        adapters: bool,
        tool_parser: str | None,
        template_arguments: Mapping[str, Any],
    ) -> None:
        self.engine = engine
        self.name = engine.name
        self._adapters = adapters
        self._tool_parser = tool_parser
        template = template_of(engine.model)  # None: on the hub, and not known before the start
        self._native_tools = bool(tool_parser or template is None or guess_tool_parser(template))
        self._template_arguments = template_arguments
        self._chat: Chat | None = None
        self._making = asyncio.Lock()

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(
            native_tools=self._native_tools,
            seed=True,
            logprobs=True,
            adapters=self._adapters,
            streaming=True,
            context_window=self.engine.context_window,
        )

    async def ready(self) -> Chat:
        llm = await self.engine.llm()
        if self._chat is None:
            async with self._making:
                if self._chat is None:  # what it imports would hold the event loop up
                    self._chat = await asyncio.to_thread(
                        Chat, self.name, llm, self._tool_parser, self._template_arguments
                    )
        return self._chat

    async def complete(
        self, request: Request, *, on_token: Callable[[str], None] | None = None
    ) -> Completion:
        chat = await self.ready()
        adapter = await self.engine.adapter(request.adapter)
        stream = on_token is not None
        with self.engine.typed_errors():
            prompt = await chat.prompt(request)
            parameters = chat.parameters(request, len(prompt["prompt_token_ids"]), stream=stream)
            answer = chat.answer(request, prompt, stream=stream)
        request_id = new_id()
        outputs = self.engine.generate(
            prompt,
            parameters,
            request_id,
            adapter=adapter,
            priority=request.priority,
            **answer.engine_arguments,
        )
        async with aclosing(outputs):
            async for output in outputs:
                piece = answer.feed(output)
                if on_token is not None and piece:
                    on_token(piece)
        return answer.completion(with_logprobs=request.logprobs, request_id=request_id)

    async def aclose(self) -> None:
        await self.engine.aclose()
