"""After words that were judged wrong an attempt begins with a call; only in a rehearsal, and in our style."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from helpers.loop import FAILED, TOOLS, Ledger, adviser, agent_of, always, call, judge, prompt, rehearsed

from artis_sdk import Session
from artis_sdk.loop.strategies import Hybrid, Parallel, Sequential
from artis_sdk.prompts import Prompts
from artis_sdk.records import Request

WRONG, RIGHT, TOLD = '{"correct": false}', '{"correct": true}', '{"suggestion": "Call pay."}'


def talks(request: Request) -> Any:
    """An agent that calls only when it has to."""
    if request.tool_choice == "required":
        return call("look", account="a")
    return "I would call look."


def verdicts(text: str) -> Any:
    return lambda request: TOLD if "suggestion" in str(request.schema) else text


async def choices(strategy: Any, verdict: str | None, agent: Any = talks, **options: Any) -> list[str]:
    """The `tool_choice` of each turn of a rehearsal."""
    backend, actor = agent_of(agent, **options)
    evaluator = None if verdict is None else judge(verdicts(verdict))[1]
    await rehearsed(strategy, actor, evaluator=evaluator, summarizer=adviser()[1])
    return [request.tool_choice for request in backend.requests]


async def test_the_attempt_after_wrong_words_begins_with_a_call() -> None:
    # words; a call, then words; free again, as a call has been tried
    assert await choices(Sequential(3), WRONG) == ["auto", "required", "auto", "auto"]
    assert await choices(Hybrid(2, 2), WRONG) == ["auto", "auto", *["required", "required"], "auto", "auto"]


@pytest.mark.parametrize(
    ("strategy", "verdict", "options"),
    [
        (Sequential(3), RIGHT, {}),  # words can be the right answer
        (Sequential(3), None, {}),
        (Parallel(3), WRONG, {}),
        (Sequential(3), WRONG, {"tool_format": "text"}),  # cannot be held
    ],
)
async def test_otherwise_the_first_turn_is_free(strategy: Any, verdict: str | None, options: Any) -> None:
    assert await choices(strategy, verdict, **options) == ["auto"] * 3


async def test_the_papers_style_holds_no_turn() -> None:
    backend, actor = agent_of(talks, prompts=Prompts(style="paper"))
    await rehearsed(Sequential(3), actor, evaluator=judge(FAILED, prompts=Prompts(style="paper"))[1])
    assert [request.tool_choice for request in backend.requests] == ["auto"] * 3


async def test_one_turn_is_held_and_no_more() -> None:
    """Whoever is held to a call in every turn can never answer."""
    stubborn = always("I would call look.")
    assert await choices(Sequential(2), WRONG, stubborn) == ["auto", "required"]


async def test_a_commit_is_never_held_by_it(tmp_path: Path) -> None:
    """Without a summary a commit is shown the attempts; no call may be pressed out of it."""
    agent, _ = agent_of(talks)
    session = Session(
        agent=agent,
        evaluator=judge(verdicts(WRONG))[1],
        tools=TOOLS,
        simulator=Ledger(),
        strategy=Sequential(1),
        summarize=False,
        journal=tmp_path / "journal.db",
    )
    async with session:
        result = await session.run("Pay 5 from a.")
    assert "Earlier rehearsals" in prompt(agent.requests[1])
    assert [request.tool_choice for request in agent.requests] == ["auto", "auto"]
    assert result.calls == ()
