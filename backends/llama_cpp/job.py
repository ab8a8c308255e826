"""One request in the scheduler."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from artis_sdk.backends.llama_cpp.sampling import Sampler
from artis_sdk.backends.llama_cpp.slots import Slot
from artis_sdk.backends.llama_cpp.text import TextStream
from artis_sdk.errors import BackendError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Generation:
    """The result of a job."""

    text: str
    tokens: tuple[int, ...]
    """Generated token ids, including the one that ended the answer."""
    logprobs: tuple[float, ...]
    """Natural log of each token's probability, if requested; else empty."""
    cached: int
    """Number of prompt tokens taken from the prefix cache."""
    finish: Literal["stop", "length"]
    cpu_seconds: float
    """CPU seconds of its tokens: of each batch the share that they are of its tokens."""


@dataclass(slots=True, eq=False)
class Job:
    """A prompt, its sampling, and the queue of its output.

    Args:
        prompt: token ids.
        limit: maximum number of generated tokens.
        priority: lower is served first; equal ones in order of arrival.
        turn_opening: what the chat template wrote at the beginning of the model's turn, at the prompt's end.
    """

    prompt: NDArray[np.int32]
    limit: int
    sampler: Sampler
    stream: TextStream
    adapter: str | None
    priority: int
    loop: asyncio.AbstractEventLoop
    turn_opening: str = ""
    streamed: bool = False
    """Whether to deliver text during generation."""
    news: asyncio.Queue[str | Generation | BackendError] = field(default_factory=asyncio.Queue)
    """Texts, then one result or error; read on `loop`."""

    # State of the scheduler.
    order: int = 0
    cancelled: bool = False
    slot: Slot | None = None
    waits: tuple[Slot, int, NDArray[np.int32] | None] | None = None
    """A slot, the number of its tokens that this job waits for, and the prompt in prefill there."""
    cached: int = 0
    undecoded: list[int] = field(default_factory=list)
    """The tokens of the answer that are not in the context yet; none during prefill."""
    tokens: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    cpu_seconds: float = 0.0

    @property
    def rank(self) -> tuple[int, int]:
        return self.priority, self.order

    @property
    def is_held_up(self) -> bool:
        """Whether the job still waits for a prefix that another job prefills."""
        if self.waits is None:
            return False
        slot, length, prompt = self.waits
        if slot.pending is None or slot.pending is not prompt or slot.length >= length:
            self.waits = None
        return self.waits is not None

    def generated(self, finish: Literal["stop", "length"]) -> Generation:
        if self.stream.end():
            finish = "stop"
        return Generation(
            self.stream.text,
            tuple(self.tokens),
            tuple(self.logprobs),
            self.cached,
            finish,
            round(self.cpu_seconds, 6),
        )
