"""Which sequence of a context holds which tokens, and whose prefix a new request can take over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

WORTH_SHARING = 16  # tokens; a shorter prefix is computed as fast as it is copied


@dataclass(slots=True, eq=False)
class Slot:
    """One sequence of the context."""

    index: int
    tokens: NDArray[np.int32]
    """Room for the whole context; the first `length` are in memory."""
    length: int = 0
    adapter: str | None = None
    """The adapter that the tokens in memory were computed with."""
    pending: NDArray[np.int32] | None = None
    """The whole prompt of a request that is still being computed here."""
    busy: bool = False
    used: int = 0
    """When a request last finished here; larger is later."""

    def shared(self, prompt: NDArray[np.int32]) -> int:
        """How many first tokens of a prompt are in memory here."""
        return common_prefix(self.tokens[: self.length], prompt)

    def promised(self, prompt: NDArray[np.int32]) -> int:
        """The same, once the request that is being computed here has its prompt in memory."""
        return 0 if self.pending is None else common_prefix(self.pending, prompt)

    def extend(self, tokens: NDArray[np.int32]) -> None:
        """Note tokens that are in memory now."""
        self.tokens[self.length : self.length + len(tokens)] = tokens
        self.length += len(tokens)


@dataclass(frozen=True, slots=True)
class SlotChoice:
    """Where a request goes."""

    slot: Slot
    shared: int
    """Tokens that need not be computed."""
    source: Slot | None
    """Whence they are copied; None where they are in the slot already."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Another request is computing the same prefix: wait until `slot` holds `shared` tokens."""

    slot: Slot
    shared: int


class Slots:
    """The sequences of one context.

    Args:
        count: sequences.
        n_ctx: tokens a sequence.
        share: whether a sequence can be cut back to a prefix, so that another request can go on from it.
    """

    def __init__(self, count: int, n_ctx: int, *, share: bool = True) -> None:
        import numpy as np

        self._share = share

        self.all = [Slot(index, np.zeros(n_ctx, np.int32)) for index in range(count)]
        self._clock = 0

    def find(self, prompt: NDArray[np.int32], adapter: str | None) -> SlotChoice | Wait | None:
        """A place for a request: longest common prefix first; None where every slot is busy.

        Args:
            prompt: its token ids. The last one is always computed, for its logits.
            adapter: only what was computed with the same adapter can be taken over.
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
        """Whose memory a new request gets: of the half that is missed least the nearest to its batch.

        llama.cpp computes sequences in one go only where their numbers follow each other.
        """
        order = sorted(free, key=_first_to_lose)
        least = order[: (len(order) + 1) // 2]
        busy = [slot for slot in self.all if slot.busy]
        mates = [slot for slot in busy if slot.adapter == adapter]
        if mates:
            return min(least, key=lambda slot: _distance(slot, mates))
        return max(least, key=lambda slot: _distance(slot, busy)) if busy else order[0]

    def take(self, place: SlotChoice, prompt: NDArray[np.int32], adapter: str | None) -> None:
        """Give a place to a request; the caller cuts and copies the memory."""
        slot = place.slot
        slot.busy, slot.pending, slot.adapter = True, prompt, adapter
        slot.tokens[: place.shared] = prompt[: place.shared]
        slot.length = place.shared

    def release(self, slot: Slot) -> None:
        """A request has ended; what it left in memory is kept for the next one."""
        self._clock += 1
        slot.busy, slot.pending, slot.used = False, None, self._clock

    def forget_idle(self) -> list[Slot]:
        """Drop what is kept for later; the caller frees the memory of these slots."""
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
    """Empty slots, lowest first; then the least recently used."""
    return slot.length > 0, slot.used, slot.index


def _distance(slot: Slot, others: list[Slot]) -> int:
    return min(abs(slot.index - other.index) for other in others)
