"""What goes to a model backend and what comes back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal

from pydantic import BaseModel, PrivateAttr

from artis_sdk.records.calls import FROZEN, ToolCall, ToolSpec


class Role(StrEnum):
    """For whom a model was called; usage is reported by role (the paper's table 4)."""

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
    """For a tool message: the id of the call that it answers."""
    failed: bool = False
    """For a tool message: the outcome is a failure."""
    raw: str | None = None
    """For an assistant message: the model's exact text."""

    _wire: dict[str, Any] = PrivateAttr(default_factory=dict)
    """Backends keep their translation of this message here, under their own name, so that a step
    costs the same however long the history is."""

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Message:
        """A copy, which backends translate anew."""
        copied = super().model_copy(update=update, deep=deep)
        copied._wire = {}
        return copied

    def __eq__(self, other: object) -> bool:
        """Equal by fields; what backends remember of a message does not count."""
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
    """JSON schema that the answer's text must hold to, where the backend can enforce it."""
    tool_choice: Literal["auto", "required", "none"] = "auto"
    logprobs: bool = False
    adapter: str | None = None
    """Name of a LoRA adapter; None is the base model."""
    priority: int = 0
    """Lower runs first: a commit overtakes rehearsals on a shared local engine."""


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
    """The exact text of the model's message as the backend gave it; training needs it."""
    model: str = ""
    request_id: str | None = None
    logprobs: tuple[TokenLogprob, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a backend can do; the loop asks here and never for the provider's name."""

    native_tools: bool = True
    structured_output: bool = True
    seed: bool = False
    logprobs: bool = False
    adapters: bool = False
    streaming: bool = False
    temperature: bool = True
    """Whether temperature and top-p are honoured; where not, the model samples at its own."""
    context_window: int | None = None
    """Tokens; None where the backend does not know."""
