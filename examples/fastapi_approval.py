"""A web service whose agent acts only after a person approved: rehearse, look, approve, commit.

Run it with `uvicorn examples.fastapi_approval:app`, after `pip install fastapi uvicorn`:

    curl -X POST localhost:8000/plans -d 'task=Send Bob 80 euros.'
    curl localhost:8000/plans/ID                 (a page for the browser, with all attempts)
    curl -X POST localhost:8000/plans/ID/commit -d 'by=ann'
"""

from pathlib import Path
from tempfile import mkdtemp
from typing import Annotated, Any

from fastapi import FastAPI, Form, HTTPException
from fastapi.responses import HTMLResponse

from artis_sdk import (
    Approve,
    CommitRefused,
    Parallel,
    Plan,
    PlanRequest,
    Reject,
    SandboxSimulator,
    Session,
    Toolset,
    guarded_tool,
)


class Bank:
    def __init__(self) -> None:
        self.balances = {"ann": 100, "bob": 0}

    @guarded_tool(failures=ValueError)
    def pay(self, source: str, target: str, amount: int) -> dict[str, int]:
        """Send money."""
        if self.balances[source] < amount:
            raise ValueError(f"{source} has only {self.balances[source]}")
        self.balances[source] -= amount
        self.balances[target] += amount
        return {"sent": amount}


async def agent(task: str, *, tools: Toolset, guidance: str | None) -> str:
    """In your service a model reads the task."""
    pay = tools["pay"]
    return str(pay("ann", "bob", 80))


bank = Bank()
plans: dict[str, Plan] = {}
pages: dict[str, str] = {}
"""Page of a plan by its id, without the secrets that its session knew."""
approved: dict[str, str] = {}
"""Who approved a plan, by its id."""


async def approve(request: Any) -> Approve | Reject:
    """What the person approved is committed; whatever the plan does not foresee is not."""
    if isinstance(request, PlanRequest) and request.plan.id in approved:
        return Approve(by=approved[request.plan.id])
    return Reject(reason="nobody approved this", by="the service")


journal = Path(mkdtemp()) / "journal.db"
"""In your service a lasting path: a plan is committed once, by whichever session."""


def session() -> Session:
    """A session of one request: one that stays open would show each user the turns of the others."""
    return Session(
        agent=agent, tools=Toolset.from_object(bank), simulator=SandboxSimulator(),
        strategy=Parallel(3), evaluate=False, summarize=False, approve=approve, journal=journal,
    )  # fmt: skip


app = FastAPI()


@app.post("/plans")
async def rehearse(task: Annotated[str, Form()]) -> dict[str, Any]:
    """Attempt a task in simulation."""
    async with session() as opened:
        plan = await opened.rehearse(task)
        pages[plan.id] = str(opened.shown(plan).to_html())
    plans[plan.id] = plan
    return {"id": plan.id, "calls": [str(call) for call in plan.foreseen], "notes": plan.notes}


@app.get("/plans/{plan_id}", response_class=HTMLResponse)
async def show(plan_id: str) -> str:
    """The plan as a page."""
    return pages[_plan(plan_id).id]


@app.post("/plans/{plan_id}/commit")
async def commit(plan_id: str, by: Annotated[str, Form()]) -> dict[str, Any]:
    """A person approves: the plan is committed, once."""
    approved[plan_id] = by
    try:
        async with session() as opened:
            result = await opened.commit(_plan(plan_id), mode="bound")
    except CommitRefused as error:
        raise HTTPException(409, str(error)) from error
    return {"answer": result.answer, "calls": [str(call) for call in result.calls]}


def _plan(plan_id: str) -> Plan:
    if plan_id not in plans:
        raise HTTPException(404, f"no plan {plan_id}")
    return plans[plan_id]
