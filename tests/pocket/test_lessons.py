"""What the pocket model learns is what the SDK sends, and what it is to answer can be read."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any

import jinja2
import pytest

from artis_sdk.loop.evaluate import read_evaluation
from artis_sdk.loop.scoring import read_score
from artis_sdk.loop.summarize import read_recommendation
from artis_sdk.pocket.bank import BankError
from artis_sdk.pocket.chat import END, TEMPLATE, Segment, segments
from artis_sdk.pocket.families import make
from artis_sdk.pocket.oracle import Oracle, state_of
from artis_sdk.pocket.task import PlannedCall
from artis_sdk.pocket.tasks import FamiliesName, tasks
from artis_sdk.records import CallRecord, Message, ToolCall
from artis_sdk.simulators.answers import typed_entries, typed_outcome
from artis_sdk.trainers.pocket.adapters import SLIPS
from artis_sdk.trainers.pocket.lessons import Lessons, said
from artis_sdk.trainers.pocket.log import records
from artis_sdk.trainers.pocket.scenes import Scene


def learned(conversation: Any) -> str:
    (piece,) = [segment.text for segment in conversation if segment.learned]
    return str(piece).removesuffix(END)


def shown(call: ToolCall) -> str:
    return call.model_dump_json(include={"tool", "arguments"})


@pytest.mark.parametrize("families", ["bank", "traps"])
@pytest.mark.parametrize("persistent", [False, True])
def test_every_answer_can_be_read(persistent: bool, families: FamiliesName) -> None:
    lessons = Lessons(seed=1, persistent=persistent)
    for task in islice(tasks("train", seed=4, families=families), 150):
        for scene in lessons.scenes(task):
            evaluation = read_evaluation(learned(lessons.judge(scene)))
            assert evaluation.correct == (not evaluation.suggestion)
            assert read_recommendation(learned(lessons.advisor(scene))).recommendation
            assert read_score(learned(lessons.scorer(scene))).score in (2, 9)
            for step, history in lessons.calls(scene):
                text = learned(lessons.simulated(scene.bank, step, history))
                (entry,) = typed_entries(text, 1)
                told = typed_outcome(entry, None, text)
                assert (told.type, told.content()) == (step.outcome.type, step.outcome.content())


def taught(lessons: Lessons, role: Callable[[Scene], Iterable[list[Segment]]], *, seed: int) -> list[str]:
    """What is learned of a role's lessons in 60 tasks."""
    return [
        learned(conversation)
        for task in islice(tasks("train", seed=seed), 60)
        for scene in lessons.scenes(task)
        for conversation in role(scene)
    ]


def test_the_base_reads_of_simulated_calls_only_what_succeeds_and_no_thought() -> None:
    lessons = Lessons(seed=4)
    answers = [json.loads(text) for text in taught(lessons, lessons.simulator, seed=9)]
    assert len(answers) > 60
    assert all(answer.keys() == {"outputs"} and answer["outputs"][0]["ok"] for answer in answers)


@pytest.mark.slow
def test_a_log_of_people_who_know_the_books_holds_few_failures_and_generated_ones_all_refusals() -> None:
    def log(**options: Any) -> list[CallRecord]:
        return list(records("train", count=300, seed=3, **options))

    def failing(found: list[CallRecord]) -> float:
        return sum(not one.outcome.ok for one in found) / len(found)

    assert 0.0 < failing(log(slips=SLIPS)) < 0.05 < 0.15 < failing(log())
    driven = log(slips=SLIPS, failures=True)
    assert failing(driven) > 0.4
    made = {(one.task, shown(one.call), len(one.history)) for one in driven}
    lessons = Lessons(seed=3)
    for task in islice(tasks("train", seed=3), 40):
        (scene, *_) = lessons.scenes(task)
        for step, history in lessons.refusals(scene):
            assert not step.outcome.ok
            assert (f"{task.id}-0", shown(step.call), len(history)) in made


def test_the_auditor_names_the_bank_s_refusals() -> None:
    lessons = Lessons(seed=3)
    verdicts = [text.rpartition("\n")[2] for text in taught(lessons, lessons.auditor, seed=8)]
    reasons = [verdict.partition(":")[0] for verdict in verdicts if verdict != "ok"]
    assert {kind.__name__ for kind in BankError.__subclasses__()} >= set(reasons)
    assert len(set(reasons)) >= 8
    assert 0.25 < len(reasons) / len(verdicts) < 0.75


def test_segments_are_what_the_chat_template_renders() -> None:
    environment = jinja2.Environment(trim_blocks=True, lstrip_blocks=True)
    environment.filters["tojson"] = json.dumps
    template = environment.from_string(TEMPLATE)
    oracle = Oracle()
    for task in islice(tasks("train", seed=5), 40):
        turn = task.turns[-1]
        for way in turn.ways:
            messages = [
                Message(role="system", content="agent"),
                Message(role="user", content=turn.query),
                *said(oracle.play(task.bank, way.calls).steps, "Done."),
            ]
            wire = [
                {
                    "role": message.role,
                    "content": message.content,
                    "tool_calls": [
                        {"function": {"name": call.tool, "arguments": call.arguments}}
                        for call in message.tool_calls
                    ],
                }
                for message in messages
            ]
            tools = [{"function": {"name": name}} for name in task.offered]
            text = template.render(messages=wire, tools=tools, add_generation_prompt=False)
            assert "".join(segment.text for segment in segments(messages, task.offered)) == text


def test_advice_is_followed_and_what_failed_is_not_done_again() -> None:
    lessons = Lessons(seed=2)
    followed = 0
    for number in range(300):
        task = make(f"train-6-{number}", "train")
        (scene, *_) = lessons.scenes(task)
        if len(scene.turn.ways) < 2:
            continue
        conversation = lessons.agent(scene)
        prompt = conversation[0].text + conversation[1].text
        done = "".join(segment.text for segment in conversation[2:] if segment.learned)
        accounts = [way.choice for way in scene.turn.ways if way.choice.startswith("A")]
        for account in accounts:
            if f'"use {account}"' in prompt:
                followed += 1
                assert f'"{account}"' in done
            elif f"avoid {account}" in prompt and len(accounts) > prompt.count("avoid"):
                assert f'"{account}"' not in done
    assert followed > 20


def test_the_state_says_what_the_tools_answer() -> None:
    oracle = Oracle()
    for task in islice(tasks("train", seed=7), 50):
        state: Any = state_of(task.bank)
        for account in task.bank.accounts:
            row = state["rows"][account]["is"].split()
            step = oracle.play(task.bank, [PlannedCall("get_account", {"account": account})]).steps[0]
            value: Any = step.outcome.value
            assert [value["currency"], value["status"], str(value["free"])] == row[:3]
