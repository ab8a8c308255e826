"""A pydantic-ai agent, rehearsed and committed without a network: a scripted model and a scripted simulator.

Run it with `python examples/pydantic_ai_offline.py`, after `pip install "artis-sdk[pydantic-ai]"`.
"""

import asyncio
from pathlib import Path
from tempfile import mkdtemp

from pydantic_ai import Agent, RunContext
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart, ToolReturnPart
from pydantic_ai.models.function import AgentInfo, FunctionModel

from artis_sdk import Outcome, Risk, Session
from artis_sdk.contracts import Simulator
from artis_sdk.integrations.pydantic_ai import rehearsed
from artis_sdk.records import History, Provenance, State, ToolCall


def model(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
    """Pays once, then says what came back."""
    returned = [part for part in messages[-1].parts if isinstance(part, ToolReturnPart)]
    if returned:
        return ModelResponse([TextPart(f"done: {returned[0].content}")])
    return ModelResponse([ToolCallPart("pay", {"target": "bob", "amount": 80})])


agent = Agent(FunctionModel(model), deps_type=dict[str, int])


@agent.tool
def pay(ctx: RunContext[dict[str, int]], target: str, amount: int) -> dict[str, int]:
    """Send money."""
    ctx.deps[target] = ctx.deps.get(target, 0) + amount
    return {"sent": amount}


class Sends(Simulator):
    """Every payment arrives."""

    async def predict(self, call: ToolCall, state: State, history: History) -> Outcome:
        return Outcome.success({"sent": call.arguments["amount"]}, Provenance.SIMULATED)


async def main() -> None:
    accounts: dict[str, int] = {}
    async with Session(
        agent=rehearsed(agent, risks={"pay": Risk.IRREVERSIBLE}, deps=accounts), simulator=Sends(),
        evaluate=False, summarize=False, journal=Path(mkdtemp()) / "journal.db",
    ) as session:  # fmt: skip
        plan = await session.rehearse("Send Bob 80 euros.")
        print("rehearsed:", len(plan.attempts), "attempts, accounts", accounts)
        result = await session.commit(plan)
        print("committed:", result.answer, "accounts", accounts)


asyncio.run(main())
