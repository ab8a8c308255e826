"""The example tasks: each can be done, its checker knows when, and the interpreter is held in."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import pytest
from helpers.agent import letters, rolled

from artis_sdk.errors import ConfigurationError
from artis_sdk.trainers.agent.examples.lookup import HELD_OUT, lookup_tasks
from artis_sdk.trainers.agent.examples.registry import EXAMPLES, load_tasks
from artis_sdk.trainers.agent.examples.shop import calculator, shop_tasks
from artis_sdk.trainers.agent.examples.sums import python_tasks
from artis_sdk.trainers.agent.python_tool import PythonError, PythonSandbox
from artis_sdk.trainers.agent.rewards import Rewards, succeeded, tool_match
from artis_sdk.trainers.agent.rollout import AgentTask
from artis_sdk.trainers.agent.turns import read_tags

TOKENIZER = letters()


async def played(task: AgentTask, *turns: str) -> float:
    left = list(turns)
    (rollout,) = await rolled(lambda context: left.pop(0), task, tokenizer=TOKENIZER, turns=6)
    return Rewards().components(rollout)["answer"] or 0.0


def as_turns(task: AgentTask) -> list[str]:
    """The right calls of a task, written in tags."""
    return [
        f"<{call.tool}>{', '.join(f'{k}={v!r}' for k, v in call.arguments.items())}</{call.tool}>"
        for call in task.calls
    ]


@pytest.mark.parametrize("task", shop_tasks(8) + lookup_tasks(8), ids=lambda task: task.id)
async def test_the_right_calls_do_the_task_and_others_do_not(task: AgentTask) -> None:
    turns = as_turns(task)
    left = [*turns, f"<answer>{task.answer}</answer>"]
    (rollout,) = await rolled(lambda context: left.pop(0), task, tokenizer=TOKENIZER, turns=6)
    assert succeeded(rollout), [step.outcome for step in rollout.steps]
    assert tool_match(rollout) == 1.0
    assert await played(task, *turns, "<answer>wrong</answer>") < 1.0
    if task.goal is not None:  # saying so is not doing so
        assert await played(task, f"<answer>{task.answer}</answer>") < 1.0


async def test_sums_by_the_interpreter() -> None:
    for task in python_tasks(4):
        right = await played(
            task, f"<python>print({task.answer})</python>", f"<answer>{task.answer}</answer>"
        )
        assert right == 1.0
        assert await played(task, "<answer>-1</answer>") == 0.0


def test_held_out_tasks_are_others() -> None:
    for name in EXAMPLES:
        train, held_out = load_tasks(name)
        assert not {task.id for task in train} & {task.id for task in held_out}
        assert not {task.query for task in train} & {task.query for task in held_out} or name == "shop"
    assert {task.query.split()[1] for task in lookup_tasks(64, held_out=True)} <= set(HELD_OUT)


def test_tasks_of_ones_own() -> None:
    train, held_out = load_tasks(f"{__name__}:own")
    assert (len(train), len(held_out)) == (2, 1)
    for wrong, why in (("nothing", "unknown example"), (f"{__name__}:nowhere", "nowhere")):
        with pytest.raises(ConfigurationError, match=why):
            load_tasks(wrong)
    with pytest.raises(ConfigurationError, match="not a pair of lists"):
        load_tasks(f"{__name__}:TOKENIZER_NAME")


TOKENIZER_NAME = "letters"


def own(seed: int) -> tuple[list[AgentTask], list[AgentTask]]:
    return lookup_tasks(2, seed=seed), lookup_tasks(1, seed=seed, held_out=True)


@pytest.mark.parametrize(
    ("expression", "value"), [("3 * (4 + 5)", 27), ("-7 // 2", -4), ("1 / 4", 0.25), (" 8 % 3 ", 2)]
)
def test_the_calculator(expression: str, value: float) -> None:
    assert calculator(expression) == value


@pytest.mark.parametrize("expression", ["2 ** 99", "f(1)", "'a' * 3", "1 +", "x", "1" * 300, "True"])
def test_the_calculator_does_sums_only(expression: str) -> None:
    with pytest.raises((ValueError, SyntaxError)):
        calculator(expression)


async def test_the_interpreter_gives_what_is_printed_and_the_last_value() -> None:
    box = PythonSandbox()
    assert await box.python("print(3)\n4 + 1") == "3\n5"
    assert await box.python("x = 1") == ""
    turn = read_tags("<python>print('<b>')\n1 < 2</python>", {})
    assert turn.calls[0].tool == "python"


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("1/0", "ZeroDivisionError: division by zero"),
        ("def", "SyntaxError"),
        ("x = [0] * 10**9", "MemoryError"),
        ("import os; os._exit(3)", "ended with status 3"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "killed by signal 9"),
        ("open('big', 'w').write('x' * 5_000_000)", "OSError|signal"),
    ],
)
async def test_the_interpreter_is_held_in(code: str, why: str) -> None:
    with pytest.raises(PythonError, match=why):
        await PythonSandbox(memory=256).python(code)


@pytest.mark.parametrize("code", ["while True: pass", "import time; time.sleep(60)"])
async def test_the_interpreter_ends_in_time(code: str) -> None:
    begun = time.monotonic()
    with pytest.raises(PythonError, match="did not end within 1 s"):
        await PythonSandbox(seconds=1).python(code)
    assert time.monotonic() - begun < 10


async def test_a_flood_of_output_is_cut_off() -> None:
    assert len(await PythonSandbox().python("while True: print('x' * 1000)")) <= 1 << 16


async def test_nothing_is_kept_and_nothing_of_the_environment_is_seen() -> None:
    box = PythonSandbox()
    await box.python("open('left', 'w').write('x')\ny = 1")
    assert await box.python("import os; print(os.listdir(), os.environ.get('PATH'))") == "[] None"
    with pytest.raises(PythonError, match="NameError"):
        await box.python("y")


async def test_the_documents_own_task_can_be_done() -> None:
    text = (Path(__file__).parents[2] / "docs" / "agent-training.md").read_text()
    code, _ = re.findall(r"^```python\n(.*?)^```", text, re.M | re.S)  # the other: test_agent_session.py
    scope: dict[str, Any] = {}
    exec(code, scope)
    turns = ["<search>red lamp</search>", '<order>{"product": "P1", "pieces": 2}</order>']
    assert await played(scope["task"], *turns, "<answer>ordered</answer>") == 1.0
    assert await played(scope["task"], "<answer>ordered</answer>") == 0.0
