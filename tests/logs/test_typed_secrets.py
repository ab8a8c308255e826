"""Secrets that only a Python type tells, in the call log of a session: no log may hold them in clear."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, SecretStr

from artis_sdk import Direct, Session, Toolset
from artis_sdk.logs import CallLog
from artis_sdk.logs.capture import capture
from artis_sdk.records import CallRecord


class Credentials(BaseModel):
    user: str
    token: SecretStr


class Service:
    def __init__(self) -> None:
        self.key = SecretStr("Qowner99secret7")

    def use(self, n: int) -> str:
        return "the key was " + self.key.get_secret_value()

    def login(self, token: SecretStr) -> str:
        return "got " + token.get_secret_value()

    def deep(self, held: Credentials) -> dict[str, Any]:
        return {"said": [f"as {held.token.get_secret_value()}"]}

    def made(self) -> Credentials:
        return Credentials(user="ann", token=SecretStr("Qmade99secret7"))

    def repeat(self, text: str) -> str:
        return text


async def agent(task: str, *, tools: Toolset, guidance: str | None) -> str:
    tools["use"](1)
    tools["login"](SecretStr("Qarg99secret7"))
    tools["deep"](Credentials(user="ann", token=SecretStr("Qdeep99secret7")))
    token = tools["made"]().token.get_secret_value()
    return str(tools["repeat"](token))


class OwnLog:
    """A log of the application's own."""

    def __init__(self) -> None:
        self.kept: list[CallRecord] = []

    def append(self, record: CallRecord) -> None:
        self.kept.append(record)

    def records(self) -> Iterator[CallRecord]:
        return iter(self.kept)

    def flush(self) -> None: ...

    def close(self) -> None: ...


async def committed(folder: Path, log: Any) -> None:
    async with Session(
        agent=agent, tools=Toolset.from_object(Service()), strategy=Direct(), journal=folder / "j.db", log=log
    ) as session:
        result = await session.run("x")
    assert result.answer == "Qmade99secret7"
    assert len(result.calls) == 5


def texts(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.iterdir())


@pytest.mark.parametrize("which", ["path", "own", "capture"])
async def test_no_log_of_a_session_holds_a_typed_secret(which: str, tmp_path: Path) -> None:
    own = OwnLog()
    if which == "capture":
        with capture(tmp_path / "c.db"):
            await committed(tmp_path, None)
    else:
        await committed(tmp_path, tmp_path / "c.db" if which == "path" else own)
    if which == "own":
        rows = own.kept
    else:
        log = CallLog(tmp_path / "c.db")
        rows = list(log.records())
        log.close()
    assert [row.call.tool for row in rows] == ["use", "login", "deep", "made", "repeat"]
    for text in ("".join(row.model_dump_json() for row in rows).encode(), texts(tmp_path)):
        for secret in (b"Qowner99", b"Qarg99", b"Qdeep99", b"Qmade99"):
            assert secret not in text
    assert str(rows[1].outcome.value).startswith("got [redacted:")


async def test_the_event_of_a_call_that_is_given_a_returned_secret_hides_it(tmp_path: Path) -> None:
    told: list[str] = []

    async def spend(task: str, *, tools: Toolset, guidance: str | None) -> str:
        token = tools["made"]().token.get_secret_value()
        return str(tools["count"](token))

    class Shop(Service):
        def count(self, code: str) -> int:
            return len(code)

    async with Session(
        agent=spend,
        tools=Toolset.from_object(Shop()),
        strategy=Direct(),
        evaluate=False,
        journal=tmp_path / "journal.db",
        on_event=lambda event: told.append(event.model_dump_json()),
    ) as session:
        await session.run("Count it.")
    assert len([event for event in told if "call_committed" in event]) == 2
    assert not [event for event in told if "Qmade99secret7" in event]
