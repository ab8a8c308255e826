"""The optimizer steps of an epoch: which rows each has, and the share of each process in them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy
import torch
from torch.utils.data import Dataset

from artis_sdk.trainers.memory import PassSize
from artis_sdk.trainers.simulator.settings import SFTSettings
from artis_sdk.trainers.token_tree import (
    IGNORED,
    Form,
    TokenRow,
    costs,
    even_shares,
    in_order,
    passes,
    row_of,
)

_MEASURED: Final = 8  # steps by whose passes a run's memory is told


class DrawOrder:
    """The order of an epoch: every row as often as it is drawn, the same on every process.

    With one draw of every row the order is that of the stock random sampler with the same seed
    (accelerate's `SeedableRandomSampler`). It depends on seed and epoch alone, so that a resumed run
    continues in it, by however many processes.

    Args:
        draws: number of draws of each row in each epoch, (rows, epochs). An epoch is as long as the
            shortest; the first one follows the last.
        seed: seed of the shuffle.
    """

    def __init__(self, draws: Sequence[Sequence[int]], seed: int) -> None:
        self._draws = torch.tensor(draws, dtype=torch.long)
        self._seed = seed
        self._length = int(self._draws.sum(dim=0).min())

    def __len__(self) -> int:
        return self._length

    def epoch(self, number: int) -> list[int]:
        """TokenRow numbers of one epoch, shuffled."""
        counts = self._draws[:, number % self._draws.shape[1]]
        rows = torch.repeat_interleave(torch.arange(len(counts)), counts)
        generator = torch.Generator().manual_seed(self._seed + number)
        found: list[int] = rows[torch.randperm(len(rows), generator=generator)[: self._length]].tolist()
        return found


class Steps(Dataset):  # type: ignore[misc]
    """One process's share of each step, as forward passes.

    The rows of a step are dealt so that all processes compute about as many tokens. Processes may thus have
    different numbers of rows and passes.

    Args:
        rows: data set of tokens (`tokens.write_tokens`).
        order: row numbers of an epoch.
        batch: rows per step, over all processes.
        tokens: maximum tokens of a pass.
        form: the way in which rows are computed together.
        process: number of this process.
        processes: number of processes.
    """

    def __init__(
        self,
        rows: Any,
        order: Sequence[int],
        *,
        batch: int,
        tokens: int,
        form: Form,
        process: int = 0,
        processes: int = 1,
    ) -> None:
        self._rows = rows.select_columns(["input_ids", "labels"])
        self.order = order
        self._batch, self._tokens, self._form = batch, tokens, form
        self._process, self._processes = process, processes

    def __len__(self) -> int:
        return -(-len(self.order) // self._batch)

    def __getitem__(self, step: int) -> dict[str, Any]:
        """`passes` of this process, and `labels`, the number of labels of the whole step."""
        if step >= len(self):
            raise IndexError(step)
        numbers = self.order[step * self._batch : (step + 1) * self._batch]
        rows = [row_of(self._rows[n]) for n in numbers]
        share = shares(rows, self._form, self._processes)[self._process]
        return {
            "passes": passes(share, self._form, self._tokens),
            "labels": sum(len(row.predicted) for row in rows),
        }


def first_passes(rows: Any, settings: SFTSettings, form: Form, processes: Any) -> list[PassSize]:
    """Sizes of the passes of a run's first steps in this process.

    Args:
        rows: data set of tokens.
        settings: settings of the run.
        form: the way in which rows are computed together.
        processes: accelerate's `PartialState`.
    """
    steps = Steps(
        rows,
        DrawOrder(rows["draws"], settings.seed).epoch(0),
        batch=settings.batch,
        tokens=settings.tokens_per_pass,
        form=form,
        process=processes.process_index,
        processes=processes.num_processes,
    )
    return [PassSize.of(one) for n in range(min(_MEASURED, len(steps))) for one in steps[n]["passes"]]


def shares(rows: Sequence[TokenRow], form: Form, processes: int) -> list[list[TokenRow]]:
    """The rows of a step, dealt to processes. One for whom no row is left computes the first one without its
    labels, which adds nothing to loss and gradient, so that all processes take part in the step."""
    ordered = [rows[n] for n in in_order(rows)]
    dealt = [ordered[share] for share in even_shares(costs(ordered, form), processes)]
    return [
        share or [TokenRow(ordered[0].ids, numpy.full_like(ordered[0].labels, IGNORED))] for share in dealt
    ]
