"""A log against the failure modes of its tools, and `artis logs failures`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from helpers.failing_tools import tools as TOOLS
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue
from typer.testing import CliRunner

from artis_sdk.cli.app import app
from artis_sdk.errors import ConfigurationError, LogError
from artis_sdk.logs import CallLog
from artis_sdk.records import CallRecord, Outcome, Provenance, ToolCall
from artis_sdk.trainers.failure_modes.seen import SeenTool, seen_failures
from artis_sdk.trainers.failure_modes.taxonomy import Taxonomy

TAXONOMY = Taxonomy(TOOLS)


def raised(type_: str, message: str) -> Outcome:
    return Outcome.failure(type_, message, Provenance.REAL, raised=True)


def returned(value: JsonValue) -> Outcome:
    return Outcome.success(value, Provenance.REAL)


CALLS: list[tuple[str, Outcome]] = [
    ("buy", returned({"paid": 4})),
    ("buy", returned({"error": "12 is more than you have"})),
    ("buy", raised("SoldOut", "only 3 of apple")),
    ("buy", raised("KeyError", "'fig'")),
    ("reserve", raised("SoldOut", "only 0 of pear")),
    ("cancel", returned([{"error": "no order 3"}])),
    ("close", raised("AssertionError", "unlucky")),
    ("safe", returned("free")),
]


def record(n: int, tool: str, outcome: Outcome, source_hash: str | None = None) -> CallRecord:
    call = ToolCall(id=f"c{n}", tool=tool, arguments={})
    spec = TOOLS[tool].spec if tool in TOOLS else TOOLS["buy"].spec.model_copy(update={"name": tool})
    return CallRecord(
        id=f"r{n}", at=float(n), session="s", spec=spec, source_hash=source_hash, call=call, outcome=outcome
    )


def by_tool(records: list[CallRecord]) -> dict[str, SeenTool]:
    return {tool.tool: tool for tool in seen_failures(records, TAXONOMY)}


def counts(tools: dict[str, SeenTool]) -> dict[tuple[str, str, int], int]:
    return {
        (name, seen.mode.label, seen.mode.site.line): seen.seen
        for name, t in tools.items()
        for seen in t.modes
    }


def test_modes_are_counted_and_those_never_seen_are_there() -> None:
    tools = by_tool([record(n, *call) for n, call in enumerate([*CALLS, CALLS[2]])])
    buy = tools["buy"]
    assert (buy.calls, buy.successes) == (5, 1)
    assert dict(buy.types) == {"<*> is more than you have": 1, "SoldOut": 2, "KeyError": 1}
    assert dict(buy.unlisted) == {}  # the KeyError is of a subscript
    seen = {mode.mode.label: mode.seen for mode in buy.modes}
    assert seen["SoldOut: only <*> of <*>"] == 2
    assert seen["ShopError: the shop is closed"] == 0
    assert buy.unseen == sum(mode.seen == 0 for mode in buy.modes)
    assert {label for label, count in seen.items() if count} == {
        "SoldOut: only <*> of <*>",
        "<*> is more than you have",
        "KeyError",
    }
    assert set(tools) == set(TOOLS.names)
    assert tools["note"].calls == 0


@given(st.lists(st.sampled_from(CALLS), max_size=12), st.randoms(use_true_random=False))
def test_counts_add_up_whatever_the_order_and_only_grow(
    calls: list[tuple[str, Outcome]], random: object
) -> None:
    records = [record(n, *call) for n, call in enumerate(calls)]
    found = by_tool(records)
    for tool in found.values():
        assert tool.calls == tool.successes + sum(tool.types.values())
        assert all(0 <= tool.unlisted[type_] <= tool.types[type_] for type_ in tool.unlisted)
    shuffled = list(records)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert [t.as_json() for t in by_tool(shuffled).values()] == [t.as_json() for t in found.values()]
    before = counts(by_tool(records[:-1]))
    assert all(count >= before[key] for key, count in counts(found).items())


@pytest.mark.parametrize("provenance", [Provenance.SIMULATED, Provenance.REPLAYED, Provenance.CHECKED])
def test_what_no_real_code_said_does_not_count(provenance: Provenance) -> None:
    tool, outcome = CALLS[2]
    made = record(0, tool, outcome.model_copy(update={"provenance": provenance}))
    assert by_tool([made])["buy"].calls == 0


def test_calls_of_other_source_and_of_tools_that_are_gone_are_told() -> None:
    now = TAXONOMY.hashes["buy"]
    assert now is not None
    tools = by_tool(
        [
            record(0, *CALLS[2], source_hash="of old"),
            record(1, *CALLS[2], source_hash=now),
            record(2, *CALLS[2]),
            record(3, "fly", raised("ValueError", "too high")),
        ]
    )
    assert tools["buy"].notes == [
        "1 of 3 calls ran another source than the present one: the lines of their failures may have changed"
    ]
    assert tools["fly"].notes == ["not in the toolset: its source is not known"]
    assert dict(tools["fly"].unlisted) == {"ValueError": 1}


# --- the command ----------------------------------------------------------------------------------


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "calls.db"
    with CallLog(path) as log:
        for n, call in enumerate(CALLS):
            log.append(record(n, *call))
    return path


def run(*arguments: str) -> str:
    given = ["logs", "failures", *arguments, "--tools", "helpers.failing_tools:tools"]
    done = CliRunner().invoke(app, given, catch_exceptions=False)
    return done.stdout if "--json" in arguments else " ".join(done.output.split())


def test_the_command_prints_what_was_seen_what_never_and_the_next_step(log: Path) -> None:
    said = run(str(log))
    assert "8 calls read" in said  # progress
    assert "buy: 4 calls, 1 successes" in said
    assert "never" in said
    assert "KeyError" in said
    assert "8 of 21 failure modes seen in 8 calls" in said
    step = f"artis generate --tools helpers.failing_tools:tools --out generated.db --log {log}"
    assert step.replace(" ", "") in said.replace(" ", "")
    unseen = run(str(log), "--unseen", "--tool", "close")
    assert "unlucky" not in unseen
    assert "zero opens it" in unseen


def test_the_command_prints_one_json_document(log: Path) -> None:
    found = json.loads(run(str(log), "--json"))
    assert (found["modes"], found["seen"]) == (21, 8)
    buy = next(tool for tool in found["tools"] if tool["tool"] == "buy")
    assert {"type", "file", "line", "condition", "seen"} <= buy["modes"][0].keys()


def test_without_a_log_everything_counts_as_never_seen() -> None:
    found = json.loads(run("--json"))
    assert (found["modes"], found["seen"]) == (21, 0)


def test_a_tool_or_a_log_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no tool is named 'fly'"):
        run("--tool", "fly")
    with pytest.raises(LogError, match=r"none\.db"):
        run(str(tmp_path / "none.db"))
