"""A script that pays and is killed inside the payment the first time; run it as a program with a file."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

from artis_sdk import Direct, Session, guarded_tool
from artis_sdk.errors import CommitRefused

TRUTH = Path(sys.argv[1]) if sys.argv[1:] else Path()


@guarded_tool
def pay(to: str, amount: int) -> str:
    """Pay."""
    with TRUTH.open("a") as file:
        file.write("paid\n")
    os.kill(os.getpid(), signal.SIGKILL)
    return "paid"


async def agent(task: str, *, tools: Any, guidance: str | None) -> str:
    return pay("ann", 5)


async def main() -> None:
    async with Session(agent=agent, tools=[pay], strategy=Direct()) as session:
        plan = await session.rehearse("Pay ann.")
        print(plan.notes)
        try:
            await session.commit(plan)
        except CommitRefused:
            sys.exit(3)


if __name__ == "__main__":
    asyncio.run(main())
