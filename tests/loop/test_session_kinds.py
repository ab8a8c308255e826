"""What is of another kind than a session takes is refused before anything runs, with what it takes."""

from __future__ import annotations

import functools
import inspect
from pathlib import Path
from typing import Any

import pytest
from helpers.sessions import unjudged

from artis_sdk import Direct, Plan, SandboxSimulator, Sequential, Session, Toolset, guarded_tool
from artis_sdk.backends.scripted import ScriptedBackend
from artis_sdk.commit.journal import SQLiteJournal
from artis_sdk.errors import ConfigurationError
from artis_sdk.logs import Redactor
from artis_sdk.loop.limits import Limits

CALLED: list[str] = []


@guarded_tool
def send(text: str) -> str:
    """Send."""
    CALLED.append(text)
    return "sent"


async def agent(task: str, *, tools: Any, guidance: str | None) -> str:
    CALLED.append(task)
    return "done"


def session(tmp_path: Path, **given: Any) -> Session:
    options = {"agent": agent, "tools": Toolset(send), "journal": tmp_path / "j.db", "strategy": Direct()}
    return unjudged(**{**options, **given})


async def listens(event: object) -> None:
    CALLED.append("listened")


async def generates(event: object) -> Any:
    yield event


class Listener:
    async def __call__(self, event: object) -> None:
        CALLED.append("listened")


CLASS = "is a class: pass an object of it, "
NEVER = "called and not awaited, so that an async function would never run: "


@pytest.mark.parametrize(
    ("option", "given", "said"),
    [
        ("strategy", "sequential", r"such as Sequential\(5\).* ARTIS_STRATEGY=sequential or --strategy"),
        ("strategy", "sequental", r"such as Sequential\(5\), .*, not 'sequental'$"),
        ("strategy", Sequential, rf"strategy=Sequential {CLASS}strategy=Sequential\(\.\.\.\)"),
        ("strategy", object(), "such as .*, not object"),
        ("simulator", SandboxSimulator, rf"simulator=SandboxSimulator {CLASS}"),
        ("agent", Listener, rf"agent=Listener {CLASS}"),
        ("approve", Listener, rf"approve=Listener {CLASS}"),
        ("journal", SQLiteJournal, rf"journal=SQLiteJournal {CLASS}"),
        ("limits", {"tokens": 9}, r"a Limits, such as Limits\(tokens=200_000\), not a dict of int"),
        ("limits", Limits, "not the class Limits"),
        ("prices", {"openai:m": 3}, "a backend's name to its Price, not a dict of int"),
        ("sampling", 3, "a role to its Sampling, not 3"),
        ("trust", 3, "a Trust, or the path"),
        ("tools", "shop", "a Toolset, functions or a module"),
        ("history", ["secret"], "a tuple of Step, not a list of str$"),
        ("history", None, "a tuple of Step, not NoneType"),
        ("conversation", [{"role": "user"}], "a tuple of Message, .*, not a list of dict"),
        ("conversation", "secret", "not str$"),
        ("state", lambda account: {}, "a function without arguments that returns one, not function$"),
        ("log", 3, "a path, a URL or a LogStore, not 3"),
        ("approve", "ann", r"async def approve\(request\) -> answer, not str"),
        ("approve_timeout", "20", "seconds above 0, not str"),
        ("approve_timeout", -1, "seconds above 0, not -1"),
        ("evaluator", object(), "a backend, its name, or an Evaluator"),
        ("summarizer", 3, "a backend, its name, or a Summarizer"),
        ("prompts", 3, "a mapping of templates"),
        ("evaluate", "no", "True or False, not 'no'"),
        ("summarize", "no", "True or False, not 'no'"),
        ("max_steps", 0, "a whole number above 0, not 0"),
        ("max_steps", True, "a whole number above 0, not True"),
        ("max_steps", 1.5, "a whole number above 0, not 1.5"),
        ("seed", "7", "a whole number, not str"),
        ("redact", "secret", "a Redactor, not str"),
        ("redact", Redactor, "a Redactor, not the class Redactor"),
        ("traces", True, "a Traces; the setting traces takes off, on or content, not True"),
        ("on_doubt", "halt", "one of skip, stop, not 'halt'"),
        ("on_unknown", "make", "one of refuse, ask, note, not 'make'"),
        ("on_unforeseen", 3, "a mapping from risk"),
        ("on_divergence", 3, "a mapping from risk"),
        ("tool_format", "json", "one of auto, native, text, not 'json'"),
        ("on_event", 3, "a function of one event"),
        ("on_event", listens, rf"on_event is {NEVER}read `async for event in session\.events\(\)`"),
        ("on_event", functools.partial(functools.partial(listens)), NEVER),
        ("on_event", Listener(), NEVER),
        ("on_event", functools.partial(Listener()), NEVER),
        ("on_event", Listener().__call__, NEVER),
        ("on_event", generates, NEVER),
        ("on_text", listens, rf"on_text is {NEVER}pass on_text=queue\.put_nowait"),
    ],
)
def test_an_option_of_another_kind_is_refused(option: str, given: Any, said: str, tmp_path: Path) -> None:
    CALLED.clear()
    with pytest.raises(ConfigurationError, match=said) as raised:
        session(tmp_path, **{option: given})
    assert str(raised.value).startswith(option)
    assert "secret" not in str(raised.value)
    assert CALLED == []


@pytest.mark.parametrize(
    ("option", "said"), [("on_event", "read `async for event"), ("on_text", "pass on_text=queue")]
)
async def test_a_listener_that_returns_a_coroutine_is_told(option: str, said: str, tmp_path: Path) -> None:
    """`lambda event: socket.send(event)` is no async function, and its messages would never be sent."""
    CALLED.clear()
    model = ScriptedBackend(lambda request: "I will send it.")
    more = {"agent": model, "strategy": Sequential(1), "simulator": SandboxSimulator()}
    async with session(tmp_path, **{**more, option: lambda given: listens(given)}) as opened:
        with pytest.raises(ConfigurationError, match=rf"{option} is {NEVER}{said}"):
            await opened.run("Send.")
    assert CALLED == []


def test_lists_of_messages_and_steps_are_taken(tmp_path: Path) -> None:
    turned = session(tmp_path)
    turned.run_sync("Send.")
    again = session(tmp_path, conversation=list(turned.conversation), history=[])
    again.run_sync("Once more.")
    assert [one.content for one in again.conversation if one.role == "user"] == ["Send.", "Once more."]


@pytest.mark.parametrize("task", [{"task": "Send."}, b"Send.", None, 3])
def test_a_task_is_text(task: Any, tmp_path: Path) -> None:
    CALLED.clear()
    for method in (session(tmp_path).run_sync, session(tmp_path).rehearse_sync):
        with pytest.raises(ConfigurationError, match=f"must be a str, not {type(task).__name__}"):
            method(task)
    assert CALLED == []


@pytest.mark.parametrize("plan", ["plan.json", Path("plan.json"), "{}", {"id": "x"}, None, Plan])
async def test_a_plan_is_no_file_and_no_text(plan: Any, tmp_path: Path) -> None:
    CALLED.clear()
    said = r"must be a Plan, not .*Plan\.model_validate_json\(.*artis run --plan FILE"
    async with session(tmp_path) as opened:
        for work in (lambda: opened.commit(plan), lambda: opened.edit(plan, None)):  # type: ignore[arg-type]
            with pytest.raises(ConfigurationError, match=said):
                await work()
        with pytest.raises(ConfigurationError, match=said):
            opened.saved(plan)
    assert CALLED == []


async def test_other_arguments_of_another_kind_are_refused(tmp_path: Path) -> None:
    async with session(tmp_path) as opened:
        plan = await opened.rehearse("Send.")
        refused: list[tuple[str, Any]] = [
            ("an EditPlan, not dict", lambda: opened.edit(plan, {"by": "ann"})),  # type: ignore[arg-type]
            ("a number of seconds or a datetime, not str", lambda: opened.rehearse("Send.", expires="12h")),  # type: ignore[arg-type]
            (r"several: pass \[TASK\]", lambda: anext(opened.rehearse_many("Send."))),
        ]
        for said, work in refused:
            with pytest.raises(ConfigurationError, match=said):
                await work()


@pytest.mark.parametrize("name", [name for name in vars(Session) if name.endswith("_sync")])
def test_the_twin_of_a_method_takes_what_it_takes(name: str) -> None:
    twin, method = getattr(Session, name), getattr(Session, name.removesuffix("_sync"))
    assert inspect.signature(twin) == inspect.signature(method)
    assert not inspect.iscoroutinefunction(twin)
    assert (twin.__name__, twin.__qualname__) == (name, f"Session.{name}")
    assert "from code that is not async" in twin.__doc__


def test_the_twins_hand_on_what_they_are_given(tmp_path: Path) -> None:
    plan = session(tmp_path).rehearse_sync("Send.", expires=3600, keep_changes=True)
    assert plan.expires is not None
    result = session(tmp_path).commit_sync(plan, resume=False, secrets={})
    with pytest.raises(ConfigurationError, match="mode must be one of"):
        session(tmp_path).commit_sync(plan, mode="never")  # type: ignore[arg-type]
    assert result.answer == "done"


def test_a_twin_calls_the_method_of_a_subclass(tmp_path: Path) -> None:
    class Loud(Session):
        async def rehearse(self, task: str, **given: Any) -> Plan:
            return await super().rehearse(task.upper(), **given)

    quiet = session(tmp_path)
    loud = Loud(agent=agent, tools=Toolset(send), strategy=Direct(), journal=tmp_path / "j.db")
    assert loud.rehearse_sync("send.").task.query == "SEND."
    assert quiet.rehearse_sync("send.").task.query == "send."
