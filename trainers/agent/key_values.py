"""Keys and values of the tokens that a model has read, for rows that come and go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import torch
from transformers import DynamicCache


@dataclass(eq=False, slots=True)
class KeyValues:
    """Rows of tokens as one cache, padded on the left, without a gap in a row."""

    cache: Any
    """transformers' cache; each layer has keys and values of (rows, heads, width, head size)."""
    lengths: list[int]
    """Number of tokens of each row."""

    @classmethod
    def joined(cls, parts: Sequence[KeyValues]) -> Self:
        """The rows of all parts."""
        width = max(part.width for part in parts)
        cache = DynamicCache()
        for number, layers in enumerate(zip(*(part.cache.layers for part in parts), strict=True)):
            keys = torch.cat([_padded(layer.keys, width) for layer in layers])
            cache.update(keys, torch.cat([_padded(layer.values, width) for layer in layers]), number)
        return cls(cache, [length for part in parts for length in part.lengths])

    @property
    def width(self) -> int:
        """Columns of the cache."""
        return int(self.cache.layers[0].keys.shape[2])

    def rows(self, numbers: Sequence[int]) -> KeyValues:
        """Some of the rows, in this order; a row may be taken several times."""
        lengths = [self.lengths[number] for number in numbers]
        index = torch.tensor(numbers, device=self.cache.layers[0].keys.device)
        return self._part(index, self.width - max(lengths), self.width, lengths)

    def beginning(self, row: int, tokens: int) -> KeyValues:
        """The first tokens of one row."""
        begin = self.width - self.lengths[row]
        return self._part(slice(row, row + 1), begin, begin + tokens, [tokens])

    def _part(self, rows: Any, begin: int, end: int, lengths: list[int]) -> KeyValues:
        cache = DynamicCache()
        for number, layer in enumerate(self.cache.layers):
            cache.update(layer.keys[rows, :, begin:end], layer.values[rows, :, begin:end], number)
        return KeyValues(cache, lengths)


def _padded(states: Any, width: int) -> Any:
    return torch.nn.functional.pad(states, (0, 0, width - states.shape[2], 0))


def read(
    model: Any, ids: Sequence[Sequence[int]], past: KeyValues | None, *, pad: int
) -> tuple[Any, KeyValues]:
    """Let a model read the next tokens of rows.

    Args:
        model: a causal language model.
        ids: next token ids of each row; rows with less than the most have no past.
        past: what has been read of each row.
        pad: id that fills short rows on the left.

    Returns:
        Logits after the last token of each row, (rows, vocabulary), and all that has been read, in the cache
        of `past`.
    """
    device = next(model.parameters()).device
    before = [0] * len(ids) if past is None else past.lengths
    lengths = [was + len(row) for was, row in zip(before, ids, strict=True)]
    chunk = max(map(len, ids))
    width = chunk + (0 if past is None else past.width)
    filled = torch.tensor([[pad] * (chunk - len(row)) + list(row) for row in ids], device=device)
    places = torch.arange(width, device=device)[None]
    attention = (places >= width - torch.tensor(lengths, device=device)[:, None]).long()
    cache = DynamicCache() if past is None else past.cache
    out = model(
        input_ids=filled,
        attention_mask=attention,
        position_ids=(attention.cumsum(-1) - 1).clamp(min=0)[:, -chunk:],
        past_key_values=cache,
        use_cache=True,
        logits_to_keep=1,
    )
    return out.logits[:, -1], KeyValues(cache, lengths)
