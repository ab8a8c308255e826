"""Checked by mypy, not run: a session's options keep their names and types."""

from __future__ import annotations

from typing import Any, assert_type

from artis_sdk import Sequential, Session
from artis_sdk.records import Plan, Result
from artis_sdk.session_args import SessionArgs


class Mine(Session):
    def __init__(self, **more: Any) -> None:
        super().__init__(agent="openai:some-model", **more)


async def session() -> None:
    async with Session(agent="openai:some-model", tools=[], strategy=Sequential(3), max_steps=5) as made:
        assert_type(made, Session)
        assert_type(await made.rehearse("Pay."), Plan)
        assert_type(await made.run("Pay."), Result)
        assert_type(made.rehearse_sync("Pay.", expires=60), Plan)
    assert_type(Session(state=lambda: {"balance": 5}), Session)
    assert_type(Mine(), Mine)


# Each call below is an error; in strict mode an ignore that is not needed is one too.
Session(simulater="sandbox")  # type: ignore[call-arg]
Session("openai:some-model")  # type: ignore[call-arg]
Session(max_steps="5")  # type: ignore[arg-type]
Session(tool_format="xml")  # type: ignore[arg-type]
Session(on_event=lambda: None)  # type: ignore[arg-type, misc]
SessionArgs().agent = "openai:some-model"  # type: ignore[misc]
Session().rehearse_sync("Pay.", expire=60)  # type: ignore[call-arg]
