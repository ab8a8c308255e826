"""Requests to a model backend and its completions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal

from pydantic import BaseModel, PrivateAttr

from artis_sdk.records.calls import FROZEN, ToolCall, ToolSpec


class Role(StrEnum):
    """The part that called a model; usage is reported by role (the paper's table 4)."""

    ACTION = "action"
    SIMULATION = "simulation"
    EVALUATION = "evaluation"
    SUMMARY = "summary"


class Message(BaseModel):
    """One message of a conversation."""

    model_config = FROZEN

    role: Literal["system", "user", "assistant", "tool"]
    content: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None
    """Id of the call that a tool message answers."""
    failed: bool = False
    """Whether a tool message reports a failure."""
    raw: str | None = None
    """Exact text of the model, for an assistant message."""

    _wire: dict[str, Any] = PrivateAttr(default_factory=dict)
    """Translations of this message by backend name, kept so that a step costs the same however long the
    history is."""

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Message:
        """A copy, which backends translate again."""
        copied = super().model_copy(update=update, deep=deep)
        copied._wire = {}
        return copied

    def __eq__(self, other: object) -> bool:
        """Equality by fields; translations kept by backends do not count."""
        return isinstance(other, Message) and self.__dict__ == other.__dict__

    def __hash__(self) -> int:
        return hash((self.role, self.content, self.tool_call_id))


class Usage(BaseModel):
    """Tokens and requests. Prompt tokens include the cached ones."""

    model_config = FROZEN

    requests: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0

    @property
    def total_tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            requests=self.requests + other.requests,
            prompt_tokens=self.prompt_tokens + other.prompt_tokens,
            cached_tokens=self.cached_tokens + other.cached_tokens,
            completion_tokens=self.completion_tokens + other.completion_tokens,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One completion request. Messages and tools are shared between requests, never copied."""

    messages: tuple[Message, ...]
    tools: tuple[ToolSpec, ...] = ()
    temperature: float = 1.0
    top_p: float | None = None
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None
    schema: dict[str, Any] | None = None
    """JSON schema of the answer's text, enforced if the backend can."""
    tool_choice: Literal["auto", "required", "none"] = "auto"
    logprobs: bool = False
    adapter: str | None = None
    """Name of a LoRA adapter; None for the base model."""
    priority: int = 0
    """Priority; lower runs first: a commit overtakes rehearsals on a shared local engine."""


class TokenLogprob(BaseModel):
    """One generated token and its natural-log probability."""

    model_config = FROZEN

    token: str
    id: int | None = None
    logprob: float


FinishReason = Literal["stop", "length", "tool_calls", "content_filter"]


class Completion(BaseModel):
    """A model's answer."""

    model_config = FROZEN

    text: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    finish_reason: FinishReason = "stop"
    usage: Usage = Usage()
    raw: str = ""
    """Exact text of the model's message from the backend; training needs it."""
    model: str = ""
    request_id: str | None = None
    logprobs: tuple[TokenLogprob, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """Abilities of a backend; the loop reads these, never the provider's name."""

    native_tools: bool = True
    structured_output: bool = True
    seed: bool = False
    logprobs: bool = False
    adapters: bool = False
    streaming: bool = False
    temperature: bool = True
    """Whether temperature and top-p are honoured; if not, the model uses its own."""
    context_window: int | None = None
    """Size of the context window in tokens; None if the backend does not know it."""
