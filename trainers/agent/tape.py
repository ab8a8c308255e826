"""The tokens of a rollout with their mask: kept as they come, never made again from text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(slots=True)
class Tape:
    """Token ids of one rollout, and which of them the model generated.

    Ids of generated tokens come from the generator; ids of given ones from encoding the given text by
    itself. No id is ever derived from decoded text, and pieces are never joined before they are encoded, so a
    token lies wholly in the one or in the other.
    """

    prompt: tuple[int, ...]
    ids: list[int] = field(default_factory=list)
    """After the prompt."""
    mask: list[int] = field(default_factory=list)
    """1: generated, and in the loss. 0: given. One an id."""
    logprobs: list[float] = field(default_factory=list)
    """Natural log of the probability that it was sampled with; 0.0 for given tokens."""

    def generated(self, ids: Sequence[int], logprobs: Sequence[float]) -> None:
        """Append what the model wrote.

        Raises:
            ValueError: there is not one probability an id.
        """
        self.logprobs.extend(lp for _, lp in zip(ids, logprobs, strict=True))
        self.ids.extend(ids)
        self.mask.extend([1] * len(ids))

    def given(self, ids: Sequence[int]) -> None:
        """Append what something else than the model wrote."""
        self.ids.extend(ids)
        self.mask.extend([0] * len(ids))
        self.logprobs.extend([0.0] * len(ids))

    @property
    def context(self) -> list[int]:
        """What the model goes on from."""
        return [*self.prompt, *self.ids]

    @property
    def written(self) -> int:
        """Tokens that the model generated: the response length."""
        return sum(self.mask)


def loss_mask(mask: Sequence[int], *, outputs: bool) -> list[int]:
    """The mask that the loss is given.

    Args:
        mask: of a tape.
        outputs: train on given tokens too, which is what the paper warns of; for comparison only.
    """
    return [1] * len(mask) if outputs else list(mask)
