"""Two agents meet the same lost answer: one pays twice, the other looks first. Nothing real runs.

Run it with `python examples/fault_injection.py`.
"""

import asyncio
from pathlib import Path
from tempfile import mkdtemp

from artis_sdk import Agent, Parallel, Risk, SandboxSimulator, Session, Toolset
from artis_sdk.simulators import Fault, Faulty, fault_report


class Till:
    """Anybody's class, unchanged."""

    def __init__(self) -> None:
        self.paid: list[str] = []

    def payments(self) -> list[str]:
        return list(self.paid)

    def pay(self, to: str) -> str:
        self.paid.append(to)
        return "paid"


async def careless(task: str, *, tools: Toolset, guidance: str | None) -> str:
    pay = tools["pay"]
    for _ in range(3):
        try:
            return str(pay("ann"))
        except ConnectionError:
            continue
    return "gave up"


async def careful(task: str, *, tools: Toolset, guidance: str | None) -> str:
    pay, payments = tools["pay"], tools["payments"]
    try:
        return str(pay("ann"))
    except ConnectionError:
        return "paid" if "ann" in payments() else str(pay("ann"))


async def report(agent: Agent) -> str:
    lost = Fault(kind="lost", tool="pay", nth=1)  # made, and its answer never arrives
    tools = Toolset.from_object(Till(), risks={"payments": Risk.READ_ONLY})
    async with Session(
        agent=agent, tools=tools, simulator=Faulty(SandboxSimulator(), [lost]), strategy=Parallel(1),
        evaluate=False, summarize=False, journal=Path(mkdtemp()) / "journal.db",
    ) as session:  # fmt: skip
        plan = await session.rehearse("Pay Ann ten euros.")
    (followed,) = fault_report(plan.attempts, plan.task.tools)
    return str(followed)


for agent in (careless, careful):
    print(f"{agent.__name__}: {asyncio.run(report(agent))}")
