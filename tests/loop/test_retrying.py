"""Direct execution that goes on after a refusal: real tries, in one commit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from artis_sdk import Direct, Session, Toolset, guarded_tool
from artis_sdk.backends import ScriptedBackend
from artis_sdk.errors import ConfigurationError
from artis_sdk.records import Request, Result, Risk, Role, ToolCall


class Till:
    """Ann's account is empty; what was paid is on the list."""

    def __init__(self) -> None:
        self.paid: list[str] = []

    @guarded_tool(risk=Risk.IRREVERSIBLE)
    def pay(self, source: str, target: str) -> str:
        """Pay from an account."""
        if source == "ann":
            raise ValueError("ann has no money")
        self.paid.append(f"{source} {target}")
        return f"{target} was paid"


def pay(source: str, target: str) -> ToolCall:
    return ToolCall(tool="pay", arguments={"source": source, "target": target})


def script(told: str = "Use bob.", verdict: str = '{"correct": false}') -> Callable[[Request], Any]:
    """Pays Cid, then Dora from Ann, or from Bob where the query says so; gives up after a refusal."""

    def reply(request: Request) -> Any:
        wanted = str(request.schema)
        if "correct" in wanted:
            return verdict
        if "suggestion" in wanted:
            return f'{{"suggestion": "{told}"}}'
        outcomes = [message for message in request.messages if message.role == "tool"]
        if any(message.failed for message in outcomes) or len(outcomes) == 2:
            return "done"
        if not outcomes:
            return pay("bob", "cid")
        return pay("bob" if "Use bob" in request.messages[1].content else "ann", "dora")

    return reply


async def played(till: Till, backend: ScriptedBackend, strategy: Direct, journal: Path) -> Result:
    tools = Toolset.from_object(till)
    async with Session(agent=backend, tools=tools, strategy=strategy, journal=journal) as session:
        return await session.run("Pay Cid and Dora.")


async def test_a_further_try_is_shown_what_was_done_and_does_it_once(tmp_path: Path) -> None:
    till, backend = Till(), ScriptedBackend(script())
    result = await played(till, backend, Direct(retries=3), tmp_path / "journal.db")
    assert till.paid == ["bob cid", "bob dora"]
    assert [call.outcome.ok for call in result.calls] == [True, False, True]
    assert all(call.journal_id for call in result.calls)
    assert result.usage[Role.EVALUATION].requests == 2  # a verdict and a suggestion
    retry = next(request for request in backend.requests if "Use bob" in request.messages[1].content)
    assert [message.role for message in retry.messages] == ["system", "user", "assistant", "tool"]
    assert [call.arguments["target"] for call in retry.messages[2].tool_calls] == ["cid"]


async def test_a_tool_may_answer_with_its_error(tmp_path: Path) -> None:
    """As BFCL's tools do: nothing is raised, and the call has failed all the same."""

    class Answering(Till):
        @guarded_tool(risk=Risk.IRREVERSIBLE)
        def pay(self, source: str, target: str) -> Any:
            """Pay from an account."""
            if source == "ann":
                return {"error": "ann has no money"}
            self.paid.append(f"{source} {target}")
            return f"{target} was paid"

    till, backend = Answering(), ScriptedBackend(script())
    result = await played(till, backend, Direct(retries=3), tmp_path / "journal.db")
    assert till.paid == ["bob cid", "bob dora"]
    assert len(result.calls) == 3
    retry = next(request for request in backend.requests if "Use bob" in request.messages[1].content)
    assert [call.arguments["target"] for call in retry.messages[2].tool_calls] == ["cid"]


async def test_without_retries_it_is_the_papers(tmp_path: Path) -> None:
    till, backend = Till(), ScriptedBackend(script())
    result = await played(till, backend, Direct(), tmp_path / "journal.db")
    assert till.paid == ["bob cid"]
    assert Role.EVALUATION not in result.usage


@pytest.mark.parametrize(
    ("given", "tries"),
    [
        ({"verdict": '{"correct": true}'}, 1),
        ({"told": "Try harder."}, 2),  # the second time it is said again
    ],
)
async def test_it_ends_where_nothing_new_is_suggested(
    given: dict[str, str], tries: int, tmp_path: Path
) -> None:
    till, backend = Till(), ScriptedBackend(script(**given))
    result = await played(till, backend, Direct(retries=5), tmp_path / "journal.db")
    assert till.paid == ["bob cid"]
    assert sum(not call.outcome.ok for call in result.calls) == tries


async def test_an_unreadable_verdict_ends_it_with_a_note(tmp_path: Path) -> None:
    till, backend = Till(), ScriptedBackend(script(verdict="Well."))
    result = await played(till, backend, Direct(retries=3), tmp_path / "journal.db")
    assert "no further try" in result.notes[-1]
    assert len(result.calls) == 2


async def test_who_cannot_be_retried_is_told_before_anything_runs(tmp_path: Path) -> None:
    async def agent(task: str, *, tools: Any, guidance: str | None) -> str:
        raise AssertionError

    model: Any = ScriptedBackend([])
    cases: list[tuple[dict[str, Any], str]] = [
        ({"agent": agent, "evaluator": model}, "needs a model as agent"),
        ({"agent": model, "evaluate": False}, "needs an evaluator"),
    ]
    for given, message in cases:
        session = Session(**given, tools=Toolset(), strategy=Direct(retries=1), journal=tmp_path / "j.db")
        with pytest.raises(ConfigurationError, match=message):
            async with session:
                pass
    with pytest.raises(ConfigurationError, match="retries"):
        Direct(retries=-1)
