"""Blocks of the pages that show a part of a program run, with what they take for granted put before them."""

from __future__ import annotations

import inspect
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from helpers.page_blocks import blocks, run

from artis_sdk import LLMSimulator, Outcome, Parallel, Provenance, Session, Toolset, guarded_tool
from artis_sdk.backends import ScriptedBackend
from artis_sdk.backends.vllm import VLLMBackend
from artis_sdk.contracts import Simulator
from artis_sdk.prompts import Prompts
from artis_sdk.records import History, State, ToolCall
from artis_sdk.simulators.form import PromptForm
from artis_sdk.simulators.trained import Trained

MODEL = '"openai:gpt-5-mini"'


class Sends(Simulator):
    """Every call is done."""

    async def predict(self, call: ToolCall, state: State, history: History) -> Outcome:
        return Outcome.success("done", Provenance.SIMULATED)


@guarded_tool
def book(guest: str, seats: int = 1) -> str:
    """Book seats."""
    return "done"


async def booking(task: str, *, tools: Any, guidance: str | None) -> str:
    return ", ".join(book(guest) for guest in ("ann", "bob", "eve"))


@pytest.fixture
def options(tmp_path: Path) -> dict[str, Any]:
    """Arguments of a session that needs nothing else."""
    unjudged = {"evaluate": False, "summarize": False}
    return {
        "agent": booking, "tools": [book], "strategy": Parallel(1), "journal": tmp_path / "j.db", **unjudged
    }  # fmt: skip


async def test_approval(options: dict[str, Any]) -> None:
    async def ask_ann(plan: Any) -> bool:
        return True

    approving, editing = blocks("approval.md")
    model = ScriptedBackend([[ToolCall(tool="book", arguments={"guest": "ann"})], "Booked."] * 2)
    session = Session
    code = approving.replace("simulator=SandboxSimulator()", "simulator=Sends(), **options")
    names = await run(
        code.replace(MODEL, "model").replace("tools=tools, ", ""),
        ask_ann=ask_ann,
        model=model,
        Sends=Sends,
        options={name: value for name, value in options.items() if name != "agent"},
    )
    assert [call.kind for call in names["result"].calls] == ["foreseen"]
    async with session(simulator=Sends(), **options) as opened:
        plan = await opened.rehearse("Book three seats.")
        edited = await run(editing, session=opened, plan=plan)
        assert len(edited["plan"].foreseen) == 2


async def test_backends(options: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (code,) = blocks("backends.md")
    made = []
    monkeypatch.chdir(tmp_path)
    adapter = tmp_path / "adapters/bank"
    adapter.mkdir(parents=True)
    templates = {name: Prompts().text(name) for name in ("simulator_system", "simulator_user")}
    Trained(base="Qwen/Qwen3-8B", form=PromptForm(), templates=templates).write(adapter)

    def engine(*args: Any, **kwargs: Any) -> ScriptedBackend:
        inspect.signature(VLLMBackend).bind(*args, **kwargs)
        made.append(args)
        return ScriptedBackend([])

    code = code.replace("from artis_sdk.backends.vllm import VLLMBackend\n", "")
    await run(code, VLLMBackend=engine, tools=Toolset(book))
    assert made == [("Qwen/Qwen3-8B",)]


async def test_call_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    await run(*blocks("call-log.md"))
    assert (tmp_path / "calls.db").exists()


@pytest.mark.parametrize("page", ["fidelity.md", "source.md", "training.md"])
async def test_sessions_with_a_simulator(page: str, options: dict[str, Any]) -> None:
    (code,) = blocks(page)
    names = {"Session": Session, "options": options, "simulator": Sends(), "backend": ScriptedBackend([])}
    code = code.replace("Session(..., ", "Session(**options, ")
    if page == "training.md":  # without the adapter, which a training makes
        inspect.signature(LLMSimulator.trained).bind("run/adapter", names["backend"], adapter="sim")
        code = code.partition("\n")[2]
    made = await run(code, **names)
    assert isinstance(made["session"], Session)


async def test_frameworks() -> None:
    _, from_schema, by_hand = blocks("frameworks.md")
    schema = {"type": "object", "properties": {"amount": {"type": "integer"}}}
    made = await run(from_schema, schema=schema, send=lambda amount, client=None: amount, client="the client")
    assert made["pay"](amount=1) == 1
    assert made["pay"].spec.hidden == {"client"}

    async def answered(agent: Any, text: str) -> Any:
        return SimpleNamespace(final_output=f"{agent}: {text.strip()}")

    names = {"Runner": SimpleNamespace(run=answered), "clerk": "clerk", "pay": book, "balance": blocks}
    agent = (await run(by_hand, **names))["agent"]
    assert await agent("Pay.", tools=(), guidance=None) == "clerk: Pay."
