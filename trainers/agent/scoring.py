"""Log-probabilities of rollouts, with the prefixes that they share computed once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy
import torch

from artis_sdk.trainers.token_tree import IGNORED, Form, TokenRow, in_order, packed
from artis_sdk.trainers.tree_attention import LabelScores, scores


def completion_scores(
    model: Any, ids: Any, mask: Any, kept: int, *, form: Form, temperature: float
) -> LabelScores:
    """LabelScores of completions, (rows, kept); 0 on padding.

    Args:
        model: model of a TRL trainer.
        ids: token ids of prompts, padded on the left, and completions, padded on the right.
        mask: 1 for a token, 0 for padding.
        kept: number of columns of the completions.
        form: the way in which rows are computed together.
        temperature: temperature of the fused head.
    """
    real = mask.bool().cpu().numpy()
    plain = ids.cpu().numpy()
    labels = plain.copy()
    labels[:, :-kept] = IGNORED
    rows = [TokenRow(plain[n][real[n]], labels[n][real[n]]) for n in range(len(plain))]
    places = [n * kept + numpy.flatnonzero(real[n, -kept:]) for n in range(len(plain))]
    order = in_order(rows)
    groups = [order] if form != "alone" else [[n] for n in order]
    found = [
        scores(model, packed([rows[n] for n in group], form), temperature=temperature) for group in groups
    ]
    index = torch.from_numpy(numpy.concatenate([places[n] for n in order])).to(ids.device)
    whole = (torch.cat(part) for part in zip(*found, strict=True))
    return LabelScores(*(_placed(part, index, len(plain) * kept).view(-1, kept) for part in whole))


def _placed(values: Any, index: Any, size: int) -> Any:
    return values.new_zeros(size).index_copy(0, index, values)


def by_prompt(batches: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Micro-batches of the same rollouts and size, with rollouts of one prompt together.

    Args:
        batches: TRL's micro-batches; the rows of its tensors are rollouts.
    """
    first = batches[0]
    whole = {
        name: torch.cat([batch[name] for batch in batches]) if _has_rows(value) else value
        for name, value in first.items()
    }
    prompts = whole["prompt_ids"].tolist()
    order = torch.tensor(sorted(range(len(prompts)), key=prompts.__getitem__))
    return [
        {name: value[part.to(value.device)] if _has_rows(value) else value for name, value in whole.items()}
        for part in order.chunk(len(batches))
    ]


def _has_rows(value: Any) -> bool:
    return bool(torch.is_tensor(value) and value.ndim > 0)
