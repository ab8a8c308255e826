"""tau2-bench's retail, airline and telecom desks, judged by its own evaluator, without a simulated user.

A model as the user would make each row depend on a third model. Telecom has a mode of its own for that, in
which the agent also has the customer's device (solo). In retail and airline the benchmark's instructions to
its user stand whole in one message. Figures are comparable with each other, not with published ones.
"""

from __future__ import annotations

import copy
import json
import os
import random
from collections.abc import Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any, Final

from artis_sdk.errors import ConfigurationError
from artis_sdk.evals.bench.checkout import checkout, module
from artis_sdk.evals.bench.documented import Document, documented
from artis_sdk.evals.bench.world import BenchmarkTask, CallsByTurn, Split
from artis_sdk.prompts import Prompts
from artis_sdk.records import Result, State, ToolCall
from artis_sdk.tools import Toolset

DOMAINS: Final = ("retail", "airline", "telecom")
_SOLO: Final = frozenset({"telecom"})
_URL: Final = "https://github.com/sierra-research/tau2-bench"
_INSTALL: Final = (
    "pip install -e FOLDER with the checkout's folder, on Python 3.12 or later (the package tau2 of PyPI is "
    "another one)"
)
_REQUEST: Final = """\
A customer has left this request and cannot be asked anything; "you" in it is the customer. What the \
customer would agree to is confirmed. Do all of it that the policy allows, then answer the customer.

{instructions}"""


class Tau2Instance:
    """A task over a database of its own.

    Attributes:
        task: the task, as the benchmark holds it.
        tools: the agent's tools; in solo mode those of the customer's device, too.
    """

    def __init__(self, domain: str, root: Path | None, task: Any) -> None:
        self.task = task
        self._domain, self._root = domain, root
        self._desk = _desk(domain, root)
        start = task.initial_state
        self._desk._environment.set_state(
            start and start.initialization_data, start and start.initialization_actions, []
        )
        self.tools = Toolset.from_object(self._desk, check_types=False)

    def state(self) -> State:
        """The databases of the desk and, in solo mode, of the customer's device."""
        kits = (self._desk._environment.tools, self._desk._environment.user_tools)
        names = ("desk", "device")
        return {
            name: kit.db.model_dump(mode="json")
            for name, kit in zip(names, kits, strict=True)
            if kit is not None
        }

    def check_turn(self, turn: int, result: Result) -> str | None:
        """See `TaskInstance.check_turn`: the benchmark plays the calls again and compares."""
        runs = _tau2(self._root, "data_model.simulation")
        ended = (
            runs.TerminationReason.MAX_STEPS if result.answer is None else runs.TerminationReason.AGENT_STOP
        )
        run = runs.SimulationRun(
            id=self.task.id,
            task_id=self.task.id,
            start_time="",
            end_time="",
            duration=0.0,
            termination_reason=ended,
            messages=self._messages(result.answer),
        )
        evaluator = _tau2(self._root, "evaluator.evaluator")
        reward = evaluator.evaluate_simulation(
            run, self.task, evaluator.EvaluationType.ALL, self._domain in _SOLO, self._domain
        )
        if reward.reward == 1.0:
            return None
        failed = [
            f"{basis.value} {worth:g}"
            for basis, worth in (reward.reward_breakdown or {}).items()
            if worth < 1
        ]
        return f"reward {reward.reward:g}: {', '.join(failed) or reward.info}"

    def _messages(self, answer: str | None) -> list[Any]:
        """The commit as the benchmark records it."""
        kinds = _tau2(self._root, "data_model.message")
        found: list[Any] = []
        for number, (name, arguments, content, failed) in enumerate(self._desk._made):
            call = kinds.ToolCall(id=str(number), name=name, arguments=arguments, requestor="assistant")
            found.append(kinds.AssistantMessage(role="assistant", tool_calls=[call]))
            found.append(
                kinds.ToolMessage(
                    id=str(number), role="tool", content=content, requestor="assistant", error=failed
                )
            )
        if answer:
            found.append(kinds.AssistantMessage(role="assistant", content=answer))
        return found


class Tau2World:
    """A domain: the benchmark's `test` tasks are held out, its `train` tasks are to train on.

    Tasks whose reward asks a model about sentences (`NL_ASSERTION`) are left out.

    Args:
        domain: one of `DOMAINS`.
        folder: checkout of tau2-bench; None for an installed one.

    Raises:
        ConfigurationError: an unknown domain, or tau2-bench or a package that it needs is missing.
    """

    max_steps = 50

    def __init__(self, domain: str, folder: Path | None = None) -> None:
        if domain not in DOMAINS:
            raise ConfigurationError(f"tau2 has no world {domain!r}: choose from {', '.join(DOMAINS)}")
        self.name = f"tau2-{domain}"
        self._domain = domain
        self._root = None if folder is None else checkout(folder, self.name, _URL) / "src"
        policy = _environment(domain, self._root).get_policy()
        text = f"{Prompts().text('action_system')}\n<policy>\n{{% raw %}}{policy}{{% endraw %}}\n</policy>\n"
        self.prompts = Prompts({"action_system": text})

    def tasks(self, split: Split, *, seed: int = 0) -> Iterator[BenchmarkTask[Tau2Instance]]:
        """See `BenchmarkWorld.tasks`."""
        registry = _tau2(self._root, "registry").registry
        part = "test" if split == "held_out" else "train"
        chosen = [task for task in registry.get_tasks_loader(self._domain)(part) if not _asks_a_model(task)]
        random.Random(f"tau2 {seed}").shuffle(chosen)
        for task in chosen:
            yield BenchmarkTask(
                id=task.id,
                queries=(_query(task, solo=self._domain in _SOLO),),
                start=partial(Tau2Instance, self._domain, self._root, task),
                family=self._domain,
                truth=partial(_truth, task),
                answer=", ".join(task.evaluation_criteria.communicate_info or ()) or "Done.",
            )


def _query(task: Any, *, solo: bool) -> str:
    return str(task.ticket) if solo else _REQUEST.format(instructions=task.user_scenario.instructions)


def _asks_a_model(task: Any) -> bool:
    criteria = task.evaluation_criteria
    asked = any(basis.value == "NL_ASSERTION" for basis in criteria.reward_basis)
    return asked and bool(criteria.nl_assertions)


def _truth(task: Any) -> CallsByTurn:
    actions = task.evaluation_criteria.actions or ()
    return (tuple(ToolCall(tool=one.name, arguments=dict(one.arguments)) for one in actions),)


def _environment(domain: str, root: Path | None) -> Any:
    made = _tau2(root, "registry").registry.get_env_constructor(domain)
    return made(solo_mode=True) if domain in _SOLO else made()


def _desk(domain: str, root: Path | None) -> Any:
    environment = _environment(domain, root)
    kits = [environment.get_tools(), environment.get_user_tools() if domain in _SOLO else []]
    schemas = [tool.openai_schema["function"] for kit in kits for tool in kit]
    documents = [Document(one["name"], one["description"], one["parameters"]) for one in schemas]
    desk = documented("Desk", documents, _call)
    desk._environment, desk._made = environment, []
    return desk


def _call(desk: Any, name: str, arguments: dict[str, Any]) -> Any:
    """Make a call as the benchmark does, and keep it for its evaluator."""
    environment = desk._environment
    try:
        value = environment.make_tool_call(name, requestor="assistant", **copy.deepcopy(arguments))
        environment.sync_tools()
    except Exception as error:
        desk._made.append((name, arguments, f"Error: {error}", True))
        raise
    content = environment.to_json_str(value)
    desk._made.append((name, arguments, content, False))
    return content if isinstance(value, str) else json.loads(content)


@cache
def _tau2(root: Path | None, name: str) -> Any:
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # else its import asks a server for prices
    module(root, "loguru", _INSTALL).logger.disable("tau2")
    return module(root, f"tau2.{name}", _INSTALL)
