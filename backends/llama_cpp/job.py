"""One request on its way through the scheduler."""

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
    """What a job came to."""

    text: str
    tokens: tuple[int, ...]
    """Generated ids, with the one that ended the answer."""
    logprobs: tuple[float, ...]
    """Of the same tokens, where they were asked for."""
    cached: int
    """Tokens of the prompt that need not be computed."""
    finish: Literal["stop", "length"]


@dataclass(slots=True, eq=False)
class Job:
    """A prompt, how to go on from it, and who waits for the end.

    Args:
        prompt: token ids.
        limit: new tokens at most.
        priority: lower is served first; equals in order of arrival.
    """

    prompt: NDArray[np.int32]
    limit: int
    sampler: Sampler
    stream: TextStream
    adapter: str | None
    priority: int
    loop: asyncio.AbstractEventLoop
    streamed: bool = False
    """Whether text is wanted as it comes."""
    news: asyncio.Queue[str | Generation | BackendError] = field(default_factory=asyncio.Queue)
    """Texts, then one end; read on the loop."""

    # The scheduler's own.
    order: int = 0
    cancelled: bool = False
    slot: Slot | None = None
    waits: tuple[Slot, int, NDArray[np.int32] | None] | None = None
    """The slot, how many tokens it must hold before this job can begin, and the prompt it computes now."""
    cached: int = 0
    next_token: int | None = None
    """Drawn and not yet computed; None while the prompt is computed."""
    tokens: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)

    @property
    def rank(self) -> tuple[int, int]:
        return self.priority, self.order

    @property
    def is_held_up(self) -> bool:
        """Whether it still waits for a prefix that another job computes."""
        if self.waits is None:
            return False
        slot, length, prompt = self.waits
        if slot.pending is None or slot.pending is not prompt or slot.length >= length:
            self.waits = None
        return self.waits is not None

    def generated(self, finish: Literal["stop", "length"]) -> Generation:
        if self.stream.end():
            finish = "stop"
        return Generation(self.stream.text, tuple(self.tokens), tuple(self.logprobs), self.cached, finish)
