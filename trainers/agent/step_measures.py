"""Where a training run is, and what was measured there."""

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
