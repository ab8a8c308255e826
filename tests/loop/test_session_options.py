"""The options of a session: one list, seen by callers, by `help` and by the session alike."""

from __future__ import annotations

import inspect
import pydoc
from collections.abc import Iterator
from dataclasses import FrozenInstanceError, fields
from pathlib import Path
from typing import Any

import pytest
from docstring_parser import parse
from helpers.loop import call

from artis_sdk import Direct, Parallel, SandboxSimulator, Sequential, Session, Toolset, guarded_tool
from artis_sdk.backends import ScriptedBackend
from artis_sdk.contracts import Simulator
from artis_sdk.errors import ConfigurationError
from artis_sdk.prompts import Prompts
from artis_sdk.records import CallRecord, History, Outcome, Provenance, State, Step, ToolCall
from artis_sdk.session_args import SessionArgs


def test_the_signature_is_the_list() -> None:
    shown = inspect.signature(Session).parameters
    assert list(shown) == [option.name for option in fields(SessionArgs)]
    for option in fields(SessionArgs):
        assert shown[option.name].kind is inspect.Parameter.KEYWORD_ONLY
        assert shown[option.name].default == option.default
        assert shown[option.name].annotation == option.type


def test_every_option_is_documented_and_help_shows_it() -> None:
    documented = {found.arg_name: found.description for found in parse(SessionArgs.__doc__ or "").params}
    assert list(documented) == [option.name for option in fields(SessionArgs)]
    assert all(documented.values())
    shown = " ".join(pydoc.plain(pydoc.render_doc(Session)).replace("|", " ").split())
    for name, meaning in documented.items():
        assert f"{name}: {' '.join((meaning or '').replace('|', ' ').split())}" in shown


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"simulater": "sandbox"}, "Session() has no option 'simulater'; did you mean 'simulator'?"),
        ({"max_step": 3}, "Session() has no option 'max_step'; did you mean 'max_steps'?"),
        ({"wholly_other": 1}, "Session() has no option 'wholly_other'; its options are agent, simulator, "),
    ],
)
def test_an_unknown_option_is_an_error_that_says_what_was_meant(given: dict[str, Any], said: str) -> None:
    with pytest.raises(TypeError) as raised:
        Session(**given)
    assert str(raised.value).startswith(said)


def test_options_are_given_by_name() -> None:
    by_position: Any = Session
    with pytest.raises(TypeError, match=r"Session\(\) takes its options by name"):
        by_position("openai:some-model")


def test_the_options_of_a_session_do_not_change() -> None:
    session = Session(max_steps=5)
    with pytest.raises(FrozenInstanceError):
        session._args.max_steps = 6  # type: ignore[misc]


def test_an_error_names_the_callers_own_class() -> None:
    class Mine(Session):
        pass

    with pytest.raises(TypeError, match=r"Mine\(\) has no option 'agnt'; did you mean 'agent'\?"):
        Mine(agnt="x")  # type: ignore[call-arg]


class Records(list[CallRecord]):
    """A call log that is empty, and so false, until a call is made."""

    def records(self) -> Iterator[CallRecord]:
        return iter(self)

    def flush(self) -> None: ...

    def close(self) -> None: ...


async def test_a_log_that_is_still_empty_is_used(tmp_path: Path) -> None:
    @guarded_tool
    def pay(amount: int) -> int:
        """Pay."""
        return amount

    log = Records()
    agent = ScriptedBackend([[call("pay", amount=3)], "Paid."])
    async with Session(
        agent=agent, tools=Toolset(pay), strategy=Direct(), journal=tmp_path / "journal.db", log=log
    ) as session:
        await session.run("Pay 3.")
    assert [record.call.tool for record in log] == ["pay"]


@pytest.mark.parametrize("how", ["option", "setting", "prompts"])
async def test_the_papers_style_is_chosen_in_three_places(
    how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if how == "setting":
        monkeypatch.setenv("ARTIS_STYLE", "paper")
    backend = ScriptedBackend(["Nothing to do.", "<Result>1</Result>", '{"recommendation": "Do nothing."}'])
    given: dict[str, Any] = {"option": {"style": "paper"}, "prompts": {"prompts": Prompts(style="paper")}}
    async with Session(
        agent=backend,
        tools=Toolset(),
        simulator=SandboxSimulator(),
        strategy=Sequential(1),
        journal=tmp_path / "journal.db",
        **given.get(how, {}),
    ) as session:
        plan = await session.rehearse("Nothing.")
    assert (plan.guidance, plan.follows) == ("Do nothing.", 0)
    assert "<Evaluation>" in backend.requests[1].messages[0].content


async def test_a_style_that_contradicts_the_prompts_is_refused(tmp_path: Path) -> None:
    session = Session(
        agent=ScriptedBackend([]),
        tools=Toolset(),
        simulator=SandboxSimulator(),
        prompts=Prompts(style="paper"),
        style="ours",
        journal=tmp_path / "journal.db",
    )
    with pytest.raises(ConfigurationError, match="contradicts"):
        async with session:
            pass
    with pytest.raises(ConfigurationError, match="style must be ours or paper"):
        Prompts(style="other")  # type: ignore[arg-type]


async def test_a_simulator_sees_the_real_calls_from_before_the_session(tmp_path: Path) -> None:
    @guarded_tool
    def pay(amount: int) -> int:
        """Pay."""
        return amount

    class Sees(Simulator):
        async def predict(self, call: ToolCall, state: State, history: History) -> Outcome:
            seen.append(history)
            return Outcome.success(3, Provenance.SIMULATED)

    async def agent(task: str, *, tools: Any, guidance: str | None) -> str:
        return str(pay(3))

    seen: list[History] = []
    before = (Step(call=ToolCall(tool="look"), outcome=Outcome.success(100, Provenance.REAL)),)
    async with Session(
        agent=agent, tools=[pay], simulator=Sees(), strategy=Parallel(1), journal=tmp_path / "journal.db",
        evaluate=False, summarize=False, history=before,
    ) as session:  # fmt: skip
        plan = await session.rehearse("Pay 3.")
    assert seen == [before]
    assert [step.call.tool for step in plan.attempts[0].steps] == ["pay"], "they are none of the attempt's"


async def test_a_session_goes_on_with_another_ones_conversation(tmp_path: Path) -> None:
    """As where the tools change between two turns."""

    @guarded_tool
    def pay(amount: int) -> int:
        """Pay."""
        return amount

    backend = ScriptedBackend(["Which amount?", "Paid."])
    common: dict[str, Any] = {"agent": backend, "strategy": Direct(), "journal": tmp_path / "journal.db"}
    async with Session(tools=[], **common) as first:
        await first.run("Pay.")
    async with Session(tools=[pay], conversation=first.conversation, **common) as second:
        await second.run("Three.")
    assert [message.content for message in backend.requests[-1].messages[1:]] == [
        "Pay.",
        "Which amount?",
        "Three.",
    ]
    assert [message.content for message in second.conversation][-1] == "Paid."
    assert len(second.conversation) == 4
