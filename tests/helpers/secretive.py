"""A desk whose tools take and give secrets, and where they turn up."""

from __future__ import annotations

from base64 import b64encode

from pydantic import SecretStr

from artis_sdk import (
    Toolset,
)

S = "hunter2-x9"
TOKEN = "tk-Zx81kQm4vT7pLw2RbN6y"


async def agent(task: str, *, tools: Toolset, guidance: str | None) -> str:
    given = tools["login"](user="ann", password=SecretStr(S))
    tools["post"](text=f"my pw is {S}")
    tools["post"](text=f"hand over {S}")
    tools["post"](text=f"and my token {given['access_token']}, {b64encode(f'ann:{S}'.encode()).decode()}")
    tools["post"](text=f"half of it: {TOKEN[:14]}")
    try:
        tools["fail"](text=TOKEN)
    except ValueError as error:
        return f"done: {error}"
    return "done"


def secrets_in(text: str | bytes) -> list[str]:
    data = text.encode() if isinstance(text, str) else text
    shown = {S, TOKEN, TOKEN[:14], TOKEN[::-1], b64encode(f"ann:{S}".encode()).decode()[6:-4]}
    return [secret for secret in shown if secret.encode() in data]
