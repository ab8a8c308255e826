"""The slots of a context, their tokens, and the choice of a slot and a prefix for a new request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

WORTH_SHARING = 16  # tokens; the prefill of a shorter prefix is as fast as its copy


@dataclass(slots=True, eq=False)
class Slot:
    """One sequence of the context and its tokens in memory."""

    index: int
    tokens: NDArray[np.int32]
    """Token ids, shape (n_ctx,); the first `length` are in memory."""
    length: int = 0
    adapter: str | None = None
    """Name of the adapter of the tokens in memory; None for the base model."""
    pending: NDArray[np.int32] | None = None
    """The whole prompt of the request in prefill; None outside prefill."""
    busy: bool = False
    used: int = 0
    """Logical time of the last finished request; larger is later."""

    def shared(self, prompt: NDArray[np.int32]) -> int:
        """Length of the prefix of a prompt that is in memory, in tokens."""
        return common_prefix(self.tokens[: self.length], prompt)

    def promised(self, prompt: NDArray[np.int32]) -> int:
        """`shared` after the present prefill; 0 outside prefill."""
        return 0 if self.pending is None else common_prefix(self.pending, prompt)

    def extend(self, tokens: NDArray[np.int32]) -> None:
        """Record tokens that are now in memory."""
        self.tokens[self.length : self.length + len(tokens)] = tokens
        self.length += len(tokens)


@dataclass(frozen=True, slots=True)
class SlotChoice:
    """The slot of a new request and the origin of its prefix."""

    slot: Slot
    shared: int
    """Length of the prefix that needs no prefill, in tokens."""
    source: Slot | None
    """The slot from which to copy the prefix; None if it is in `slot` already."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Another request prefills the same prefix: wait until `slot` holds `shared` tokens."""

    slot: Slot
    shared: int


class Slots:
    """The slots of one context.

    Args:
        count: number of slots.
        n_ctx: tokens per slot.
        share: whether a sequence can be cut back to a prefix, for another request to continue from.
    """

    def __init__(self, count: int, n_ctx: int, *, share: bool = True) -> None:
        import numpy as np

        self._share = share

        self.all = [Slot(index, np.zeros(n_ctx, np.int32)) for index in range(count)]
        self._clock = 0

    def find(self, prompt: NDArray[np.int32], adapter: str | None) -> SlotChoice | Wait | None:
        """The slot for a request, by longest common prefix; None if every slot is busy.

        Args:
            prompt: token ids of the request. The last one is always computed, for its logits.
            adapter: adapter of the request; a prefix is shared only within one adapter.
        """
        head = prompt[: -1 if self._share else 0]
        same = [slot for slot in self.all if slot.adapter == adapter]
        source = max(same, key=lambda slot: slot.shared(head), default=None)
        shared = source.shared(head) if source is not None else 0
        leader = max(same, key=lambda slot: slot.promised(head), default=None)
        if leader is not None and leader.promised(head) >= shared + WORTH_SHARING:
            return Wait(leader, leader.promised(head))
        free = [slot for slot in self.all if not slot.busy]
        if not free:
            return None
        if source is None or shared < WORTH_SHARING:
            slot = self._to_lose(free, adapter)
            return SlotChoice(slot, slot.shared(head) if slot.adapter == adapter else 0, None)
        rest = source.length - shared
        if not source.busy and rest < WORTH_SHARING:
            return SlotChoice(source, shared, None)
        slot = self._to_lose(free, adapter)
        return SlotChoice(slot, shared, None if slot is source else source)

    def _to_lose(self, free: list[Slot], adapter: str | None) -> Slot:
        """The slot to evict: of the least recently used half, the nearest to the slots of its batch.

        llama.cpp computes sequences together only if their numbers are consecutive.
        """
        order = sorted(free, key=_first_to_lose)
        least = order[: (len(order) + 1) // 2]
        busy = [slot for slot in self.all if slot.busy]
        mates = [slot for slot in busy if slot.adapter == adapter]
        if mates:
            return min(least, key=lambda slot: _distance(slot, mates))
        return max(least, key=lambda slot: _distance(slot, busy)) if busy else order[0]

    def take(self, place: SlotChoice, prompt: NDArray[np.int32], adapter: str | None) -> None:
        """Assign a slot to a request; the caller cuts and copies the memory."""
        slot = place.slot
        slot.busy, slot.pending, slot.adapter = True, prompt, adapter
        slot.tokens[: place.shared] = prompt[: place.shared]
        slot.length = place.shared

    def release(self, slot: Slot) -> None:
        """Free the slot of a finished request; its tokens stay in memory as a prefix cache."""
        self._clock += 1
        slot.busy, slot.pending, slot.used = False, None, self._clock

    def forget_idle(self) -> list[Slot]:
        """Evict the prefix cache of all idle slots; the caller frees their memory."""
        idle = [slot for slot in self.all if not slot.busy and slot.length]
        for slot in idle:
            slot.length = 0
        return idle


def common_prefix(one: NDArray[np.int32], other: NDArray[np.int32]) -> int:
    """Length of the longest common prefix."""
    size = min(len(one), len(other))
    if not size:
        return 0
    differ = one[:size] != other[:size]
    first = int(differ.argmax())
    return first if differ[first] else size


def _first_to_lose(slot: Slot) -> tuple[bool, int, int]:
    """Eviction order: empty slots first, then the least recently used."""
    return slot.length > 0, slot.used, slot.index


def _distance(slot: Slot, others: list[Slot]) -> int:
    return min(abs(slot.index - other.index) for other in others)
