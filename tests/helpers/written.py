"""A module with a class of one method, as tests write them, and a call of it in a sandbox."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

from helpers.simulators import call, fork

from artis_sdk.simulators import SandboxSimulator
from artis_sdk.tools import Toolset

Modules = Callable[..., ModuleType]

OBJECT = """
class Shop:
    {define} do(self) -> str:
        {body}
        return "done"
"""


async def do(shop: ModuleType, *share: Any) -> Any:
    attempt = fork(SandboxSimulator(share=share), Toolset.from_object(shop.Shop()))
    return (await attempt.predict(call("do"), None, ())).value
