"""Secrets and the simulator's model: it is shown placeholders, from the moment that a secret is known."""

from __future__ import annotations

import json
import re
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from helpers.secretive import TOKEN, S, secrets_in
from helpers.sessions import unjudged
from pydantic import SecretStr

from artis_sdk import (
    Direct,
    LLMSimulator,
    SandboxSimulator,
    Sequential,
    Toolset,
)
from artis_sdk.backends import ScriptedBackend
from artis_sdk.commit.journal.sqlite import SQLiteJournal
from artis_sdk.records import Request
from artis_sdk.records.events import Event


def simulated(request: Request) -> Any:
    """A simulator that can tell equal from unequal, and that returns what it was shown."""
    text = "\n".join(str(message.content) for message in request.messages)
    PROMPTS.append(text)
    *_, action = re.findall(r'"password": ?"(\[redacted:\w+\])"', text)
    right = text.count(action) > 1
    shown = {"access_token": action, "right": right, "note": f"for {action}"}
    return f"<Output>{json.dumps([shown])}</Output>"


PROMPTS: list[str] = []


async def test_the_simulators_model_sees_placeholders_and_can_tell_equal_from_unequal(tmp_path: Path) -> None:
    PROMPTS.clear()
    seen: list[Any] = []

    class Door:
        def __init__(self) -> None:
            self.api_key = TOKEN
            self.users = {"ann": {"password": S}}

        def enter(self, user: str, password: str) -> dict[str, Any]:
            raise AssertionError

    async def tries(task: str, *, tools: Toolset, guidance: str | None) -> str:
        seen.extend(tools["enter"](user="ann", password=password) for password in (S, "wrong-pw-1", S))
        return "done"

    async with unjudged(
        tries,
        Toolset.from_object(Door()),
        tmp_path / "j.db",
        simulator=LLMSimulator(ScriptedBackend(simulated), structured=False),
        strategy=Sequential(1),
    ) as used:
        plan = await used.rehearse("enter")
        assert secrets_in("".join(PROMPTS)) == []
        assert "wrong-pw-1" not in "".join(PROMPTS)
        assert [answer["right"] for answer in seen] == [True, False, True]
        # What comes back is what the agent gave, so that it can go on with it.
        assert [answer["access_token"] for answer in seen] == [S, "wrong-pw-1", S]
        assert seen[0]["note"] == f"for {S}"
        assert plan.attempts[0].steps[0].call.arguments["password"] == S
        assert secrets_in(used.saved(plan).model_dump_json()) == []


class Vault:
    """Tools whose secrets are known by their type alone; elsewhere the same texts stand in clear."""

    def __init__(self) -> None:
        self.motto = f"we say {S} here"
        self._held = SecretStr("plugh-of-old")
        self.note = "once it was plugh-of-old"

    def open(self, word: SecretStr, hint: str) -> dict[str, Any]:
        return {"said": f"{hint} opens", "next": SecretStr("xyzzy-two"), "in_clear": "xyzzy-two"}

    def tell(self, text: str) -> str:
        return text

    def context(self, text: str, held: SecretStr) -> str:
        return f"{text} by {held}"


@pytest.mark.parametrize("simulated", [False, True])
async def test_a_secret_str_is_known_as_soon_as_a_rehearsal_uses_it(tmp_path: Path, simulated: bool) -> None:
    """In the state, in other arguments, in what a tool returns, in events, and to the simulator's model."""
    asked: list[str] = []

    def predict(request: Request) -> str:
        asked.append("".join(message.content for message in request.messages))
        return '{"success": true, "value": {}}'

    async def agent(task: str, *, tools: Toolset, guidance: str | None) -> str:
        given: Any = tools["open"](word=SecretStr(S), hint=f"it is {S}")
        tools["tell"](text=f"{S} and xyzzy-two")
        return f"{given}"

    events: list[Event] = []
    simulator = LLMSimulator(ScriptedBackend(predict), structured=False) if simulated else SandboxSimulator()
    async with unjudged(
        agent,
        Toolset.from_object(Vault(), inject={"held": SecretStr("inject-me-3")}),
        tmp_path / "journal.db",
        simulator=simulator,
        strategy=Sequential(1),
        on_event=events.append,
    ) as used:
        plan = await used.rehearse("open it, not with inject-me-3")
        shown = used.shown(plan).model_dump_json()
        saved = used.saved(plan).model_dump_json()
    secrets = [S, "plugh-of-old", "inject-me-3", *([] if simulated else ["xyzzy-two"])]
    seen = {"shown": shown, "saved": saved, "asked": "".join(asked)}
    seen["events"] = "".join(event.model_dump_json() for event in events[1:])
    assert {name: [s for s in secrets if s in text] for name, text in seen.items()} == {
        name: [] for name in seen
    }
    assert "[redacted:" in shown
    assert bool(asked) is simulated


async def test_what_becomes_known_during_a_commit_is_hidden_from_then_on(tmp_path: Path) -> None:
    """The row before stays as it was written; nothing that is shown or saved has the value."""

    class Shop:
        def post(self, text: str) -> str:
            return "ok"

        def enter(self) -> dict[str, str]:
            return {"access_token": TOKEN}

    async def agent(task: str, *, tools: Toolset, guidance: str | None) -> str:
        for _ in range(2):
            tools["post"](text=f"take {TOKEN}")
            tools["enter"]()
        return f"with {TOKEN}"

    events: list[Event] = []
    journal = tmp_path / "journal.db"
    async with unjudged(
        agent, Toolset.from_object(Shop()), journal, strategy=Direct(), on_event=events.append
    ) as used:
        result = await used.run("go")
        shown = used.shown(result).model_dump_json()
        late = [event.model_dump_json() for event in events[-2:]]
    with closing(SQLiteJournal(journal)) as opened:
        rows = [call.model_dump_json() for call in opened.calls()]
    assert [TOKEN in row for row in rows] == [True, False, False, False]
    assert TOKEN not in shown + "".join(late)
