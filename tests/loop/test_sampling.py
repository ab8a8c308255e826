"""Sampling by role: the paper's values, a session's, the settings' and the command line's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from helpers.loop import SUMMARY, call

from artis_sdk import Sampling, SandboxSimulator, Sequential, Session
from artis_sdk.backends import ScriptedBackend
from artis_sdk.cli.run_options import _sampling as from_command_line
from artis_sdk.errors import ConfigurationError
from artis_sdk.pocket import Bank, pocket_tools
from artis_sdk.records import Request, SampledRole, answer_limit
from artis_sdk.settings import load_settings

PREDICTED = json.dumps({"outputs": [{"ok": True, "value": []}]})
VERDICT = json.dumps({"correct": True})


def replies(request: Request) -> Any:
    """One call, then an answer; the other roles are told by their schema."""
    wanted = json.dumps(request.schema or {})
    for field, reply in (("outputs", PREDICTED), ("attempt", SUMMARY), ("correct", VERDICT)):
        if field in wanted:
            return reply
    return "done" if request.messages[-1].role == "tool" else call("list_accounts", owner="Ann")


def by_role(requests: list[Request]) -> dict[str, Request]:
    found: dict[str, Request] = {}
    for request in requests:
        wanted = json.dumps(request.schema or {})
        names = {"outputs": "simulator", "attempt": "summarizer", "correct": "judge"}
        found[next((role for field, role in names.items() if field in wanted), "agent")] = request
    return found


async def asked(tmp_path: Path, **given: Any) -> dict[str, Request]:
    """The last request of each role in one rehearsal."""
    backend = ScriptedBackend(replies)
    async with Session(
        agent=backend,
        simulator=backend,
        tools=pocket_tools(Bank()),
        strategy=Sequential(1),
        journal=tmp_path / "journal.db",
        **given,
    ) as session:
        await session.rehearse("What is there?")
    return by_role(backend.requests)


async def test_without_a_word_the_papers_values_hold(tmp_path: Path) -> None:
    found = await asked(tmp_path)
    assert found.keys() == {"agent", "simulator", "judge", "summarizer"}
    assert found["agent"].temperature is None, "the model card's, else the paper's 1.0"
    assert {found[role].temperature for role in found if role != "agent"} == {0.01}
    assert {(request.top_p, request.max_tokens) for request in found.values()} == {(None, None)}


@pytest.mark.parametrize("role", ["agent", "simulator", "judge", "summarizer"])
async def test_each_role_has_its_own(tmp_path: Path, role: SampledRole) -> None:
    found = await asked(tmp_path, sampling={role: Sampling(temperature=0.7, top_p=0.9, max_tokens=55)})
    for other, request in found.items():
        chosen = (request.temperature, request.top_p, request.max_tokens)
        assert (chosen == (0.7, 0.9, 55)) is (other == role)


async def test_one_field_leaves_the_others_alone(tmp_path: Path) -> None:
    found = await asked(tmp_path, sampling={"judge": Sampling(max_tokens=9)})
    assert (found["judge"].temperature, found["judge"].max_tokens) == (0.01, 9)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"evaluator": Sampling()}, "the roles are agent, simulator, judge, summarizer"),
        ({"agent": {"temperature": -1}}, "greater than or equal to 0"),
        ({"agent": {"top_k": 3}}, "Extra inputs"),
    ],
)
async def test_what_cannot_be_meant_is_refused(tmp_path: Path, given: Any, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        await asked(tmp_path, sampling=given)


async def test_sampling_of_a_part_that_is_the_callers_is_refused(tmp_path: Path) -> None:
    backend = ScriptedBackend(replies)
    with pytest.raises(ConfigurationError, match=r"sampling\['simulator'\] has no effect"):
        async with Session(
            agent=backend,
            simulator=SandboxSimulator(),
            tools=pocket_tools(Bank()),
            sampling={"simulator": Sampling(temperature=0.5)},
            journal=tmp_path / "journal.db",
        ):
            pass


async def test_settings_set_it_and_the_caller_overrides_a_role(
    bare_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (bare_folder / "artis.toml").write_text(
        "[sampling.agent]\ntemperature = 0.7\n[sampling.judge]\ntop_p = 0.5\n"
    )
    monkeypatch.setenv("ARTIS_SAMPLING__AGENT__MAX_TOKENS", "77")
    found = await asked(bare_folder, sampling={"judge": Sampling(max_tokens=9)})
    assert (found["agent"].temperature, found["agent"].max_tokens) == (0.7, 77)
    assert (found["judge"].top_p, found["judge"].max_tokens) == (None, 9)


def test_the_command_line_is_above_the_settings(bare_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARTIS_SAMPLING__AGENT__TEMPERATURE", "0.7")
    given = from_command_line(["agent.top_p=0.9", "agent.max_tokens=64", "judge.temperature=0"])
    settings = load_settings({"sampling": given})
    assert settings.sampling == {
        "agent": Sampling(temperature=0.7, top_p=0.9, max_tokens=64),
        "judge": Sampling(temperature=0),
    }
    with pytest.raises(ConfigurationError, match="sampling"):
        load_settings({"sampling": from_command_line(["agent.warmth=0.9"])})
    with pytest.raises(ConfigurationError, match=r"ROLE\.FIELD=NUMBER"):
        from_command_line(["temperature=0.9"])


@pytest.mark.parametrize(
    ("window", "tokens"), [(None, 4096), (1_000_000, 4096), (8192, 2048), (2048, 512), (3, 1)]
)
def test_every_answer_has_a_bound(window: int | None, tokens: int) -> None:
    assert answer_limit(window) == tokens
