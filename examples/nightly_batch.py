"""A nightly batch: each task is rehearsed; what all attempts agree on is committed, the rest is for a person.

Started again after a crash, it goes on: a plan is committed once, whoever asks. Run it with
`python examples/nightly_batch.py FOLDER`.
"""

import asyncio
import sys
from pathlib import Path

from artis_sdk import CommitRefused, Parallel, Plan, Risk, SandboxSimulator, Session, Toolset, guarded_tool


class Invoices:
    def __init__(self) -> None:
        self.open = {"A1": 120, "A2": 80_000, "A3": 45}
        self.paid: list[str] = []

    @guarded_tool(risk=Risk.IRREVERSIBLE, failures=PermissionError)
    def pay(self, invoice: str) -> str:
        """Pay an open invoice."""
        if self.open[invoice] > 10_000:
            raise PermissionError(f"{invoice} needs a second signature")
        self.paid.append(invoice)
        return f"paid {self.open.pop(invoice)}"


async def agent(task: str, *, tools: Toolset, guidance: str | None) -> str:
    pay = tools["pay"]
    return str(pay(task.removeprefix("Pay invoice ").rstrip(".")))


def is_safe(plan: Plan) -> bool:
    """Whether every attempt made the same calls, and all of them succeeded."""
    return bool(plan.foreseen) and all(
        call.predicted is not None and call.predicted.ok and call.attempts == len(plan.attempts)
        for call in plan.foreseen
    )


async def main(folder: Path) -> None:
    invoices = Invoices()
    async with Session(
        agent=agent, tools=Toolset.from_object(invoices), simulator=SandboxSimulator(),
        strategy=Parallel(3), evaluate=False, summarize=False, journal=folder / "journal.db",
        log=folder / "calls.db",
    ) as session:  # fmt: skip
        for call in await session.recover():  # of a night that ended early
            print("left over:", call.tool, call.state.value)
        for invoice in list(invoices.open):
            saved = folder / f"{invoice}.json"
            if saved.exists():
                plan = Plan.model_validate_json(saved.read_text())
            else:
                plan = await session.rehearse(f"Pay invoice {invoice}.")
                saved.write_text(session.saved(plan).model_dump_json())
            if not is_safe(plan):
                print(f"{invoice}: for a person; artis plan show {saved.name}")
                continue
            try:
                result = await session.commit(plan)
                print(f"{invoice}: {result.answer}")
            except CommitRefused:
                print(f"{invoice}: was committed already")


night = Path(sys.argv[1])
night.mkdir(exist_ok=True)
asyncio.run(main(night))
