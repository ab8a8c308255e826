"""A model in a role beside the agent: the common base of evaluator, summarizer and scorer."""

from __future__ import annotations

from copy import copy
from typing import Protocol, Self, TypeVar, cast, runtime_checkable

from artis_sdk.contracts import Backend, Meter
from artis_sdk.loop.budget import Unmetered
from artis_sdk.prompts import Prompts
from artis_sdk.records import Request

T = TypeVar("T")


@runtime_checkable
class Meterable(Protocol):
    """A judge that reaches a model through a meter; a judge without a model lacks this."""

    def metered(self, meter: Meter) -> Self:
        """The same judge on this meter."""


def metered(judge: T, meter: Meter) -> T:
    """The judge on this meter; unchanged if it has no model."""
    return cast(T, judge.metered(meter)) if isinstance(judge, Meterable) else judge


class AskedModel:
    """A model prompted by templates; in the paper the agent's own model.

    Args:
        backend: backend of the model.
        prompts: templates that the role names.
        temperature: sampling temperature; 0.01 in the paper.
        top_p: share of the probability that is kept; None for that of the model card, else all.
        max_tokens: maximum tokens of one answer; None for the backend's own limit.
        adapter: name of a LoRA adapter.
        meter: meter that counts the model's requests; see `metered`.
    """

    def __init__(
        self,
        backend: Backend,
        *,
        prompts: Prompts | None = None,
        temperature: float = 0.01,
        top_p: float | None = None,
        max_tokens: int | None = None,
        adapter: str | None = None,
        meter: Meter | None = None,
    ) -> None:
        self._backend = backend
        self._prompts = prompts or Prompts()
        self._settings = Request(
            messages=(), temperature=temperature, top_p=top_p, max_tokens=max_tokens, adapter=adapter
        )
        self._meter = meter or Unmetered()

    def metered(self, meter: Meter) -> Self:
        """The same model on another meter."""
        other = copy(self)
        other._meter = meter
        return other
