"""Measures over the steps of a run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from transformers import TrainerCallback

from artis_sdk.trainers.agent.step_measures import StepMeasures

_SHOWN = ("reward", "tool_calls", "response_length", "execution_success", "answered", "held_out_success")


class StepObserver(TrainerCallback):  # type: ignore[misc]
    """Measures held-out tasks every so many steps, and tells of each step.

    Args:
        measure: of the trainer, on held-out tasks.
        every: steps; 0 is never.
        tell: is told of each step; None tells nobody.
    """

    def __init__(
        self,
        measure: Callable[[Any], dict[str, float]],
        every: int,
        tell: Callable[[StepMeasures], None] | None,
    ) -> None:
        self.trainer: Any = None
        self._measure = measure
        self._every = every
        self._tell = tell

    def on_step_end(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        if self._every and state.global_step % self._every == 0:
            found = self._measure(self.trainer)
            self.trainer.log({f"held_out_{name}": value for name, value in found.items()})

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float], **more: Any) -> None:
        shown = {name: logs[name] for name in _SHOWN if name in logs}
        if self._tell is not None and shown:
            self._tell(StepMeasures(state.global_step, state.max_steps, shown))
