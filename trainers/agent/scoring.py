"""Rollouts in forward passes: their log-probabilities, with the prefixes that they share computed once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy
import torch

from artis_sdk.trainers.token_tree import IGNORED, Form, TokenRow, packed, pass_rows
from artis_sdk.trainers.tree_attention import LabelScores, scores


def completion_rows(ids: Any, mask: Any, kept: int) -> list[TokenRow]:
    """Rollouts as rows, whose labels are the completions.

    Args:
        ids: token ids of prompts, padded on the left, and completions, padded on the right.
        mask: 1 for a token, 0 for padding.
        kept: number of columns of the completions.
    """
    real, plain = mask.bool().cpu().numpy(), ids.cpu().numpy()
    labels = plain.copy()
    labels[:, :-kept] = IGNORED
    return [TokenRow(plain[n][real[n]], labels[n][real[n]]) for n in range(len(plain))]


def completion_scores(
    model: Any, ids: Any, mask: Any, kept: int, *, form: Form, temperature: float, tokens: int
) -> LabelScores:
    """LabelScores of completions, (rows, kept); 0 on padding.

    Args:
        model: model of a TRL trainer.
        ids, mask, kept: as of `completion_rows`.
        form: the way in which rows are computed together.
        temperature: temperature of the fused head.
        tokens: maximum tokens of a forward pass.
    """
    rows = completion_rows(ids, mask, kept)
    parts = pass_rows(rows, form, tokens)
    found = [scores(model, packed([rows[n] for n in part], form), temperature=temperature) for part in parts]
    real = mask[:, -kept:].bool().cpu().numpy()
    places = [n * kept + numpy.flatnonzero(real[n]) for part in parts for n in part]
    index = torch.from_numpy(numpy.concatenate(places)).to(ids.device)
    whole = (torch.cat(part) for part in zip(*found, strict=True))
    return LabelScores(*(_placed(part, index, len(rows) * kept).view(-1, kept) for part in whole))


def _placed(values: Any, index: Any, size: int) -> Any:
    return values.new_zeros(size).index_copy(0, index, values)


def divided(parts: Sequence[list[int]], number: int) -> list[list[int]]:
    """Parts of which the largest are halved until there are so many."""
    made = list(parts)
    while len(made) < number:
        largest = max(range(len(made)), key=lambda n: len(made[n]))
        part = made[largest]
        made[largest : largest + 1] = [part[: len(part) // 2], part[len(part) // 2 :]]
    return made


def rows_of(inputs: Mapping[str, Any], numbers: Sequence[int]) -> dict[str, Any]:
    """TRL's inputs of some rollouts; the rows of its tensors are rollouts."""
    return {
        name: value[torch.tensor(numbers, device=value.device)]
        if torch.is_tensor(value) and value.ndim
        else value
        for name, value in inputs.items()
    }


def loss_share(loss: str, mask: Any, numbers: Sequence[int]) -> float:
    """What TRL's loss of some rollouts counts in that of all.

    Args:
        loss: TRL's name of the loss.
        mask: 1 for a token in the loss, (rollouts, tokens).
        numbers: the rollouts.
    """
    if loss == "dapo":  # a sum over the tokens of all processes' rollouts
        return 1.0
    if loss == "bnpo":  # a mean over tokens
        counts = mask.sum(1)
        return float(counts[numbers].sum() / counts.sum().clamp(min=1))
    return len(numbers) / len(mask)  # a mean over rollouts
