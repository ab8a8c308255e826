"""The tokens of a rollout with their mask: kept as generated, never rebuilt from text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(slots=True)
class Tape:
    """Token ids of one rollout, and which of them the model generated.

    Ids of generated tokens come from the generator; ids of given ones from encoding the given text by
    itself. No id is ever derived from decoded text, and pieces are never joined before they are encoded, so a
    token is wholly generated or wholly given.
    """

    prompt: tuple[int, ...]
    ids: list[int] = field(default_factory=list)
    """Token ids after the prompt."""
    mask: list[int] = field(default_factory=list)
    """One number per id: 1 for a generated id, which is in the loss, 0 for a given one."""
    logprobs: list[float] = field(default_factory=list)
    """Natural log of each id's sampling probability; 0.0 for given ids."""

    def generated(self, ids: Sequence[int], logprobs: Sequence[float]) -> None:
        """Append tokens of the model.

        Raises:
            ValueError: ids and probabilities differ in number.
        """
        self.logprobs.extend(lp for _, lp in zip(ids, logprobs, strict=True))
        self.ids.extend(ids)
        self.mask.extend([1] * len(ids))

    def given(self, ids: Sequence[int]) -> None:
        """Append tokens that the model did not generate."""
        self.ids.extend(ids)
        self.mask.extend([0] * len(ids))
        self.logprobs.extend([0.0] * len(ids))

    @property
    def context(self) -> list[int]:
        """All token ids so far, prompt included."""
        return [*self.prompt, *self.ids]

    @property
    def written(self) -> int:
        """Number of generated tokens: the response length."""
        return sum(self.mask)


def loss_mask(mask: Sequence[int], *, outputs: bool) -> list[int]:
    """The mask of the loss.

    Args:
        mask: mask of a tape.
        outputs: whether to train on given tokens too, against the paper's advice; for comparison only.
    """
    return [1] * len(mask) if outputs else list(mask)
