"""Sequences of calls of services by theme, each made for real and computed: right, or not told."""

from __future__ import annotations

import asyncio
import copy
import random
from collections import Counter
from types import ModuleType
from typing import Any, Final

import pytest
from helpers.checked_services import (
    errors_of_python,
    hidden_state,
    python_forms,
    shared_objects,
    texts,
    typed_state,
)

from artis_sdk.errors import SimulationError
from artis_sdk.records import History, Outcome, Provenance, Step, ToolCall
from artis_sdk.simulators import Checked
from artis_sdk.tools import Toolset, outside

UNTOLD: Final[dict[ModuleType, set[str]]] = {
    typed_state: set(),
    shared_objects: {"resized"},
    python_forms: {"as_text"},
    errors_of_python: {"starred_wrongly", "passed_wrongly", "specially", "named", "made", "guessed", "mapped"}
    | {"same_function", "equal_functions", "function_as_key", "exits", "sorted_mixed"},
    texts: {"endless", "optional", "from_there", "bought", "registered", "own", "escaping"},
    hidden_state: {"buy", "age", "enroll", "remember", "doored", "drawn", "waited", "pinged_within", "timed"},
}
"""The tools of which nothing is told; of all others every call is, on the objects as they were made."""


def toolset(service: ModuleType) -> Toolset:
    first, *others = service.make()
    tools = Toolset.from_object(first)
    for other in others:
        tools = tools + Toolset.from_object(other)
    return tools


def made(tools: Toolset, call: ToolCall) -> Outcome:
    tool = tools[call.tool]
    try:
        with outside():
            invocation = tool.parse(call)
            value: Any = tool.function(*invocation.args, **invocation.kwargs)
            if asyncio.iscoroutine(value):
                value = asyncio.run(value)
    except (Exception, SystemExit) as error:  # noqa: BLE001  whatever it raises is its outcome
        return tool.outcome_of_error(error, Provenance.REAL)
    return tool.outcome(value, Provenance.REAL)


def told(service: ModuleType, calls: list[tuple[str, dict[str, Any]]], counts: Counter[str]) -> None:
    """Compares what is told of each call with what happens."""
    real = toolset(service)
    every = [ToolCall(tool=name, arguments=copy.deepcopy(arguments)) for name, arguments in calls]
    truths = [made(real, call) for call in every]
    tools = toolset(service)
    state, history = tools.state(), History()
    simulator = Checked().fork(tools, None)  # type: ignore[arg-type]
    for call, truth in zip(every, truths, strict=True):
        counts["all"] += 1
        try:
            found = asyncio.run(simulator.predict(call, state, history))
        except SimulationError as error:
            counts[f"{call.tool}: {error}"] += 1
        else:
            counts["told"] += 1
            without = {"provenance", "duration"}
            assert found.model_dump(exclude=without) == truth.model_dump(exclude=without), (call, history)
        history = (*history, Step(call=call, outcome=truth))


@pytest.mark.parametrize("service", UNTOLD, ids=lambda service: service.__name__.rpartition(".")[2])
def test_what_is_told_of_a_service_is_right(service: ModuleType) -> None:
    for name, arguments in service.CALLS:
        alone: Counter[str] = Counter()
        told(service, [(name, arguments)], alone)
        assert alone["told"] == (name not in UNTOLD[service]), alone
    draw = random.Random(7)
    several: Counter[str] = Counter()
    for _ in range(30):
        told(service, [draw.choice(service.CALLS) for _ in range(4)], several)
    assert several["told"] > 0
