"""Verdicts on a simulator by tool, and the gate that acts on them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, Literal, Self

from pydantic import BaseModel

from artis_sdk.contracts import Meter, ObservedTool, Simulator, Tool
from artis_sdk.errors import ConfigurationError, RehearsalStopped, UntrustedTool
from artis_sdk.records import History, Outcome, State, ToolCall
from artis_sdk.records.calls import FROZEN
from artis_sdk.simulators.checked import Checked
from artis_sdk.simulators.composite import Composite, Wrapper
from artis_sdk.simulators.identity import SimulatorIdentity, identities
from artis_sdk.simulators.ladder import Ladder
from artis_sdk.simulators.replay import ReplaySimulator
from artis_sdk.simulators.saved import read_saved

FILE: Final = "artis_trust.json"

Verdict = Literal["trusted", "doubtful", "unknown"]
OnDoubt = Literal["skip", "stop"]
"""Consequence of a rehearsal's call of an untrusted tool; see `TrustGate`."""


class ToolTrust(BaseModel):
    """The verdict on one tool."""

    model_config = FROZEN

    verdict: Verdict
    """`doubtful`: measured below the threshold; `unknown`: too little was measured."""
    reasons: tuple[str, ...] = ()
    """Reasons why the tool is not trusted."""
    source_hash: str | None = None
    """SHA-256 of the measured tool's source, hexadecimal; None if it is not known."""


class Trust(BaseModel):
    """Verdicts on a simulator by tool; a tool that is not named is unknown."""

    model_config = FROZEN

    simulator: str
    """Name of the measured simulator."""
    tools: dict[str, ToolTrust]
    measured: tuple[SimulatorIdentity, ...] = ()
    """What was measured: kind, model, adapter and form; another simulator is refused. Empty for verdicts of
    your own, which hold for any."""
    made: float = 0.0
    """Time of the measurement, in seconds since the epoch."""
    rules: dict[str, float] = {}
    """The thresholds behind the verdicts."""

    def of(self, tool: str, source_hash: str | None = None) -> ToolTrust:
        """The verdict on a tool.

        Args:
            tool: name of the tool.
            source_hash: hash of the tool's present source; if the measured one differs, the tool is
                unknown.
        """
        found = self.tools.get(tool)
        if found is None:
            return ToolTrust(verdict="unknown", reasons=("it was not measured",))
        measured = found.source_hash
        if source_hash is not None and measured is not None and source_hash != measured:
            return ToolTrust(verdict="unknown", reasons=("its source has changed since it was measured",))
        return found

    def write(self, where: str | os.PathLike[str]) -> Path:
        """Write it to a file, or under its usual name into a folder such as an adapter's. Returns the file.

        Raises:
            ConfigurationError: the file cannot be written.
        """
        path = _file(where)
        try:
            path.write_text(self.model_dump_json(indent=2) + "\n", encoding="utf-8")
        except OSError as error:
            raise ConfigurationError(f"{path} cannot be written: {error.strerror}") from error
        return path

    @classmethod
    def read(cls, where: str | os.PathLike[str]) -> Self:
        """Read it from a file, or from a folder that holds one under its usual name.

        Raises:
            ConfigurationError: the file is missing or cannot be read.
        """
        path = _file(where)
        return read_saved(cls, path, what="a trust file", advice="`artis eval simulator` writes it")


class TrustGate(Wrapper):
    """A simulator that predicts trusted tools only.

    For a call of any other tool the gate raises, and the simulator is not called.

    Args:
        simulator: the measured simulator.
        trust: verdicts on it.
        on_doubt: `skip` raises `UntrustedTool`, a `SimulationError`: a `Ladder` then asks its next rung,
            and an attempt without one ends there. `stop` raises
            `RehearsalStopped`, which ends the rehearsal.
    """

    def __init__(self, simulator: Simulator, trust: Trust, *, on_doubt: OnDoubt = "skip") -> None:
        super().__init__(simulator)
        self.trust = trust
        self.on_doubt = on_doubt
        self._hashes: dict[str, str | None] = {}

    def fork(self, tools: Iterable[Tool], meter: Meter) -> Simulator:
        """See `Simulator.fork`."""
        tools = tuple(tools)
        forked = TrustGate(self.simulator.fork(tools, meter), self.trust, on_doubt=self.on_doubt)
        forked._hashes = {tool.name: _source_hash(tool) for tool in tools}
        return forked

    async def predict(self, call: ToolCall, state: State, history: History) -> Outcome:
        """See `Simulator.predict`.

        Raises:
            UntrustedTool, RehearsalStopped: the tool is not trusted; the simulator was not called.
        """
        self._admit((call,))
        return await self.simulator.predict(call, state, history)

    async def predict_turn(self, calls: Sequence[ToolCall], state: State, history: History) -> list[Outcome]:
        """See `Simulator.predict_turn`; one untrusted tool holds back the whole turn."""
        self._admit(calls)
        return await self.simulator.predict_turn(calls, state, history)

    def _admit(self, calls: Sequence[ToolCall]) -> None:
        for call in calls:
            found = self.trust.of(call.tool, self._hashes.get(call.tool))
            if found.verdict != "trusted":
                message = _message(self.trust, found)
                if self.on_doubt == "stop":
                    raise RehearsalStopped(call.tool, message)
                raise UntrustedTool(call.tool, message)

    def nothing_left(self, tools: Iterable[Tool]) -> str | None:
        """Reason to leave a rehearsal out: the simulator is trusted for none of these tools. None otherwise.

        Raises:
            RehearsalStopped: in the same case, with `stop`.
        """
        found = {tool.name: self.trust.of(tool.name, _source_hash(tool)) for tool in tools}
        if not found or any(one.verdict == "trusted" for one in found.values()):
            return None
        said = [f"{name} ({one.verdict})" for name, one in found.items()]
        shown = ", ".join(said[:5]) + (f" and {len(said) - 5} more" if len(said) > 5 else "")
        message = f"the simulator {self.trust.simulator} is trusted for none of the task's tools: {shown}"
        if self.on_doubt == "stop":
            raise RehearsalStopped("", message)
        return message


def gated(simulator: Simulator, trust: Trust, on_doubt: OnDoubt) -> Simulator:
    """The simulator with the gate in front of its parts that guess.

    A sandbox runs the real code, a replay returns a real outcome, and `Checked` says only what the present
    source determines: they need no gate. In a ladder each
    rung has its own gate; only the last one can stop the rehearsal.

    Raises:
        ConfigurationError: the trust file was measured for another simulator, model, adapter or form, or
            the simulator's adapter is known by name alone.
    """
    for one in identities(simulator) if trust.measured else ():
        if one.adapter is not None and not one.adapter.startswith("sha256:"):
            raise ConfigurationError(
                f"the simulator's adapter {one.adapter!r} is known by its name alone, under which another"
                " one may be served, so no trust file is known to hold for it: make the simulator with"
                f" LLMSimulator.trained(FOLDER, backend, adapter={one.adapter!r}), which hashes its"
                " weights, and measure with `artis eval simulator --trained FOLDER`"
            )
        if one not in trust.measured:
            nearest = max(trust.measured, key=lambda known: known.kind == one.kind)
            raise ConfigurationError(
                f"the trust file was measured for another simulator ({trust.simulator}): this one has"
                f" {nearest.differs(one)}; run `artis eval simulator` on this one"
            )
    return _gated(simulator, trust, on_doubt)


def _gated(simulator: Simulator, trust: Trust, on_doubt: OnDoubt) -> Simulator:
    if isinstance(simulator, Ladder):
        *upper, last = simulator.rungs
        return Ladder([*(_gated(rung, trust, "skip") for rung in upper), _gated(last, trust, on_doubt)])
    if isinstance(simulator, Composite):
        return simulator.with_parts(lambda part: _gated(part, trust, on_doubt))
    if isinstance(simulator, Checked | ReplaySimulator | TrustGate) or simulator.runs_code:
        return simulator
    return TrustGate(simulator, trust, on_doubt=on_doubt)


def _message(trust: Trust, found: ToolTrust) -> str:
    reasons = "; ".join(found.reasons) or "no reason given"
    return f"the simulator {trust.simulator} is not trusted for this tool ({found.verdict}: {reasons})"


def _source_hash(tool: Tool) -> str | None:
    """The hash of a tool's source; None for a tool without one."""
    observed: ObservedTool | None = tool if hasattr(tool, "source_hash") else None  # type: ignore[assignment]
    return None if observed is None else observed.source_hash


def _file(where: str | os.PathLike[str]) -> Path:
    path = Path(where)
    return path / FILE if path.is_dir() else path
