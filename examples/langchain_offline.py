"""A LangChain agent, rehearsed and committed without a network: a scripted model and a scripted simulator.

Run it with `python examples/langchain_offline.py`, after `pip install "artis-sdk[langchain]"`.
"""

import asyncio
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from langchain.agents import create_agent
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.tools import tool

from artis_sdk import Outcome, Provenance, Risk, Session
from artis_sdk.contracts import Simulator
from artis_sdk.integrations.langchain import rehearsed
from artis_sdk.records import History, State, ToolCall

sent: list[str] = []


@tool
def send_letter(to: str) -> str:
    """Send a letter."""
    sent.append(to)
    return f"letter to {to}"


class Scripted(BaseChatModel):
    """Sends one letter, then says what came back. Put `init_chat_model("openai:gpt-5-mini")` in its place."""

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def bind_tools(self, tools: Any, **kwargs: Any) -> "Scripted":
        return self

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        if isinstance(messages[-1], ToolMessage):
            said = AIMessage(f"sent: {messages[-1].content}")
        else:
            call = {"name": "send_letter", "args": {"to": "bob"}, "id": "c1"}
            said = AIMessage("", tool_calls=[call])
        return ChatResult(generations=[ChatGeneration(message=said)])


class Arrives(Simulator):
    """Every letter arrives."""

    async def predict(self, call: ToolCall, state: State, history: History) -> Outcome:
        return Outcome.success(f"letter to {call.arguments['to']}", Provenance.SIMULATED)


async def main() -> None:
    agent = create_agent(Scripted(), [send_letter])
    async with Session(
        agent=rehearsed(agent, risks={"send_letter": Risk.IRREVERSIBLE}), simulator=Arrives(),
        evaluate=False, summarize=False, journal=Path(mkdtemp()) / "journal.db",
    ) as session:  # fmt: skip
        plan = await session.rehearse("Write to Bob.")
        print("rehearsed:", *plan.foreseen, "sent so far:", sent)
        result = await session.commit(plan)
        print("committed:", result.answer, "sent so far:", sent)


asyncio.run(main())
