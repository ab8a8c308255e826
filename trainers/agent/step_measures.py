"""The position of a training run, and its measures."""

from __future__ import annotations

from typing import NamedTuple


class StepMeasures(NamedTuple):
    """The measures of one optimizer step."""

    step: int
    """Optimizer steps done, from 1."""
    steps: int
    """Optimizer steps of the whole run."""
    measures: dict[str, float]
    """Values by name, such as `reward` and `tool_calls`."""
