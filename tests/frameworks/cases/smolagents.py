"""smolagents, whose tools are sync."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Any

from helpers.fault_server import Handler, Reply, Seen, answer
from helpers.fault_server import streamed as streamed_reply
from helpers.framework_laws import RISKS, Case, Ledger, NoFunds, Way
from helpers.frameworks import Turn
from smolagents import OpenAIServerModel, ToolCallingAgent, tool

from artis_sdk.integrations.smolagents import rehearsed


class Smolagents(Case):
    distribution = "smolagents"
    title = "smolagents"
    module = "artis_sdk.integrations.smolagents"
    failure = "`AgentToolExecutionError`"
    ways = ("sync tools", "streamed", "sub-agent")
    sub_agent_call = (("clerk", {"task": "pay"}),)

    def agent(self, url: str, ledger: Ledger, way: Way, stack: AsyncExitStack) -> Any:
        model = OpenAIServerModel("served-model", api_base=url, api_key="none")
        stack.callback(model.client.close)

        @tool
        def pay(target: str, amount: int) -> dict[str, Any]:
            """Send money.

            Args:
                target: who gets it.
                amount: whole euros.
            """
            return ledger.pay(target, amount)

        @tool
        def balance(owner: str) -> int:
            """What an owner has.

            Args:
                owner: whose account.
            """
            return ledger.balance(owner)

        options: dict[str, Any] = {"verbosity_level": 0, "max_steps": 6}
        clerk = ToolCallingAgent([pay, balance], model, name="clerk", description="Pays.", **options)
        if way == "sub-agent":
            clerk = ToolCallingAgent([], model, managed_agents=[clerk], **options)
        return rehearsed(clerk, risks=RISKS, run=streamed if way == "streamed" else None)

    def model(self, *turns: Turn) -> Handler:
        """smolagents shows the model its calls and their results as texts, and ends by `final_answer`."""

        def handle(seen: Seen) -> Reply:
            reply = say(seen)
            return streamed_reply(reply) if seen.json.get("stream") else reply

        def say(seen: Seen) -> Reply:
            offered = {tool["function"]["name"] for tool in seen.json.get("tools", ())}
            mine = [turn for turn in turns if {name for name, _ in turn} <= offered]
            played = sum("Calling tools:" in text for text in texts_of(seen, "assistant"))
            failed = sum("Error:\n" in text for text in texts_of(seen, "user"))
            played = max(played, failed)
            calls: Turn = mine[played] if played < len(mine) else [("final_answer", {"answer": "done"})]
            return answer(
                seen, None, [(f"call_{played}_{n}", name, given) for n, (name, given) in enumerate(calls)]
            )

        return handle

    def results(self, request: Seen) -> list[str]:
        found = [text for role in ("user", "tool") for text in texts_of(request, role)]
        marks = ("Observation", "Error:\n")  # what stands in front is the task, merged with it
        return [text[text.index(mark) :] for text in found for mark in marks if mark in text]

    def raised(self, message: str) -> Exception:
        return NoFunds(message)


def streamed(agent: Any, text: str) -> Any:
    *_, last = agent.run(text, stream=True)
    return last.output


def texts_of(seen: Seen, role: str) -> list[str]:
    found: list[str] = []
    for message in seen.json["messages"]:
        if message["role"] == role:
            content = message["content"]
            found += (
                [content] if isinstance(content, str) else [part.get("text", "") for part in content or ()]
            )
    return found
