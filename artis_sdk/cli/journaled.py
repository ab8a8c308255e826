"""A journaled call as commands show it: without secrets, in lines that can be copied, or as JSON with its
id."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from rich.text import Text

from artis_sdk.commit.journal import JournaledCall
from artis_sdk.logs import Redactor
from artis_sdk.logs.session_secrets import SessionSecrets
from artis_sdk.records import ToolCall
from artis_sdk.records.brief import call_text
from artis_sdk.view.text import plain


def call_lines(call: JournaledCall, state: str) -> Text:
    """The call, its state, when it was begun, and its id, whole in one line of 80 columns."""
    made = ToolCall(tool=call.tool, arguments=call.arguments)
    begun = datetime.fromtimestamp(call.begun).isoformat(" ", "seconds")
    return plain((call_text(made), "bold"), f"\n  {state}\n  begun {begun}, id {call.id}", lines=True)


def call_json(call: JournaledCall) -> dict[str, Any]:
    """The call's fields, after the id by which `artis recover --settle` takes it."""
    return {"id": call.id, **call.model_dump(mode="json")}


def without_secrets(calls: Iterable[JournaledCall]) -> list[JournaledCall]:
    """The calls without secrets, also those that only a later one of them names."""
    secrets = SessionSecrets(Redactor())
    learned = [secrets.shown(call) for call in calls]
    return [secrets.shown(call) for call in learned]
