"""CrewAI, with native tool calls and with calls in the model's text."""

from __future__ import annotations

import json
from contextlib import AsyncExitStack
from typing import Any

from crewai import LLM, Agent
from crewai.tools import tool
from crewai.tools.agent_tools.agent_tools import AgentTools
from helpers.fault_server import Handler, Reply, Seen, answer
from helpers.framework_laws import RISKS, Case, Ledger, NoFunds, Way
from helpers.frameworks import Turn, model

from artis_sdk.integrations.crewai import rehearsed


class CrewAI(Case):
    distribution = "crewai"
    title = "CrewAI"
    module = "artis_sdk.integrations.crewai"
    failure = "an exception of the tool"
    ways = ("async tools", "sync tools", "streamed", "sub-agent")
    sub_agent_call = (("delegate_work_to_coworker", {"task": "pay", "context": "none", "coworker": "clerk"}),)

    def agent(self, url: str, ledger: Ledger, way: Way, stack: AsyncExitStack) -> Any:
        clerk = agent_of(url, tools_of(ledger, is_async=way != "sync tools"), stream=way == "streamed")
        if way == "sub-agent":
            clerk = agent_of(url, AgentTools(agents=[clerk]).tools(), "head")
        return rehearsed(clerk, risks=RISKS)

    def raised(self, message: str) -> Exception:
        return NoFunds(message)


def agent_of(
    url: str,
    tools: list[Any],
    role: str = "clerk",
    *,
    as_text: bool = False,
    stream: bool = False,
    **options: Any,
) -> Any:
    """An agent whose model calls tools natively or, as CrewAI has it with the o1 models, in its text."""
    name = "openai/o1-served" if as_text else "openai/served-model"
    llm = LLM(model=name, base_url=url, api_key="none", stream=stream)
    return Agent(role=role, goal="Pay.", backstory="Works.", llm=llm, tools=tools, **options)


def model_of(*turns: Turn, as_text: bool) -> Handler:
    """A scripted model that calls in its text, one tool a turn, or natively."""
    if not as_text:
        return model(*turns)

    def handle(seen: Seen) -> Reply:
        offered = texts_of(seen, "user")[0]
        mine = [turn for turn in turns if f"Tool Name: {turn[0][0]}\n" in offered]
        played = sum("Action Input:" in text for text in texts_of(seen, "assistant"))
        if played >= len(mine):
            return answer(seen, "Thought: I now know the final answer\nFinal Answer: done")
        ((name, given),) = mine[played]
        return answer(seen, f"Thought: go on\nAction: {name}\nAction Input: {json.dumps(given)}")

    return handle


def texts_of(seen: Seen, role: str) -> list[str]:
    return [message["content"] or "" for message in seen.json["messages"] if message["role"] == role]


def tools_of(ledger: Ledger, *, is_async: bool) -> list[Any]:
    if not is_async:

        @tool
        def pay(target: str, amount: int) -> dict[str, Any]:
            """Send money."""
            return ledger.pay(target, amount)

        @tool
        def balance(owner: str) -> int:
            """What an owner has."""
            return ledger.balance(owner)

        return [pay, balance]

    @tool("pay")
    async def pay_(target: str, amount: int) -> dict[str, Any]:
        """Send money."""
        return ledger.pay(target, amount)

    @tool("balance")
    async def balance_(owner: str) -> int:
        """What an owner has."""
        return ledger.balance(owner)

    return [pay_, balance_]
