"""What a simulator is: its kind, model, adapter and prompt form. Another one guesses otherwise."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from artis_sdk.contracts import Simulator
from artis_sdk.records.calls import FROZEN
from artis_sdk.simulators.checked import Checked
from artis_sdk.simulators.composite import Composite
from artis_sdk.simulators.llm import LLMSimulator
from artis_sdk.simulators.replay import ReplaySimulator


class SimulatorIdentity(BaseModel):
    """What was measured of one simulator that guesses."""

    model_config = FROZEN

    kind: str
    """Name of the simulator's class."""
    model: str | None = None
    """Name of the backend; None without a model."""
    adapter: str | None = None
    """`sha256:` of a trained adapter's weights; else the adapter's name at the backend, if it has one."""
    form: dict[str, Any] = {}
    """Prompt form, without the fields at their defaults."""

    def differs(self, other: SimulatorIdentity) -> str:
        """What is not the same, for an error."""
        mine, its = self.model_dump(), other.model_dump()
        parts = [f"{name} {its[name]!r}, not {mine[name]!r}" for name in mine if mine[name] != its[name]]
        return ", ".join(parts)


def identities(simulator: Simulator) -> tuple[SimulatorIdentity, ...]:
    """The identities of a simulator's parts that guess: none of a sandbox, a replay, and `Checked`."""
    if isinstance(simulator, Composite):
        return tuple(one for part in simulator.parts for one in identities(part))
    if isinstance(simulator, Checked | ReplaySimulator) or simulator.runs_code:
        return ()
    if isinstance(simulator, LLMSimulator):
        backend = simulator.backend
        return (
            SimulatorIdentity(
                kind="LLMSimulator",
                model=backend if isinstance(backend, str) else backend.name,
                adapter=simulator.adapter,
                form=simulator.form.model_dump(exclude_defaults=True),
            ),
        )
    return (SimulatorIdentity(kind=type(simulator).__name__),)
