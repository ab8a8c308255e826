"""Other people's logs become call records: history rebuilt, failures typed, nothing guessed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from helpers.importers import DOCUMENT, export, records, rest, shown, write
from helpers.trace_calls import Made
from helpers.trace_files import VARIANTS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from artis_sdk.cli.app import app
from artis_sdk.errors import ConfigurationError, LogError
from artis_sdk.logs import CallLog
from artis_sdk.logs.importers import FORMATS, convert, import_file
from artis_sdk.records import Outcome, Provenance, Step, ToolCall
from artis_sdk.records.outcome_type import outcome_type

# --- messages -------------------------------------------------------------------------------------


def called(id_: str, name: str, arguments: Any) -> dict[str, Any]:
    text = arguments if isinstance(arguments, str) else json.dumps(arguments)
    return {"id": id_, "type": "function", "function": {"name": name, "arguments": text}}


def answered(id_: str, content: Any) -> dict[str, Any]:
    text = content if isinstance(content, str | list) else json.dumps(content)
    return {"role": "tool", "tool_call_id": id_, "content": text}


CHAT = {
    "id": "conversation-7",
    "tools": [DOCUMENT],
    "state": {"open": 3},
    "messages": [
        {"role": "system", "content": "Help."},
        {"role": "user", "content": "Look at a and b, then send."},
        {
            "role": "assistant",
            "tool_calls": [called("1", "look", {"at": "a"}), called("2", "look", {"at": "b"})],
        },
        answered("2", {"error": "No such place: 'b'"}),
        answered("1", [{"type": "text", "text": "fine"}]),
        {"role": "assistant", "tool_calls": [called("1", "send", "")]},  # clients use ids again
        answered("1", {"sent": True}),
        {"role": "assistant", "content": "Done."},
    ],
}


def test_a_chat_of_openai(tmp_path: Path) -> None:
    found = records(write(tmp_path / "chats.jsonl", CHAT), "messages")
    assert shown(found) == [
        ("look", {"at": "a"}, "success", "fine"),
        ("look", {"at": "b"}, "No such place: <*>", {"error": "No such place: 'b'"}),
        ("send", {}, "success", {"sent": True}),
    ]
    look, missing, send = found
    assert {r.outcome.provenance for r in found} == {Provenance.REAL}
    assert {r.session for r in found} == {"conversation-7"}
    assert [r.state for r in found] == [{"open": 3}] * 3
    assert look.spec.description == "Look at it."
    assert send.spec.parameters == {"type": "object"}
    assert [step.call.arguments for step in send.history] == [{"at": "a"}, {"at": "b"}]
    assert send.history[1].outcome is missing.outcome
    assert not missing.outcome.raised
    assert look.at < missing.at < send.at


def test_blocks_of_anthropic(tmp_path: Path) -> None:
    chat = [
        {"role": "user", "content": "Go."},
        {
            "role": "assistant",
            "content": [
                {"type": "text", "text": "I look."},
                {"type": "tool_use", "id": "t1", "name": "look", "input": {"at": "a"}},
                {"type": "tool_use", "id": "t2", "name": "pay", "input": {"amount": 5}},
            ],
        },
        {
            "role": "user",
            "content": [
                {
                    "type": "tool_result",
                    "tool_use_id": "t1",
                    "content": [{"type": "text", "text": '{"n": 1}'}],
                },
                {"type": "tool_result", "tool_use_id": "t2", "content": "PaymentError: no", "is_error": True},
            ],
        },
    ]
    found = records(write(tmp_path / "chats.jsonl", chat), "messages")
    assert shown(found) == [
        ("look", {"at": "a"}, "success", {"n": 1}),
        ("pay", {"amount": 5}, "PaymentError", {"error": "PaymentError: no"}),
    ]
    assert found[1].outcome.raised


def test_items_of_openais_responses_and_functions_of_old(tmp_path: Path) -> None:
    items = [
        {"type": "message", "role": "user", "content": "Go."},
        {"type": "function_call", "call_id": "c1", "name": "look", "arguments": '{"at": "a"}'},
        {"type": "function_call_output", "call_id": "c1", "output": '{"ok": true}'},
    ]
    old = [
        {"role": "assistant", "function_call": {"name": "look", "arguments": '{"at": "b"}'}},
        {"role": "function", "name": "look", "content": "fine"},
    ]
    found = records(write(tmp_path / "chats.jsonl", {"items": items}, {"messages": old}), "messages")
    assert shown(found) == [
        ("look", {"at": "a"}, "success", {"ok": True}),
        ("look", {"at": "b"}, "success", "fine"),
    ]
    assert found[0].session != found[1].session
    assert found[1].history == ()


def test_a_file_may_be_one_json_text(tmp_path: Path) -> None:
    path = tmp_path / "chats.json"
    for value in ([CHAT, CHAT["messages"]], CHAT):
        path.write_text(json.dumps(value, indent=2))
        assert len(records(path, "messages")) == (6 if isinstance(value, list) else 3)


def test_what_makes_no_record_is_told(tmp_path: Path) -> None:
    chat = {
        "id": "c",
        "messages": [
            {"role": "assistant", "tool_calls": [called("1", "look", "{broken"), called("2", "send", {})]},
            answered("1", "invalid arguments"),
            answered("9", "?"),
        ],
    }
    path = write(tmp_path / "chats.jsonl", chat)
    assert rest(path, "messages") == [
        f"{path}:1 messages[0].tool_calls[0]: look: its arguments are not a JSON object: '{{broken'",
        f"{path}:1 messages[0].tool_calls[1]: send: it has no result",
        f"{path}:1 messages[2]: a tool: a result that answers no call",
    ]


def test_a_time_of_the_message_is_kept(tmp_path: Path) -> None:
    message = {
        "role": "assistant",
        "tool_calls": [called("1", "look", {})],
        "timestamp": "2025-03-01T10:00:00Z",
    }
    (found,) = records(write(tmp_path / "c.jsonl", [message, answered("1", "x")]), "messages")
    assert found.at == 1740823200.0


# --- tau2-bench -----------------------------------------------------------------------------------

TAU2 = {
    "timestamp": "2025-06-01T00:00:00",
    "info": {
        "environment_info": {
            "domain_name": "retail",
            "tool_defs": {
                "get_order": {
                    "name": "get_order",
                    "doc": "The details of an order.",
                    "params": {"properties": {"order_id": {"type": "string"}}, "type": "object"},
                }
            },
        }
    },
    "tasks": [],
    "simulations": [
        {
            "id": "sim-1",
            "task_id": "3",
            "trial": 0,
            "messages": [
                {"role": "assistant", "content": "Hi!"},
                {"role": "user", "content": "Where is #W1?"},
                {
                    "role": "assistant",
                    "tool_calls": [
                        {
                            "id": "a",
                            "name": "get_order",
                            "arguments": {"order_id": "#W0"},
                            "requestor": "assistant",
                        }
                    ],
                    "timestamp": "2025-06-01T00:00:01",
                },
                {"role": "tool", "id": "a", "content": "Error: Order not found", "error": True},
                {
                    "role": "assistant",
                    "tool_calls": [
                        {"id": "b", "name": "get_order", "arguments": {"order_id": "#W1"}},
                        {"id": "c", "name": "look", "arguments": {}},
                    ],
                },
                {
                    "role": "tool",
                    "tool_messages": [
                        {"role": "tool", "id": "b", "content": '{"status": "sent"}', "error": False},
                        {"role": "tool", "id": "c", "content": "done"},
                    ],
                },
            ],
        },
        {"id": "sim-2", "task_id": "4", "messages": []},
    ],
}


def test_trajectories_of_tau2_bench(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    path.write_text(json.dumps(TAU2, indent=1))
    found = records(path, "tau2")
    assert shown(found) == [
        ("get_order", {"order_id": "#W0"}, "Order not found", {"error": "Order not found"}),
        ("get_order", {"order_id": "#W1"}, "success", {"status": "sent"}),
        ("look", {}, "success", "done"),
    ]
    assert found[0].outcome.raised
    assert {r.session for r in found} == {"sim-1"}
    assert [len(r.history) for r in found] == [0, 1, 2]
    assert found[0].spec.description == "The details of an order."
    single = write(tmp_path / "one.json", TAU2["simulations"][0])  # type: ignore[index]
    assert shown(records(single, "tau2")) == shown(found)


# --- into a log -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("format_", "lines", "problem"),
    [
        ("messages", ['{"messages": []}', '{"messages": 3}'], ":2: not a transcript"),
        ("messages", ['{"messages": []}', "{broken"], ":2: not JSON"),
        ("tau2", ['{"simulations": [{"id": 1}]}'], ":1: a simulation has no messages"),
        ("tau2", ["[3]"], ":1: not tau2-bench results"),
        ("otel", ['{"resourceSpans": []}', "3"], ":2: not a span"),
        ("otel", ['{"name": "execute_tool a", "attributes": {}}'], ":1: a span has neither"),
        ("messages", ['{\n"messages": [,\n]}'], ":2: not JSON"),
    ],
)
def test_a_line_that_cannot_be_used_stops_the_import_before_it_began(
    tmp_path: Path, format_: str, lines: list[str], problem: str
) -> None:
    path = tmp_path / "given"
    good = {"messages": json.dumps(CHAT), "tau2": json.dumps(TAU2), "otel": json.dumps(export())}[format_]
    pretty = "\n" in lines[0]
    path.write_text("\n".join(lines if pretty else [*lines, good]) + "\n")
    with CallLog(tmp_path / "calls.db") as log:
        with pytest.raises(LogError, match=problem):
            import_file(path, log, format_)
        assert list(log.records()) == []
        done = import_file(path, log, format_, skip_corrupt=True)
        assert len(done.skipped) == 1
        assert done.records == len(list(log.records())) == (0 if pretty or format_ == "otel" else 3)


def test_importing_again_changes_nothing_and_secrets_are_covered(tmp_path: Path) -> None:
    chat = {
        "messages": [
            {"role": "assistant", "tool_calls": [called("1", "login", {"password": "hunter22"})]},
            answered("1", "ok"),
        ]
    }
    path = write(tmp_path / "c.jsonl", CHAT, chat)
    with CallLog(tmp_path / "calls.db") as log:
        for _ in range(2):
            assert import_file(path, log, "messages").records == 4
        found = list(log.records())
    assert len(found) == 4
    assert "hunter22" not in "".join(record.model_dump_json() for record in found)
    by_tool = {record.call.tool: record for record in found}
    assert [step.call.tool for step in by_tool["send"].history] == ["look", "look"]


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(LogError, match="cannot be read"):
        list(convert(tmp_path / "gone.jsonl", "messages"))


def test_a_format_that_nobody_reads_is_an_error_and_nothing_is_made(tmp_path: Path) -> None:
    with (
        CallLog(tmp_path / "calls.db") as log,
        pytest.raises(ConfigurationError, match=r"'csv'.*messages, otel"),
    ):
        import_file(tmp_path / "gone.csv", log, "csv")
    done = CliRunner().invoke(
        app, ["logs", "import", "x", "--log", str(tmp_path / "no.db"), "--format", "csv"]
    )
    assert done.exit_code == 2
    assert not (tmp_path / "no.db").exists()


@pytest.mark.parametrize("name", FORMATS)
def test_the_command_line_imports_every_format(tmp_path: Path, name: str) -> None:
    variant = next(variant for variant in VARIANTS if variant.format == name)
    path = write(tmp_path / "given", *variant.write([Made("look", {"at": "a"}, "fine"), Made("pay", {}, 3)]))
    log = str(tmp_path / "calls.db")
    done = CliRunner().invoke(app, ["logs", "import", str(path), "--log", log, "--format", name, "--json"])
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["records"] == 2
    assert told["files"] == [{"file": str(path), "found": 2, "imported": 2, "left_out": 0}]
    assert not told["left_out"]


# --- laws -----------------------------------------------------------------------------------------

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
steps = st.lists(
    st.tuples(
        st.sampled_from(["look", "pay"]),
        st.dictionaries(st.text(max_size=4), json_values, max_size=2),
        json_values,
    ),
    max_size=5,
)


@pytest.mark.slow
@given(steps, st.booleans())
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_log_written_as_a_transcript_comes_back(
    tmp_path: Path, made: list[tuple[str, dict[str, Any], Any]], anthropic: bool
) -> None:
    messages: list[dict[str, Any]] = []
    for n, (tool, arguments, result) in enumerate(made):
        if anthropic:
            call = {"type": "tool_use", "id": f"c{n}", "name": tool, "input": arguments}
            messages.append({"role": "assistant", "content": [call]})
            answer = {"type": "tool_result", "tool_use_id": f"c{n}", "content": json.dumps(result)}
            messages.append({"role": "user", "content": [answer]})
        else:
            messages.append({"role": "assistant", "tool_calls": [called(f"c{n}", tool, arguments)]})
            messages.append({"role": "tool", "tool_call_id": f"c{n}", "content": json.dumps(result)})
    found = records(write(tmp_path / "c.jsonl", {"id": "s", "messages": messages}), "messages")
    assert [(r.call.tool, r.call.arguments, r.outcome.value) for r in found] == made
    for n, record in enumerate(found):
        expected = tuple(Step(call=before.call, outcome=before.outcome) for before in found[:n])
        assert record.history == expected
        ours = Outcome.success(made[n][2], Provenance.REAL)
        asked = ToolCall(tool=made[n][0], arguments=made[n][1])
        assert record.outcome.type == outcome_type(ours, asked)  # typed as a call of our own would be
