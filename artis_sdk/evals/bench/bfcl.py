"""BFCL-v3 multi-turn: real third-party environments, their tasks, and the official checks.

Needs `pip install --no-deps bfcl-eval` and `pip install mpmath filelock` (a full install of bfcl-eval
pulls a CUDA torch; the multi-turn parts do not need it). The data are in its wheel. The package's
own executor evaluates model strings and caches instances by model and task, so methods are called
directly, and the package decides the verdict.
"""

from __future__ import annotations

import ast
import copy
import importlib
import inspect
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any, Final

from artis_sdk.errors import ConfigurationError
from artis_sdk.evals.bench.world import BenchmarkTask, CallsByTurn, Split
from artis_sdk.records import Outcome, Provenance, Result, State, ToolCall
from artis_sdk.tools import Toolset

CATEGORIES = ("base", "miss_func", "miss_param", "long_context")
HELD_OUT_EVERY: Final = 5
"""One task in this many is held out, by its index, in every category."""


@dataclass(frozen=True, slots=True)
class BFCLTask:
    """One task: its turns, its environment, and the ground truth."""

    id: str
    queries: tuple[str, ...]
    """User messages, one per turn."""
    ground_truth: tuple[tuple[str, ...], ...]
    """Per turn, the calls as the benchmark writes them: `cd(folder='document')`."""
    classes: tuple[str, ...]
    config: dict[str, Any] = field(repr=False)
    long_context: bool = False
    missed: dict[int, tuple[str, ...]] = field(default_factory=dict)
    """Tools that are offered from a later turn on, by its number from 0."""
    offered: frozenset[str] | None = None
    """Tools that are offered at all; None for all of the environments'."""

    def instances(self) -> dict[str, Any]:
        """Fresh environment objects by class name, loaded with this task's scenario."""
        made: dict[str, Any] = {}
        for name in self.classes:
            instance = _environment_class(name)()
            if name not in official("constants.executable_backend_config").STATELESS_CLASSES:
                scenario = copy.deepcopy(self.config.get(name, {}))
                instance._load_scenario(scenario, long_context=self.long_context)
            made[name] = instance
        return made


def load_tasks(category: str = "base", limit: int | None = None) -> list[BFCLTask]:
    """The tasks of one multi-turn category, in the benchmark's order (200 each).

    The categories share base tasks: split by index, never by category.

    Raises:
        ConfigurationError: an unknown category, or bfcl-eval is not installed.
    """
    if category not in CATEGORIES:
        raise ConfigurationError(f"unknown BFCL category {category!r}; choose from {', '.join(CATEGORIES)}")
    folder = Path(str(official("").__file__)).parent / "data"
    name = f"BFCL_v4_multi_turn_{category}.json"
    rows = json_lines(folder / name)[:limit]
    answers = {row["id"]: row["ground_truth"] for row in json_lines(folder / "possible_answer" / name)}
    more_tools = official("constants.default_prompts").DEFAULT_USER_PROMPT_FOR_ADDITIONAL_FUNCTION_FC
    return [
        BFCLTask(
            id=row["id"],
            queries=tuple("\n".join(m["content"] for m in turn) or more_tools for turn in row["question"]),
            ground_truth=tuple(tuple(turn) for turn in answers[row["id"]]),
            classes=tuple(row["involved_classes"]),
            config=row["initial_config"],
            long_context="long_context" in row["id"],
            missed={int(turn): tuple(names) for turn, names in row.get("missed_function", {}).items()},
        )
        for row in rows
    ]


def guard(instances: dict[str, Any]) -> Toolset:
    """The environments' public methods as guarded tools; their source stays unchanged.

    Types are not checked: the ground truth itself passes `close_ticket` a text for a declared int.
    """
    toolsets = [Toolset.from_object(instance, check_types=False) for instance in instances.values()]
    return sum(toolsets[1:], start=toolsets[0])


def restored(state: State) -> list[Any]:
    """The file system of a logged state, for the `restore=` of `artis_sdk.simulators.Checked`.

    Its files are objects, and where it stands in them is private: a task begins at the root. The JSON of
    the other environments tells all that their code asks for.
    """
    stored: Any = state.get("GorillaFileSystem") if isinstance(state, dict) else None
    if not isinstance(stored, dict):
        return []
    made = _environment_class("GorillaFileSystem")()
    root = stored["root"]
    made._load_scenario({"root": {root["name"]: _scenario(root)}})
    made.long_context = stored.get("long_context", False)
    return [made]


def _scenario(entry: dict[str, Any]) -> dict[str, Any]:
    """A file or folder of a state, as a scenario has it."""
    if "contents" not in entry:
        return {"type": "file", "content": entry["content"]}
    inside = {name: _scenario(inner) for name, inner in entry["contents"].items()}
    return {"type": "directory", "contents": inside}


def parse_ground_truth(text: str, tools: Toolset) -> ToolCall:
    """A ground-truth call as a record; positional arguments get their parameters' names.

    Args:
        text: call such as `sort('final_report.pdf')`, with literals only.
    """
    node = ast.parse(text, mode="eval").body
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
        raise ValueError(f"not a call: {text!r}")
    names = list(inspect.signature(tools[node.func.id]).parameters)
    names = names[1:] if names[:1] == ["self"] else names
    arguments = {names[i]: ast.literal_eval(value) for i, value in enumerate(node.args)}
    arguments |= {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in node.keywords}
    arguments = {name: list(v) if isinstance(v, tuple) else v for name, v in arguments.items()}
    return ToolCall(tool=node.func.id, arguments=arguments, raw=text)


class OfficialChecker:
    """The benchmark's own state and response checks, applied to instances that a Session changed.

    The ground truth is played on its own instances, by calling their methods; the outcomes of both
    sides are written the same way, as JSON.
    """

    def __init__(self, task: BFCLTask) -> None:
        self.task = task
        self._expected = task.instances()
        self._tools = guard(self._expected)
        self._responses: list[str] = []

    def check_turn(self, turn: int, instances: dict[str, Any], outcomes: list[Outcome]) -> str | None:
        """Check one turn, in order; None when it passes, else the benchmark's error message.

        Args:
            turn: number of the turn, from 0.
            instances: environments on which the turn's calls were made.
            outcomes: outcomes of the turn's calls.
        """
        checks = official("eval_checker.multi_turn_eval.multi_turn_checker")
        self._responses.extend(outcome.text() for outcome in outcomes)
        truth = [self._play(text) for text in self.task.ground_truth[turn]]
        if not truth:
            return None
        for verdict in (
            checks.state_checker(instances, self._expected),
            checks.response_checker(self._responses, truth, turn),
        ):
            if not verdict["valid"]:
                return f"turn {turn}: {verdict['error_message']}"
        return None

    def _play(self, text: str) -> str:
        call = parse_ground_truth(text, self._tools)
        tool = self._tools[call.tool]
        invocation = tool.parse(call)
        try:
            value = getattr(tool.owner, tool.name)(*invocation.args, **invocation.kwargs)
        except Exception as error:  # noqa: BLE001 - any exception of a tool is its outcome
            return tool.outcome_of_error(error, Provenance.REAL).text()
        return tool.outcome(value, Provenance.REAL).text()


class BFCLInstance:
    """A task over its own environments, judged after each turn by the benchmark's own checks.

    Attributes:
        task: the task.
        objects: the environments by class name.
        tools: their public methods, in miss_func without those that a later turn offers.
    """

    def __init__(self, task: BFCLTask) -> None:
        self.task = task
        self.objects = task.instances()
        self._all = guard(self.objects)
        self.tools = self._offered(0)
        self._checker = OfficialChecker(task)

    def _offered(self, turn: int) -> Toolset:
        later = {name for at, names in self.task.missed.items() if at > turn for name in names}
        all_names = {tool.name for tool in self._all}
        names = (all_names if self.task.offered is None else self.task.offered) - later
        return self._all if names == all_names else Toolset(*(t for t in self._all if t.name in names))

    def state(self) -> State:
        """The environments' public attributes."""
        return self._all.state()

    def check_turn(self, turn: int, result: Result) -> str | None:
        """See `TaskInstance.check_turn`."""
        if turn + 1 in self.task.missed:
            self.tools = self._offered(turn + 1)
        outcomes = [made.outcome for made in result.calls if not made.nested]
        return self._checker.check_turn(turn, self.objects, outcomes)


class BFCLWorld:
    """One multi-turn category, 200 tasks in an order by seed; the same 40 indices are always held out.

    Args:
        category: `base`, `miss_param`, `long_context`, or `miss_func`, where some tools are offered in the
            middle of a task, with the benchmark's own message.

    Raises:
        ConfigurationError: an unknown category, or bfcl-eval is not installed.
    """

    prompts = None
    max_steps = None

    def __init__(self, category: str = "base") -> None:
        self.name = f"bfcl-{category}"
        self._category = category
        self._tasks = load_tasks(category)

    def tasks(self, split: Split, *, seed: int = 0) -> Iterator[BenchmarkTask[BFCLInstance]]:
        """See `BenchmarkWorld.tasks`."""
        held = split == "held_out"
        chosen = [task for n, task in enumerate(self._tasks) if (n % HELD_OUT_EVERY == 0) == held]
        random.Random(f"bfcl {seed}").shuffle(chosen)
        for task in chosen:
            yield BenchmarkTask(
                id=task.id,
                queries=task.queries,
                start=partial(BFCLInstance, task),
                family=self._category,
                truth=partial(_truth, task),
            )


def _truth(task: BFCLTask) -> CallsByTurn:
    tools = guard(task.instances())
    return tuple(tuple(parse_ground_truth(text, tools) for text in turn) for turn in task.ground_truth)


def json_lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line.strip()]


def _environment_class(name: str) -> Any:
    module = official("constants.executable_backend_config").CLASS_FILE_PATH_MAPPING[name]
    return getattr(importlib.import_module(module), name)


@cache
def official(module: str) -> Any:
    try:
        return importlib.import_module(f"bfcl_eval.{module}" if module else "bfcl_eval")
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"BFCL needs {error.name}: pip install --no-deps bfcl-eval && pip install mpmath filelock"
        ) from error
