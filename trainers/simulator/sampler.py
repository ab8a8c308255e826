"""The order of an epoch: every row as often as it is drawn, the same on every process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch.utils.data import Sampler


class DrawSampler(Sampler):  # type: ignore[misc]
    """Row numbers of one epoch, shuffled; no row is copied.

    With one draw of every row the order is that of the stock random sampler with the same seed
    (accelerate's `SeedableRandomSampler`). It depends on seed and epoch alone, so that all processes
    have the same order and a resumed run continues in it.

    Args:
        draws: number of draws of each row in each epoch, (rows, epochs). An epoch is as long as the
            shortest; the first one follows the last.
        seed: seed of the shuffle.
        lengths: lengths of the rows in tokens. The rows of one optimizer step then come longest first, so
            that those of a micro-batch need little padding, and the micro-batches are dealt to the processes
            so that all have about the same work. The rows of each step stay the same.
        step: rows per optimizer step.
        micro_batch: rows per forward pass, in one process.
        processes: number of training processes; accelerate gives them micro-batches in turn.
    """

    def __init__(
        self,
        draws: Sequence[Sequence[int]],
        seed: int,
        *,
        lengths: Sequence[int] | None = None,
        step: int = 1,
        micro_batch: int = 1,
        processes: int = 1,
    ) -> None:
        self._draws = torch.tensor(draws, dtype=torch.long)
        self._lengths = None if lengths is None else torch.tensor(lengths)
        self._step, self._micro_batch, self._processes = step, micro_batch, processes
        self._seed = seed
        self._epoch = 0
        self._length = int(self._draws.sum(dim=0).min())

    def set_epoch(self, epoch: int) -> None:
        """Number of the next iteration's epoch."""
        self._epoch = epoch

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[int]:
        counts = self._draws[:, self._epoch % self._draws.shape[1]]
        rows = torch.repeat_interleave(torch.arange(len(counts)), counts)
        generator = torch.Generator().manual_seed(self._seed + self._epoch)
        order = torch.randperm(len(rows), generator=generator)[: self._length]
        for together in rows[order].split(self._step):
            yield from together.tolist() if self._lengths is None else self._dealt(together)

    def _dealt(self, together: torch.Tensor) -> Iterator[int]:
        """The rows of a step: each micro-batch to the process with the least padded tokens so far."""
        assert self._lengths is not None
        lengths = self._lengths[together]
        order = together[lengths.argsort(descending=True, stable=True)]
        whole = len(order) // (self._micro_batch * self._processes)  # micro-batches of each process
        dealt = whole * self._processes
        batches = [part.tolist() for part in order.split(self._micro_batch)]
        shares: list[list[list[int]]] = [[] for _ in range(self._processes)]
        loads = [0] * self._processes
        for batch in batches[:dealt]:
            open_ = (rank for rank in range(self._processes) if len(shares[rank]) < whole)
            rank = min(open_, key=loads.__getitem__)
            shares[rank].append(batch)
            loads[rank] += int(self._lengths[batch[0]])
        for turn in zip(*shares, strict=True):
            for batch in turn:
                yield from batch
        for batch in batches[dealt:]:  # of an epoch's last step
            yield from batch
