"""Anthropic's messages API, and every server that speaks it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from typing import Any

from pydantic_core import to_json

from artis_sdk.backends.anthropic.answers import read_completion
from artis_sdk.backends.anthropic.stream import StreamedMessage
from artis_sdk.backends.anthropic.wire import conversation, message_fragment, tools_json
from artis_sdk.backends.hosted.api import Api
from artis_sdk.backends.hosted.base import DEFAULT_TIMEOUT, Assembly, HostedBackend
from artis_sdk.backends.hosted.http_errors import secrets_of
from artis_sdk.backends.hosted.names import own_names
from artis_sdk.backends.hosted.refusals import TEMPERATURE, TOOL_CHOICE, TOP_P, optional
from artis_sdk.backends.hosted.retry import RetryPolicy
from artis_sdk.backends.hosted.wire import Translated, encode, fragments, is_closed
from artis_sdk.records import Capabilities, Completion, Request, ToolSpec
from artis_sdk.records.marks import break_up, in_all_texts

API = Api(
    official="https://api.anthropic.com",
    url_variable="ANTHROPIC_BASE_URL",
    key_variable="ANTHROPIC_API_KEY",
    ours=frozenset({"model", "messages", "system", "tools", "tool_choice", "stream", "cache_control"}),
    version="/v1",
)

# The official models that take a temperature and a top-p; Opus 4.7 and later models refuse them.
_SAMPLING_MODELS = re.compile(r"claude-(?:3|.*-4-(?:[0-6]\b|20))")


_REFUSABLE = (
    TOP_P,  # some models take either, and temperature is the one that was chosen
    TEMPERATURE,
    TOOL_CHOICE,
    optional(
        "stop",
        '"stop_sequences":',
        r"\bstop_sequences\b",
        "takes no stop strings; its whole answers are cut here",
    ),
    optional(
        "schema",
        '"format":{"type":"json_schema"',
        r"output_?(?:config|format)|json_?schema|structured[ _]outputs?",
        "does not hold answers to a schema; the prompt describes the form in words",
    ),
    optional("strict", '"strict":', r"\bstrict\b", "has no strict mode"),
    optional("cache", '"cache_control":', r"cache_control", "has no cache to mark"),
    optional(
        "thoughts",
        '"type":"thinking"',
        r"\b(?:thinking|signature)\b.*block|block.*\b(?:thinking|signature)\b",
        "does not take its own thoughts back",
    ),
)


class AnthropicBackend(HostedBackend):
    """A model behind a messages endpoint.

    The API takes no seed. The official server enforces a schema only if it leaves nothing open (every
    object lists its properties and allows no others); any other schema is not sent, and the first one
    is logged as a warning. The same applies to the temperature of models that take none.

    Args:
        model: name of the model on the server.
        base_url: URL with or without `/v1`; by default ANTHROPIC_BASE_URL of the environment, else
            Anthropic.
        api_key: key; by default ANTHROPIC_API_KEY of the environment. Anthropic needs one; another
            server without one receives the key `none`.
        timeout: seconds for one whole answer, connecting included.
        max_concurrency: requests under way at once; None for as many as the server takes: from 64 on, twice
            as many with each round of answers, until it refuses one for its rate or slows down.
        retry: retry policy for failed requests.
        max_tokens: maximum tokens of requests that set none; the API needs a number.
        sampling: whether the model takes temperature and top-p.
        structured_output: whether the server holds an answer to a schema; by default yes, unless it refuses.
            Without, the prompt describes the answer's form in words.
        strict_tools: whether the server must hold a call to its tool's schema, where the schema leaves
            nothing open.
        cache: whether to end the cached prefix after the system prompt and, in requests with tools,
            after the first and the last message: attempts at one task then share their prefix.
        extra_body: fields added to every request, such as `{"thinking": {"type": "adaptive"}}`.
        extra_headers: headers added to every request.
        context_window: size of the context window in tokens, for `capabilities`.
    """

    prefix = "anthropic"
    extra = "anthropic"
    request_id_header = "request-id"

    def __init__(
        self,
        model: str,
        *,
        base_url: str | None = None,
        api_key: str | None = None,
        timeout: float = DEFAULT_TIMEOUT,
        max_concurrency: int | None = None,
        retry: RetryPolicy | None = None,
        max_tokens: int = 8192,
        sampling: bool | None = None,
        structured_output: bool = True,
        strict_tools: bool = False,
        cache: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        context_window: int | None = None,
    ) -> None:
        name = f"{self.prefix}:{model}"
        self._server = server = API.server(name, base_url, api_key, extra_body)
        self._model = model
        self._headers = dict(extra_headers or {})
        self._extra_body = dict(extra_body or {})
        self._output_config = self._extra_body.pop("output_config", {})
        self._max_tokens = max_tokens
        sampled = not server.is_official or _SAMPLING_MODELS.match(model) is not None
        self._sampling = sampled if sampling is None else sampling
        self._cache = cache
        self._strict_tools = strict_tools
        self._own_names: dict[str, str] = {}
        self._translate = partial(message_fragment, backend=name)
        self._tools = Translated(self.tools_json)
        self._output_configs = Translated(self._output_config_json)
        super().__init__(
            name,
            url=f"{server.base_url}/v1/messages",
            secrets=secrets_of(server.key, self._headers),
            capabilities=Capabilities(
                structured_output=structured_output,
                temperature=self._sampling,
                streaming=True,
                context_window=context_window,
            ),
            timeout=timeout,
            max_concurrency=max_concurrency,
            retry=retry,
            refusable=_REFUSABLE,
        )

    def headers(self) -> Mapping[str, str]:
        import anthropic

        from artis_sdk.backends.hosted.http import sdk_headers

        return sdk_headers(
            anthropic.AsyncAnthropic,
            api_key=self._server.key or "none",
            base_url=self._server.base_url,
            default_headers=self._headers,
        )

    def fields(self, request: Request, *, stream: bool) -> dict[str, Any]:
        """The request's settings: every field but messages, system, tools and schema."""
        fields: dict[str, Any] = {
            "model": self._model,
            "max_tokens": request.max_tokens or self._max_tokens,
        }
        if self._sampling:
            if "temperature" not in self._refused.names:
                fields["temperature"] = 1.0 if request.temperature is None else request.temperature
            if request.top_p is not None and "top_p" not in self._refused.names:
                fields["top_p"] = request.top_p
        elif request.temperature not in (None, 1.0):
            self.warn_once(TEMPERATURE.without)
        if request.stop:
            fields["stop_sequences"] = request.stop
        if request.tools and request.tool_choice != "auto":
            fields["tool_choice"] = {"type": "any" if request.tool_choice == "required" else "none"}
        if stream:
            fields["stream"] = True
        if self._cache and request.tools:
            fields["cache_control"] = {"type": "ephemeral"}  # after the last block
        fields.update(self._extra_body)
        return fields

    def encode(self, request: Request, *, stream: bool) -> bytes:
        parts = [to_json(self.fields(request, stream=stream))[:-1]]
        if request.tools:
            parts += (b',"tools":', self._tools(request.tools))
        if request.schema is not None and self._capabilities.structured_output:
            parts.append(self._output_configs(request.schema))
        elif self._output_config:
            parts += (b',"output_config":', to_json(self._output_config))
        pieces = fragments(request.messages, self._wire_key, self._translate)
        cache_task = self._cache and bool(request.tools)
        system, messages = conversation(pieces, cache=self._cache, cache_task=cache_task)
        if system != b"[]":
            parts += (b',"system":', system)
        parts += (b',"messages":', messages, b"}")
        return b"".join(parts)

    def decode(self, data: Any, request_id: str | None) -> Completion:
        return read_completion(data, request_id, self._own_names)

    def assembly(self) -> Assembly:
        return StreamedMessage()

    def tools_json(self, tools: tuple[ToolSpec, ...]) -> bytes:
        """The tools of a request."""
        self._own_names |= own_names(tools)
        return tools_json(tools, strict=self.is_strict)

    def is_strict(self, tool: ToolSpec) -> bool:
        """Whether the server must hold calls of a tool to its schema."""
        return (
            self._strict_tools
            and "strict" not in self._refused.names
            and is_closed(tool.parameters, all_required=False)
        )

    def left_out(self) -> None:
        self._tools.forget()
        self._output_configs.forget()
        thoughts = "thoughts" not in self._refused.names
        self._translate = partial(message_fragment, backend=self._name, thoughts=thoughts)
        self._cache = self._cache and "cache" not in self._refused.names
        super().left_out()

    def _output_config_json(self, schema: dict[str, Any]) -> bytes:
        config = dict(self._output_config)
        schema = in_all_texts(schema, break_up)
        if not self._server.is_official:
            config["format"] = {"type": "json_schema", "schema": schema}
        elif is_closed(schema, all_required=False):
            from anthropic import transform_schema

            # Keywords that the server does not know, such as bounds, become part of the description.
            config["format"] = {"type": "json_schema", "schema": transform_schema(schema)}
        else:
            self.warn_once("does not enforce a schema with open parts; it answers freely")
        return b',"output_config":' + encode(config) if config else b""
