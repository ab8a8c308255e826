"""What the person at the terminal is asked for where a plan was saved without its secrets."""

from __future__ import annotations

import re
from pathlib import Path

from helpers.loop import call

from artis_sdk import Parallel, SandboxSimulator, Session, guarded_tool
from artis_sdk.backends import ScriptedBackend
from artis_sdk.cli.secret_question import secret_question
from artis_sdk.records import Plan


@guarded_tool
def login(user: str, password: str) -> dict[str, str]:
    """Log in."""
    return {"session_token": "tok-77c1e5a94b"}


async def saved(folder: Path, task: str, password: str) -> Plan:
    """A plan with one call of `login`, twice, as it is saved without a key."""
    model = ScriptedBackend([[call("login", user="ann", password=password)], "In."] * 2)
    async with Session(
        agent=model,
        tools=[login],
        simulator=SandboxSimulator(pure=["login"]),
        strategy=Parallel(2),
        journal=folder / "journal.db",
        evaluate=False,
        summarize=False,
    ) as session:
        return session.saved(await session.rehearse(task))


async def test_a_secret_is_asked_for_by_the_argument_that_it_is(tmp_path: Path) -> None:
    plan = await saved(tmp_path, "Log in with password=hunter2-x9", "hunter2-x9")
    assert plan.withheld is not None
    asked = [secret_question(plan, placeholder) for placeholder in plan.withheld.places]
    (password,) = [question for question in asked if question.startswith("password of login ")]
    assert re.fullmatch(r"password of login \(shown as \[redacted:\w+\], and \d more places\)", password), (
        password
    )
    (token,) = [question for question in asked if question.startswith("session_token")]
    assert token.startswith("session_token in what login returned (shown as [redacted:")


async def test_a_secret_that_no_call_takes_is_asked_for_by_the_part_of_the_plan(tmp_path: Path) -> None:
    plan = await saved(tmp_path, "Log in; api_key=hunter2-x9.", "another-1234")
    assert plan.withheld is not None
    asked = [secret_question(plan, placeholder) for placeholder in plan.withheld.places]
    assert [question for question in asked if question.startswith("a secret in the task (shown as ")]
