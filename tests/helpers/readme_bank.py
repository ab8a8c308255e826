"""README's bank, and what holds for any model that plays it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from artis_sdk import Sampling, SandboxSimulator, Sequential, Session, Toolset
from artis_sdk.backends import Backend
from artis_sdk.backends.tool_formats import read_answer
from artis_sdk.loop.model_actor import ModelActor
from artis_sdk.records import Completion, Provenance, Request, Task

QUERY = "Send Bob 80 euros of Ann's money."
ROOT = Path(__file__).parent.parent.parent


def readme_bank() -> Any:
    """The bank of README's example."""
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
    (code,) = (block for block in blocks if "class Bank" in block)
    names: dict[str, Any] = {"__name__": "readme"}
    exec(compile(code.partition("async def main")[0], "README.md", "exec"), names)
    return names["Bank"]()


def first_request(backend: Backend, tools: Toolset, **more: Any) -> Request:
    """The agent's first request of README's task."""
    actor = ModelActor(backend, tools)
    task = Task(query=QUERY, tools=tools.specs)
    messages = (actor.system(task), actor.query(task, [], None))
    return Request(messages=messages, tools=tools.specs, **more)


def is_valid(answer: Completion, tools: Toolset) -> bool:
    """Whether an answer has calls, and every call names an offered tool and fits its schema."""
    schemas = {spec.name: Draft202012Validator(spec.parameters) for spec in tools.specs}
    return bool(answer.tool_calls) and all(
        call.malformed is None and call.tool in schemas and schemas[call.tool].is_valid(call.arguments)
        for call in answer.tool_calls
    )


async def play_end_to_end(
    backend: Backend, folder: Path, *, attempts: int = 2, max_tokens: int = 200
) -> None:
    """README's example: nothing is real before the commit, and what is real then is in the result; no call is
    taken for an answer."""
    bank = readme_bank()
    tools = Toolset.from_object(bank)
    before = dict(bank.balances)
    async with Session(
        agent=backend,
        tools=tools,
        simulator=SandboxSimulator(),
        strategy=Sequential(attempts),
        sampling={"agent": Sampling(temperature=0.7, top_p=0.9, max_tokens=max_tokens)},
        seed=1,
        max_steps=4,
        journal=folder / "journal.db",
    ) as session:
        plan = await session.rehearse(QUERY)
        assert bank.balances == before
        result = await session.commit(plan)
    assert len(plan.attempts) == attempts
    assert all(attempt.evaluation is not None for attempt in plan.attempts), plan.notes
    for answer in (*[attempt.answer for attempt in plan.attempts], result.answer):
        assert not read_answer(answer or "", tools.specs).calls, f"a call as an answer: {answer!r}"
    expected = dict(before)
    for made in result.calls:
        if made.outcome.provenance is Provenance.REAL and made.outcome.ok and made.call.tool == "pay":
            given: Any = made.call.arguments
            expected[given["source"]] -= given["amount"]
            expected[given["target"]] += given["amount"]
    assert bank.balances == expected


async def check_calls(backend: Backend, count: int = 8) -> None:
    """Most first turns are calls that fit, though the model never writes the marks of its template."""
    tools = Toolset.from_object(readme_bank())
    valid = 0
    for seed in range(count):
        request = first_request(backend, tools, temperature=0.7, top_p=0.9, seed=seed, max_tokens=150)
        answer = await backend.complete(request)
        valid += is_valid(answer, tools)
    assert valid >= 0.75 * count, f"{valid} of {count}"
