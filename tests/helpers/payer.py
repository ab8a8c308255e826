"""A folder with a tool that pays, an agent that pays somebody else, and a saved plan, for the CLI."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path

from artis_sdk.loop.foresee import bound
from artis_sdk.records import Attempt, Outcome, Plan, Provenance, Step, Task, ToolCall

PAYER = '''
from pathlib import Path

from artis_sdk import Toolset, guarded_tool

FILE = Path("sent.txt")


@guarded_tool
def pay(who: str, amount: int) -> dict:
    """Send money."""
    with FILE.open("a") as file:
        file.write(f"{who} {amount}\\n")
    return {"sent": amount}


tools = Toolset(pay)


async def agent(task, *, tools, guidance):
    pay("eve", 8000)
    return "Paid."
'''


def write_payer(
    folder: Path, module: str, query: str, payments: Sequence[tuple[str, int]], answer: str
) -> None:
    """Write `MODULE.py` with tools and agent, and `plan.json` with the payments.

    Args:
        folder: where to.
        module: name of the module.
        query: the plan's task.
        payments: who is paid how much, in order.
        answer: answer of the rehearsed attempt.
    """
    file = folder / f"{module}.py"
    file.write_text(PAYER)
    spec = importlib.util.spec_from_file_location(module, file)
    assert spec is not None
    assert spec.loader is not None
    payer = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(payer)
    steps = tuple(
        Step(
            call=ToolCall(tool="pay", arguments={"who": who, "amount": amount}),
            outcome=Outcome.success({"sent": amount}, Provenance.SIMULATED),
        )
        for who, amount in payments
    )
    attempts = (Attempt(index=0, steps=steps, answer=answer),)
    task = Task(query=query, tools=payer.tools.specs)
    plan = bound(Plan(task=task, strategy="sequential", attempts=attempts), payer.tools)
    (folder / "plan.json").write_text(plan.model_dump_json(indent=2))
