"""Muon: momentum whose matrices are made orthogonal (Jordan et al. 2024), in float32 and by shape.

torch's own works in bfloat16, which is slow on CPUs without such arithmetic.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import torch

_COEFFICIENTS: Final = (3.4445, -4.775, 2.0315)
_STEPS: Final = 5
_RMS: Final = 0.2  # of an update at learning rate 1, as AdamW's


class Muon(torch.optim.Optimizer):  # type: ignore[misc]
    """For matrices only.

    Args:
        params: matrices.
        lr: learning rate, on AdamW's scale.
        momentum: Nesterov momentum.
        weight_decay: decoupled weight decay.
    """

    def __init__(
        self, params: Iterable[Any], *, lr: float, momentum: float = 0.95, weight_decay: float = 0.01
    ) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()  # type: ignore[untyped-decorator]
    def step(self, closure: Any = None) -> None:
        """One update; matrices of one shape together."""
        for group in self.param_groups:
            shapes: dict[tuple[int, ...], list[Any]] = {}
            for parameter in group["params"]:
                shapes.setdefault(tuple(parameter.shape), []).append(parameter)
            for alike in shapes.values():
                self._update(alike, group)

    def _update(self, alike: list[Any], group: dict[str, Any]) -> None:
        found = []
        for parameter in alike:
            state = self.state[parameter]
            if "momentum" not in state:
                state["momentum"] = torch.zeros_like(parameter)
            state["momentum"].lerp_(parameter.grad, 1 - group["momentum"])
            found.append(parameter.grad.lerp(state["momentum"], group["momentum"]))
        updates = orthogonal(torch.stack(found))
        scale = _RMS * max(alike[0].shape) ** 0.5
        for parameter, update in zip(alike, updates, strict=True):
            parameter.mul_(1 - group["lr"] * group["weight_decay"])
            parameter.add_(update, alpha=-group["lr"] * scale)


def orthogonal(stack: Any) -> Any:
    """The nearest matrices whose singular values are about 1, by Newton and Schulz.

    Args:
        stack: (matrices, rows, columns).
    """
    a, b, c = _COEFFICIENTS
    tall = stack.shape[-2] > stack.shape[-1]
    x = stack.mT if tall else stack
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(_STEPS):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.mT if tall else x
