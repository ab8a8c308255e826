"""Measures over the steps of a run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from transformers import TrainerCallback

from artis_sdk.trainers.agent.step_measures import StepMeasures

_SHOWN = ("reward", "tool_calls", "response_length", "execution_success", "answered", "held_out_success")


class StepObserver(TrainerCallback):  # type: ignore[misc]
    """Measures held-out tasks at intervals, and reports each step.

    Args:
        measure: function of the trainer that measures held-out tasks.
        every: steps between measurements; 0 for none.
        tell: callback for each step; None for no reports.
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
