"""ACEBench's agent multi-step tasks over its own environments, judged as the benchmark judges them.

Data and code are the checkout's. The benchmark's executor evaluates what a model wrote and keeps instances
by model and task, so methods are called directly, a method that several environments have on all of them.
Its own right calls do not fulfil all of its tasks: quotes are missing in some, logins in others.
"""

from __future__ import annotations

import ast
import copy
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

from artis_sdk.errors import ConfigurationError
from artis_sdk.evals.bench.checkout import checkout, json_rows, literal, module
from artis_sdk.evals.bench.documented import Document, documented, json_schema
from artis_sdk.evals.bench.world import BenchmarkTask, CallsByTurn, Split
from artis_sdk.records import Result, State, ToolCall
from artis_sdk.tools import Toolset

LANGUAGES: Final = ("en", "zh")
_URL: Final = "https://github.com/ACEBench/ACEBench"
_MODULES: Final = "model_inference.multi_step.multi_step_utils"


@dataclass(frozen=True, slots=True)
class ACETask:
    """A task of the benchmark."""

    root: Path
    language: str
    row: dict[str, Any] = field(repr=False)
    final: list[dict[str, Any]] = field(repr=False)
    """Right attributes at the end, by class."""
    ways: tuple[tuple[str, ...], ...] = field(repr=False)
    """Ways to fulfil it: right calls, as the benchmark writes them: `[login(user='Eve')]`."""

    def environments(self) -> dict[str, Any]:
        """Fresh environments by class name, loaded with the task's scenario."""
        known = getattr(_code(self.root, _MODULES), f"CLASS_FILE_PATH_MAPPING_{self.language.upper()}")
        made: dict[str, Any] = {}
        for name in self.row["involved_classes"]:
            made[name] = getattr(_code(self.root, known[name]), name)()
            for part in (name, "BaseApi"):
                scenario = copy.deepcopy(self.row["initial_config"].get(part, {}))
                made[name]._load_scenario(scenario, long_context=False)
        return made


class ACEInstance:
    """A task over its own environments.

    Attributes:
        task: the task.
        tools: the functions that the task lists.
    """

    def __init__(self, task: ACETask) -> None:
        self.task = task
        functions = [
            Document(one["name"], one["description"], json_schema(one["parameters"]))
            for one in task.row["function"]
        ]
        self._device = documented("Device", functions, _on_all)
        vars(self._device).update(task.environments())
        self.tools = Toolset.from_object(self._device, check_types=False)
        self._process = 0.0

    def state(self) -> State:
        """The environments' public attributes."""
        return self.tools.state()

    def check_turn(self, turn: int, result: Result) -> str | None:
        """See `TaskInstance.check_turn`: end to end, the saved attributes of each class are compared."""
        made = [_written(call.call) for call in result.calls if not call.nested]
        problem = self._wrong() if made else "no call was made"
        self._process = 1.0 if problem is None else max(_in_order(way, made) for way in self.task.ways)
        return problem

    def score(self) -> float:
        """See `KnowsScore`: process accuracy, the share of the right calls that were made in their order."""
        return self._process

    def _wrong(self) -> str | None:
        check = _code(self.task.root, "model_eval.checker").agent_checker
        saved = literal(self.task.root / "model_inference" / "apimodel_inference.py", "SAVED_CLASS")
        found = {
            name: json.loads(json.dumps({key: vars(one)[key] for key in saved[name] if key in vars(one)}))
            for name, one in vars(self._device).items()
        }
        if len(found) != len(self.task.final):
            return "wrong number of classes"
        for right in self.task.final:
            (name,) = right
            if name not in found:
                continue  # not compared, as in the benchmark
            verdict = check({name: found[name]}, right)
            if not verdict["valid"]:
                return "; ".join(map(str, verdict["error"]))
        return None


class ACEBenchWorld:
    """Agent multi-step in a language, 20 tasks, all of them held out.

    Args:
        language: `en` or `zh`.
        folder: checkout of ACEBench.

    Raises:
        ConfigurationError: the folder is no checkout, or the language is unknown.
    """

    prompts = None
    max_steps = None

    def __init__(self, language: str, folder: Path | None) -> None:
        if language not in LANGUAGES:
            raise ConfigurationError(f"ACEBench has no tasks in {language!r}: choose from en, zh")
        self.name = f"acebench-{language}"
        root = checkout(folder, self.name, _URL)
        data = root / "data_all" / f"data_{language}"
        answers = {
            row["id"]: row for row in json_rows(data / "possible_answer" / "data_agent_multi_step.json")
        }
        self._tasks = [
            _task(root, language, row, answers[row["id"]])
            for row in json_rows(data / "data_agent_multi_step.json")
        ]

    def tasks(self, split: Split, *, seed: int = 0) -> Iterator[BenchmarkTask[ACEInstance]]:
        """See `BenchmarkWorld.tasks`."""
        chosen = list(self._tasks) if split == "held_out" else []
        random.Random(f"acebench {seed}").shuffle(chosen)
        for task in chosen:
            yield BenchmarkTask(
                id=task.row["id"],
                queries=(task.row["question"],),
                start=partial(ACEInstance, task),
                family="multi_step",
                truth=partial(_truth, task),
            )


def _task(root: Path, language: str, row: dict[str, Any], answer: dict[str, Any]) -> ACETask:
    final, stones = answer["ground_truth"], answer["mile_stone"]
    ways: list[list[str]] = stones if stones and isinstance(stones[0], list) else [stones]
    return ACETask(
        root, language, row, final if isinstance(final, list) else [final], tuple(map(tuple, ways))
    )


def _code(root: Path, name: str) -> Any:
    return module(root, name, "is it a checkout of ACEBench?")


def _on_all(device: Any, name: str, arguments: dict[str, Any]) -> Any:
    """What the last environment that has the method answers."""
    value = None
    for environment in [one for one in vars(device).values() if hasattr(one, name)]:
        value = getattr(environment, name)(**copy.deepcopy(arguments))
    return value


def _truth(task: ACETask) -> CallsByTurn:
    return (tuple(call for text in task.ways[0] for call in _calls(text)),)


def _calls(text: str) -> list[ToolCall]:
    """The calls in a milestone; none where its quotes are broken."""
    try:
        node = ast.parse(text.strip(), mode="eval").body
    except SyntaxError:
        return []
    found = node.elts if isinstance(node, ast.List) else [node]
    return [
        ToolCall(
            tool=one.func.id, arguments={str(key.arg): ast.literal_eval(key.value) for key in one.keywords}
        )
        for one in found
        if isinstance(one, ast.Call) and isinstance(one.func, ast.Name)
    ]


def _written(call: ToolCall) -> str:
    """A call as the benchmark writes it."""
    return f"[{call.tool}({', '.join(f'{name}={value!r}' for name, value in call.arguments.items())})]"


def _in_order(stones: tuple[str, ...], made: list[str]) -> float:
    """The share of the milestones that were met in their order, each by the same text."""
    met, rest = 0, iter(made)
    for stone in stones:
        if stone.strip() not in rest:  # what stands before the found one is used up
            break
        met += 1
    return round(met / len(stones), 3) if stones else 1.0
