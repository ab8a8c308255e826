"""An optimizer step as several forward passes, of which only one is in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any, TypeVar

import torch

P = TypeVar("P")


class PassByPass:
    """A mix-in before a trainer of transformers, which computes a step in passes of its own."""

    args: Any
    accelerator: Any
    compute_loss_context_manager: Callable[[], Any]

    def backward(self, model: Any, parts: Sequence[P], loss_of: Callable[[P], Any]) -> Any:
        """Forward and backward of one pass after the other; the sum of their losses, without gradient.

        Args:
            model: the trainer's model.
            parts: what the passes compute; a process has at least one.
            loss_of: the loss of a pass; the gradient of a step is that of the sum.
        """
        whole = torch.zeros((), device=self.args.device)
        for number, part in enumerate(parts, 1):
            # Gradients travel once a step, with those of the last pass.
            with nullcontext() if number == len(parts) else self.accelerator.no_sync(model):
                with self.compute_loss_context_manager():
                    loss = loss_of(part)
                self.accelerator.backward(loss)
            whole += loss.detach()
        return whole
