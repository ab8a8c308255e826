"""Small folders with the layout of checkouts of ACEBench and tau2-bench, with data and code of our own."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_ACE = {
    "model_inference/apimodel_inference.py": """
import a_client_that_is_not_installed

SAVED_CLASS = {"BaseApi": ["wifi"], "Lamps": ["lit"]}
""",
    "model_inference/multi_step/multi_step_utils.py": """
CLASS_FILE_PATH_MAPPING_EN = {
    "BaseApi": "model_inference.multi_step.scenariosen.lamps",
    "Lamps": "model_inference.multi_step.scenariosen.lamps",
}
""",
    "model_inference/multi_step/scenariosen/lamps.py": """
class BaseApi:
    wifi = False

    def _load_scenario(self, scenario, long_context=False):
        self.wifi = scenario.get("wifi", self.wifi)

    def turn_on_wifi(self):
        self.wifi = True
        return {"status": True}


class Lamps(BaseApi):
    def __init__(self):
        self.lit = {}

    def light(self, lamp, level=1):
        if not self.wifi:
            return {"status": False, "message": "no wifi"}
        self.lit[len(self.lit) + 1] = [lamp, level]
        return {"status": True}
""",
    "model_eval/checker.py": """
def agent_checker(model_output, possible_answer):
    (name,) = possible_answer
    return {"valid": model_output == possible_answer, "error": [f"{name} is {model_output[name]}"]}
""",
}
_LIGHT = {"lamp": {"type": "string", "description": "Its colour."}, "level": {"type": "integer"}}
_FUNCTIONS = [
    {"name": "turn_on_wifi", "description": "Turn it on.", "parameters": {"type": "dict", "properties": {}}},
    {
        "name": "light",
        "description": "Light a lamp.",
        "parameters": {"type": "dict", "required": ["lamp"], "properties": _LIGHT},
    },
]
_ROW = {
    "question": "Light the red lamp.",
    "initial_config": {"BaseApi": {"wifi": False}},
    "involved_classes": ["BaseApi", "Lamps"],
    "function": _FUNCTIONS,
}
_STONES = ["[turn_on_wifi()]", "[light(lamp='red', level=2)]"]
_ANSWER = {"ground_truth": [{"BaseApi": {"wifi": True}}, {"Lamps": {"lit": {"1": ["red", 2]}}}]}

_TAU2 = {
    "loguru.py": """
class logger:
    disable = staticmethod(print)
""",
    "tau2/registry.py": """
import json
from types import SimpleNamespace as Named

SCHEMA = {"properties": {"to": {"$ref": "#/$defs/To"}}, "required": ["to"], "type": "object",
          "$defs": {"To": {"type": "string"}}}


class Books:
    def __init__(self):
        self.paid = []

    def model_dump(self, mode):
        return {"paid": self.paid}


class Environment:
    def __init__(self, solo_mode=False):
        self.tools, self.user_tools = Named(db=Books()), None

    def get_policy(self):
        return "Pay nobody {{ twice }}."

    def get_tools(self):
        function = {"name": "pay", "description": "Pay.", "parameters": SCHEMA}
        return [Named(openai_schema={"function": function})]

    def get_user_tools(self):
        return []

    def set_state(self, data, actions, messages):
        self.tools.db.paid = list(data or [])

    def make_tool_call(self, name, requestor, to):
        if to == "nobody":
            raise ValueError("who?")
        self.tools.db.paid.append(to)
        return {"paid": to}

    def sync_tools(self):
        pass

    def to_json_str(self, value):
        return value if isinstance(value, str) else json.dumps(value)


def task(id, actions, basis, words, ticket=None):
    asked = [Named(value=one) for one in basis]
    criteria = Named(
        actions=[Named(name="pay", arguments={"to": to}) for to in actions],
        reward_basis=asked, communicate_info=words, nl_assertions=["It was polite."],
    )
    return Named(
        id=id, ticket=ticket, initial_state=None, evaluation_criteria=criteria,
        user_scenario=Named(instructions="You want to pay Bob."),
    )


TASKS = {
    "train": [task("0", ["ann"], ["DB"], [])],
    "test": [
        task("1", ["bob", "nobody"], ["DB", "COMMUNICATE"], ["two", "three"], "Ticket: pay Bob."),
        task("2", ["bob"], ["DB", "NL_ASSERTION"], []),
    ],
}
registry = Named(
    get_tasks_loader=lambda domain: TASKS.__getitem__, get_env_constructor=lambda domain: Environment
)
""",
    "tau2/data_model/simulation.py": """
from enum import Enum
from types import SimpleNamespace as SimulationRun


class TerminationReason(Enum):
    MAX_STEPS = "max_steps"
    AGENT_STOP = "agent_stop"
""",
    "tau2/data_model/message.py": """
from types import SimpleNamespace as ToolCall


class AssistantMessage(ToolCall):
    pass


class ToolMessage(ToolCall):
    pass
""",
    "tau2/evaluator/evaluator.py": """
from enum import Enum
from types import SimpleNamespace as Named

EvaluationType = Named(ALL="all")


class Basis(Enum):
    DB = "DB"
    COMMUNICATE = "COMMUNICATE"


def evaluate_simulation(run, task, kind, solo, domain):
    from tau2.registry import Environment

    made = [message.tool_calls[0] for message in run.messages if hasattr(message, "tool_calls")]
    told = [message for message in run.messages if message.role == "tool"]
    assert [call.id for call in made] == [message.id for message in told]
    assert all(message.error == message.content.startswith("Error: ") for message in told)
    paid = [call.arguments["to"] for call, message in zip(made, told) if not message.error]
    wanted = [one.arguments["to"] for one in task.evaluation_criteria.actions]
    wanted = [one for one in wanted if one != "nobody"]
    said = " ".join(message.content for message in run.messages if hasattr(message, "content"))
    right = all(word in said for word in task.evaluation_criteria.communicate_info)
    worth = {Basis.DB: float(paid == wanted), Basis.COMMUNICATE: float(right)}
    reward = float(run.termination_reason.value == "agent_stop" and min(worth.values()))
    return Named(reward=reward, info=None, reward_breakdown=worth)
""",
}


def acebench(folder: Path) -> Path:
    """Two tasks: one as the benchmark has them, and one whose quotes are broken in a milestone."""
    _write(folder, _ACE)
    broken = ["[light(lamp='it's red')]", *_STONES]
    rows = [{"id": "0", **_ROW}, {"id": "1", **_ROW}]
    answers = [{"id": "0", **_ANSWER, "mile_stone": _STONES}]
    answers.append({"id": "1", **_ANSWER, "mile_stone": [broken, _STONES]})
    data = folder / "data_all" / "data_en"
    _rows(data / "data_agent_multi_step.json", rows)
    _rows(data / "possible_answer" / "data_agent_multi_step.json", answers)
    return folder


def tau2(folder: Path) -> Path:
    """One task to train on, one held out, and one that only a model could judge."""
    _write(folder / "src", _TAU2)
    return folder


def _write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def _rows(path: Path, rows: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


@contextmanager
def forgotten(*packages: str) -> Iterator[None]:
    """The modules of a checkout are imported anew by whoever comes next."""
    try:
        yield
    finally:
        for name in [name for name in sys.modules if name.partition(".")[0] in packages]:
            del sys.modules[name]
