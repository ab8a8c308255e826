"""Held-out calls and simulators for the tests of fidelity."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from helpers.logs import PAY

from artis_sdk.contracts import Simulator
from artis_sdk.errors import SimulationError
from artis_sdk.records import CallRecord, History, Outcome, Provenance, State, ToolCall


def record(
    n: int, real: Any = "paid", *, tool: str = "pay", session: str | None = None, **more: Any
) -> CallRecord:
    """The n-th held-out call; `real` is a value, or an exception class for a failure."""
    return CallRecord(
        **{
            "id": f"r{n}",
            "at": float(n),
            "session": session or f"s{n}",
            "spec": PAY.model_copy(update={"name": tool}),
            "call": ToolCall(id=f"c{n}", tool=tool, arguments={"n": n}),
            "outcome": outcome(real, Provenance.REAL),
            **more,
        }
    )


def outcome(said: Any, provenance: Provenance = Provenance.SIMULATED) -> Outcome:
    if isinstance(said, type) and issubclass(said, Exception):
        return Outcome.failure(said.__name__, "no", provenance, raised=True)
    return Outcome.success(said, provenance)


class Says(Simulator):
    """Predicts what a function of the call says; None is that it cannot tell."""

    def __init__(self, says: Callable[[ToolCall], Any]) -> None:
        self.asked: list[tuple[ToolCall, State, History]] = []
        self._says = says

    async def predict(self, call: ToolCall, state: State, history: History) -> Outcome:
        self.asked.append((call, state, history))
        said = self._says(call)
        if isinstance(said, Exception):
            raise said
        if said is None:
            raise SimulationError(call.tool, "no idea")
        return outcome(said)


def of_number(answers: Sequence[Any]) -> Says:
    """Answers the n-th call with the n-th answer."""

    def says(call: ToolCall) -> Any:
        n = call.arguments["n"]
        assert isinstance(n, int)
        return answers[n]

    return Says(says)


class Letters:
    """An encoder without a model: a text is how often each letter occurs in it, at length 1."""

    name = "letters"

    def __init__(self) -> None:
        self.encoded: list[str] = []

    def encode(self, texts: Sequence[str]) -> list[Any]:
        self.encoded += texts
        return [_Vector([text.count(chr(97 + n)) + 1e-9 for n in range(26)]) for text in texts]


class _Vector:
    def __init__(self, values: list[float]) -> None:
        length = math.sqrt(sum(value * value for value in values))
        self._values = [value / length for value in values]

    def __matmul__(self, other: _Vector) -> float:
        return math.fsum(a * b for a, b in zip(self._values, other._values, strict=True))
