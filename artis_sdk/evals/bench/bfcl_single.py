"""BFCL-v3 live, single-turn: schemas without code, of which one answer calls the right ones (appendix D).

The benchmark's own checker of syntax trees decides. Needs what `artis_sdk.evals.bench.bfcl` needs.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Collection, Iterator
from functools import cache, partial
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from artis_sdk.errors import ConfigurationError
from artis_sdk.evals.bench.bfcl import json_lines, official
from artis_sdk.evals.bench.documented import json_schema
from artis_sdk.evals.bench.world import BenchmarkTask, CallsByTurn, Split
from artis_sdk.records import Result, State, ToolCall
from artis_sdk.tools import GuardedTool, Toolset

LIVE: Final = ("live_simple", "live_multiple", "live_parallel", "live_parallel_multiple")
# What the checker imports and Python's tasks do not use: clients of 40 providers, and parsers of Java.
_UNUSED: Final = {
    "bfcl_eval.constants.model_config": "MODEL_CONFIG_MAPPING",
    "bfcl_eval.eval_checker.ast_eval.type_convertor.java_type_converter": "java_type_converter",
    "bfcl_eval.eval_checker.ast_eval.type_convertor.js_type_converter": "js_type_converter",
}


class BFCLSingleInstance:
    """A task: its tools only say that they were called.

    Attributes:
        tools: the task's functions; a dot in a name is an underscore.
    """

    def __init__(self, row: dict[str, Any], answer: list[dict[str, Any]], category: str) -> None:
        self._row, self._answer, self._category = row, answer, category
        self.tools = Toolset(
            *(
                GuardedTool.from_schema(
                    _name(given["name"]), given["description"], json_schema(given["parameters"]), _called
                )
                for given in row["function"]
            )
        )

    def state(self) -> State:
        """There is none."""
        return {}

    def check_turn(self, turn: int, result: Result) -> str | None:
        """See `TaskInstance.check_turn`; what the agent wrote is judged, also calls that were refused."""
        written = [call for message in result.messages for call in message.tool_calls]
        verdict = _checker().ast_checker(
            [{**given, "name": _name(given["name"])} for given in self._row["function"]],
            [{call.tool: call.arguments} for call in written],
            [{_name(name): given for name, given in one.items()} for one in self._answer],
            official("constants.enums").Language.PYTHON,
            self._category,
            "any",
        )
        return None if verdict["valid"] else "; ".join(map(str, verdict["error"])) or verdict["error_type"]


class BFCLSingleTurnWorld:
    """One live category. All of its tasks are held out; an agent has one answer, as in the benchmark.

    Args:
        category: one of `LIVE`.

    Raises:
        ConfigurationError: an unknown category, or bfcl-eval is not installed.
    """

    prompts = None
    max_steps = 1

    def __init__(self, category: str) -> None:
        if category not in LIVE:
            raise ConfigurationError(f"unknown BFCL category {category!r}; choose from {', '.join(LIVE)}")
        self.name = f"bfcl-{category}"
        self._category = category
        folder = Path(str(official("").__file__)).parent / "data"
        file = f"BFCL_v4_{category}.json"
        self._rows = json_lines(folder / file)
        self._answers = {
            row["id"]: row["ground_truth"] for row in json_lines(folder / "possible_answer" / file)
        }
        _checker()

    def tasks(self, split: Split, *, seed: int = 0) -> Iterator[BenchmarkTask[BFCLSingleInstance]]:
        """See `BenchmarkWorld.tasks`."""
        chosen = list(self._rows) if split == "held_out" else []
        random.Random(f"bfcl {seed}").shuffle(chosen)
        for row in chosen:
            answer = self._answers[row["id"]]
            yield BenchmarkTask(
                id=row["id"],
                queries=("\n".join(message["content"] for message in row["question"][0]),),
                start=partial(BFCLSingleInstance, row, answer, self._category),
                family=self._category,
                truth=partial(_truth, row, answer),
            )


def _called(**arguments: Any) -> dict[str, bool]:
    return {"called": True}


def _name(given: str) -> str:
    return given.replace(".", "_")


def _truth(row: dict[str, Any], answer: list[dict[str, Any]]) -> CallsByTurn:
    required = {given["name"]: given["parameters"].get("required", ()) for given in row["function"]}
    calls = [(name, given) for one in answer for name, given in one.items()]
    return (
        tuple(
            ToolCall(tool=_name(name), arguments=_first(given, required.get(name, ())))
            for name, given in calls
        ),
    )


def _first(accepted: dict[str, Any], required: Collection[str] = ()) -> dict[str, Any]:
    """The first accepted value of each argument; `""` among them means that it may be left out."""
    listed = {name: given if isinstance(given, list) else [given] for name, given in accepted.items()}
    return {
        name: _value(values[0])
        for name, values in listed.items()
        if values and (name in required or "" not in values)
    }


def _value(accepted: Any) -> Any:
    if isinstance(accepted, list):
        return [_value(one) for one in accepted]
    return _first(accepted) if isinstance(accepted, dict) else accepted


@cache
def _checker() -> Any:
    stand_ins = {module: ModuleType(module) for module in _UNUSED if module not in sys.modules}
    for module, made in stand_ins.items():
        setattr(made, _UNUSED[module], {})
    sys.modules.update(stand_ins)
    try:
        return official("eval_checker.ast_eval.ast_checker")
    finally:
        for module in stand_ins:
            del sys.modules[module]
