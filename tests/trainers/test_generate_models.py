"""Sources that ask a model: queries that agents solve, and calls written for a mode never reached."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from helpers.failing_tools import Shop
from helpers.generation import made

from artis_sdk.backends.scripted import Script, ScriptedBackend
from artis_sdk.errors import BackendError
from artis_sdk.logs import CallLog
from artis_sdk.records import Capabilities, Completion, Provenance, Request, ToolCall
from artis_sdk.records.outcome_type import outcome_type
from artis_sdk.tools import Toolset
from artis_sdk.trainers.generate import Generated, GenerationBudget, generate


def shop(*names: str) -> Toolset:
    tools = Toolset.from_object(Shop())
    return Toolset(*(tool for tool in tools if not names or tool.name in names))


def user(request: Request) -> str:
    return request.messages[-1].content


def asked(request: Request, tag: str) -> str:
    """What a prompt shows between two tags."""
    found = re.search(rf"<{tag}>(.*?)</{tag}>", user(request), re.DOTALL)
    assert found is not None, user(request)
    return found[1]


def text_only(script: Script) -> ScriptedBackend:
    """A backend that writes its calls as text."""
    return ScriptedBackend(script, capabilities=Capabilities(native_tools=False))


class Writer:
    """Writes as many queries as it is asked for, each another."""

    def __init__(self) -> None:
        self.written = 0

    def __call__(self, request: Request) -> str:
        found = re.search(r"Write (\d+) requests", user(request))
        assert found is not None
        said = [
            f"request {self.written + n} for {json.loads(asked(request, 'Tool'))}"
            for n in range(int(found[1]))
        ]
        self.written += len(said)
        return f"Here they are: {json.dumps(said)}"


class Solver:
    """Calls one tool, looks at what came, and ends."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.queries: list[str] = []

    def __call__(self, request: Request) -> str:
        if len(request.messages) == 2:
            self.queries.append(user(request))
            return self.text
        assert "return" in user(request)
        return "Done."


async def rows(found: Generated) -> list[tuple[str, str, Provenance]]:
    with CallLog(found.log.address, create=False) as log:
        return [(r.call.tool, outcome_type(r.outcome, r.call), r.outcome.provenance) for r in log.records()]


# --- agents ---------------------------------------------------------------------------------------


@pytest.mark.slow
async def test_a_hundred_queries_a_tool_are_written_and_solved_by_all_solvers_in_turn(tmp_path: Path) -> None:
    first, second = Solver("[buy(item='apple', count=1)]"), Solver("[cancel(number=3), fly()]")
    writer = ScriptedBackend(Writer())
    found = await made(
        shop("buy", "cancel"), tmp_path / "made.db", calls=10_000, sources=["agents"], writer=writer,
        solvers=[text_only(first), text_only(second)],
    )  # fmt: skip
    queries = first.queries + second.queries
    assert len(set(queries)) == 200
    assert len(first.queries) == len(second.queries) == 100
    for tool in ("buy", "cancel"):
        assert sum(query.endswith(f"for {tool}") for query in queries) == 100
    assert found.tasks == 200
    assert found.coverage.calls["agents"] == found.rows == 200
    assert set(await rows(found)) == {
        ("buy", "success", Provenance.SANDBOXED),
        ("cancel", "no order <*>", Provenance.SANDBOXED),
    }
    assert found.notes == []


async def test_a_solver_with_tools_of_its_own_kind_is_given_them(tmp_path: Path) -> None:
    def solve(request: Request) -> Completion | str:
        if request.messages[-1].role == "tool":
            assert request.messages[-1].failed
            return "Done."
        assert [spec.name for spec in request.tools] == ["buy"]
        call = ToolCall(id="c", tool="buy", arguments={"item": "fig"})
        return Completion(text="", model="m", tool_calls=(call,))

    solver = ScriptedBackend(solve, capabilities=Capabilities(native_tools=True))
    found = await made(
        shop("buy"), tmp_path / "made.db", sources=["agents"], queries=3,
        writer=ScriptedBackend(Writer()), solvers=[solver],
    )  # fmt: skip
    assert set(await rows(found)) == {("buy", "LookupError", Provenance.SANDBOXED)}
    assert found.rows == 3


async def test_a_writer_that_repeats_itself_or_fails_is_noted(tmp_path: Path) -> None:
    solver = text_only(Solver("[buy(item='apple')]"))
    same = ScriptedBackend(lambda request: '["again", "again"]', name="parrot")
    found = await made(
        shop("buy"), tmp_path / "a.db", sources=["agents"], queries=5, writer=same, solvers=[solver]
    )
    assert found.notes == ["buy: 1 of 5 queries; parrot found no more"]
    assert found.tasks == 1

    def fail(request: Request) -> str:
        raise BackendError("broken", "the model is out")

    found = await made(
        shop("buy"), tmp_path / "b.db", sources=["agents"], queries=5, writer=ScriptedBackend(fail)
    )
    assert any("the model is out" in note for note in found.notes)
    assert found.rows == 0


async def test_agents_leave_a_share_of_the_budget_to_what_comes_after(tmp_path: Path) -> None:
    found = await made(
        shop("buy", "safe"), tmp_path / "made.db", calls=50, sources=["agents", "mutation"],
        writer=ScriptedBackend(Writer()), solvers=[text_only(Solver("[buy(item='apple')]"))],
    )  # fmt: skip
    assert found.coverage.calls["agents"] == 20


# --- targeted -------------------------------------------------------------------------------------


async def test_a_mode_never_reached_is_shown_with_its_source_until_calls_reach_it(tmp_path: Path) -> None:
    def write(request: Request) -> str:
        if json.loads(asked(request, "Condition")) != "number is 0":
            return "I cannot tell."
        shown = json.loads(asked(request, "Source"))
        assert '>>>                 return "Error: zero opens it"' in "\n".join(shown)
        if "did not reach it" not in user(request):
            return "[close(code='7')]"
        assert "closed" in asked(request, "Attempts")
        return "[safe(item='apple'), close(code='0')]"

    found = await generate(
        shop("close", "safe"), budget=GenerationBudget(calls=100), out=tmp_path / "made.db",
        sources=["targeted"],
        writer=ScriptedBackend(write, name="writer"), tries=3,
    )  # fmt: skip
    found.log.close()
    assert await rows(found) == [
        ("close", "success", Provenance.SANDBOXED),
        ("safe", "success", Provenance.SANDBOXED),
        ("close", "zero opens it", Provenance.SANDBOXED),
    ]
    assert [mode.type for mode in found.coverage.modes if mode.key in found.coverage.first] == [
        "zero opens it"
    ]
    assert {note.partition(": ")[2] for note in found.notes} == {"writer wrote no calls"}
    assert found.coverage.as_json()["sources"]["targeted"]["first"] == 1
