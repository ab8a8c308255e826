"""Odd files: broken lines, ids used twice, texts in place of lists, pieces of streams, and times of none."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest
from helpers.importers import records, rest, shown, write

from artis_sdk.errors import LogError
from artis_sdk.logs import CallLog
from artis_sdk.logs.importers import convert, import_file
from artis_sdk.logs.importers.times import nanoseconds, seconds

CALL = {"name": "look", "args": {"at": "a"}, "id": "1"}
CHAT = [
    {"role": "assistant", "tool_calls": [CALL]},
    {"role": "tool", "tool_call_id": "1", "content": "fine"},
]
LOOKED = [("look", {"at": "a"}, "success", "fine")]


def answered(*calls: dict[str, Any], said: list[str]) -> list[dict[str, Any]]:
    """A turn with these calls, and their results in the same order."""
    results = [
        {"role": "tool", "tool_call_id": c["id"], "content": s} for c, s in zip(calls, said, strict=True)
    ]
    return [{"role": "assistant", "tool_calls": list(calls)}, *results]


# --- lines ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("broken", [0, 1, 2])
def test_a_broken_line_costs_no_other(tmp_path: Path, broken: int) -> None:
    lines = [json.dumps({"id": str(n), "messages": CHAT}) for n in range(3)]
    lines[broken] = lines[broken][:-7]
    path = tmp_path / "c.jsonl"
    path.write_text("\n".join(lines) + "\n")
    with CallLog(tmp_path / "calls.db") as log:
        with pytest.raises(LogError, match=f"{path}:{broken + 1}: not JSON"):
            import_file(path, log, "messages")
        assert list(log.records()) == []
        done = import_file(path, log, "messages", skip_corrupt=True)
        assert (done.records, len(done.skipped)) == (2, 1)
        assert str(done.skipped[0]).startswith(f"{path}:{broken + 1}: not JSON")


def test_a_mark_of_the_encoding_is_no_part_of_the_line(tmp_path: Path) -> None:
    path = tmp_path / "c.jsonl"
    path.write_bytes(
        b"\xef\xbb\xbf" + b"".join(json.dumps({"messages": CHAT}).encode() + b"\n" for _ in "ab")
    )
    assert shown(records(path, "messages")) == LOOKED * 2


def test_a_list_with_an_item_a_line_is_one_text(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    path.write_text(f"[\n{json.dumps({'messages': CHAT})}\n]\n")
    assert shown(records(path, "messages")) == LOOKED


# --- messages -------------------------------------------------------------------------------------


@pytest.mark.parametrize("field", ["tool_calls", "content", "messages", "response"])
def test_a_list_in_a_text_is_the_list(tmp_path: Path, field: str) -> None:
    use = {"type": "tool_use", "id": "1", "name": "look", "input": {"at": "a"}}
    result = {"type": "tool_result", "tool_use_id": "1", "content": "fine"}
    values: dict[str, Any] = {
        "tool_calls": {"messages": [{"role": "assistant", "tool_calls": json.dumps([CALL])}, CHAT[1]]},
        "content": {
            "messages": [
                {"role": "assistant", "content": json.dumps([use])},
                {"role": "user", "content": json.dumps([result])},
            ]
        },
        "messages": {"messages": json.dumps(CHAT)},
        "response": {"messages": [], "response": json.dumps({"messages": CHAT})},
    }
    assert shown(records(write(tmp_path / "c.jsonl", values[field]), "messages")) == LOOKED


def test_a_text_that_a_user_wrote_calls_nothing(tmp_path: Path) -> None:
    said = {"role": "user", "content": "[1, 2] are my numbers"}
    assert shown(records(write(tmp_path / "c.jsonl", [said, *CHAT]), "messages")) == LOOKED


def test_calls_that_are_no_list_are_told(tmp_path: Path) -> None:
    path = write(tmp_path / "c.jsonl", [{"role": "assistant", "tool_calls": {"name": "look"}}])
    assert rest(path, "messages") == [
        f"{path}:1 messages[0].tool_calls: a tool: its calls are not a list: {{'name': 'look'}}"
    ]


@pytest.mark.parametrize("field", ["messages", "input", "output"])
def test_a_list_of_which_a_part_is_no_message_is_an_error(tmp_path: Path, field: str) -> None:
    path = write(tmp_path / "c.jsonl", {"contents": [], field: [*CHAT, None]})
    assert rest(path, "messages") == [
        f"{path}:1: not a transcript: not every one of its `{field}` is a message"
    ]


@pytest.mark.parametrize(
    "piece",
    [
        {
            "type": "response.output_item.done",
            "item": {"type": "function_call", "call_id": "1", "name": "look"},
        },
        {"type": "content_block_start", "content_block": {"type": "tool_use", "id": "1", "name": "look"}},
        {"object": "chat.completion.chunk", "choices": [{"delta": {"tool_calls": [CALL]}}]},
    ],
)
def test_pieces_of_a_stream_are_an_error(tmp_path: Path, piece: dict[str, Any]) -> None:
    for value in (piece, [piece, piece]):
        path = write(tmp_path / "c.jsonl", value)
        (told,) = {str(item).partition(": ")[2].partition(":")[0] for item in convert(path, "messages")}
        assert told in ("pieces of a stream", "not a transcript")


# --- ids ------------------------------------------------------------------------------------------


def test_calls_of_one_turn_with_the_same_id(tmp_path: Path) -> None:
    """As servers of local models number them."""
    chat = answered({**CALL, "args": {"at": "a"}}, {**CALL, "args": {"at": "b"}}, said=["one", "two"])
    assert shown(records(write(tmp_path / "c.jsonl", chat), "messages")) == [
        ("look", {"at": "a"}, "success", "one"),
        ("look", {"at": "b"}, "success", "two"),
    ]


def test_an_id_that_a_later_turn_uses_again(tmp_path: Path) -> None:
    chat = [{"role": "assistant", "tool_calls": [{**CALL, "name": "send"}]}, *answered(CALL, said=["fine"])]
    path = write(tmp_path / "c.jsonl", chat)
    found = list(convert(path, "messages"))
    assert [str(item) for item in found[1:]] == [
        f"{path}:1 messages[0].tool_calls[0]: send: it has no result"
    ]


@pytest.mark.parametrize("named", [True, False])
def test_results_without_ids_answer_in_order(tmp_path: Path, named: bool) -> None:
    """As in data sets for training."""
    calls = [{"function": {"name": name, "arguments": {"at": name}}} for name in ("look", "send", "look")]
    said = [
        {"role": "tool", "content": f"{n}", **({"name": c["function"]["name"]} if named else {})}
        for n, c in enumerate(calls)
    ]
    path = write(tmp_path / "c.jsonl", [{"role": "assistant", "tool_calls": calls}, *said[:2]])
    found = list(convert(path, "messages"))
    assert shown(found[:2]) == [  # type: ignore[arg-type]
        ("look", {"at": "look"}, "success", 0),
        ("send", {"at": "send"}, "success", 1),
    ]
    assert [str(item) for item in found[2:]] == [
        f"{path}:1 messages[0].tool_calls[2]: look: it has no result"
    ]


def test_a_result_without_a_name_is_not_that_of_a_call_with_an_id(tmp_path: Path) -> None:
    path = write(tmp_path / "c.jsonl", [CHAT[0], {"role": "tool", "content": "of what?"}])
    assert [told.partition(": ")[2] for told in rest(path, "messages")] == [
        "look: it has no result",
        "a tool: a result that answers no call",
    ]


def request(n: int, before: list[Any], made: list[Any]) -> dict[str, Any]:
    """A span of a model request."""
    attributes = {"gen_ai.input.messages": json.dumps(before), "gen_ai.output.messages": json.dumps(made)}
    return {
        "traceId": "t",
        "spanId": f"{n}",
        "name": "chat",
        "attributes": attributes,
        "startTimeUnixNano": n,
    }


def test_calls_without_ids_that_every_request_repeats(tmp_path: Path) -> None:
    """As Gemini's: two of the three calls are equal."""
    calls = [{"functionCall": {"name": "look", "args": {"at": at}}} for at in ("a", "b", "a")]
    turns: list[Any] = []
    spans = []
    for n, call in enumerate(calls):
        made = [{"role": "model", "parts": [call]}]
        spans.append(request(n + 1, turns, made))
        response = {"functionResponse": {"name": "look", "response": {"result": n}}}
        turns = [*turns, *made, {"role": "user", "parts": [response]}]
    spans.append(request(9, turns, [{"role": "model", "parts": [{"text": "Done."}]}]))
    assert shown(records(write(tmp_path / "s.jsonl", *spans), "otel")) == [
        ("look", {"at": "a"}, "success", 0),
        ("look", {"at": "b"}, "success", 1),
        ("look", {"at": "a"}, "success", 2),
    ]


def test_another_call_under_a_known_id_of_a_trace_is_told(tmp_path: Path) -> None:
    first, second = answered(CALL, said=["fine"]), answered({**CALL, "args": {"at": "b"}}, said=["lost"])
    spans = [request(1, first, []), request(2, [*first, *second], []), request(3, [*first, *second], [])]
    path = write(tmp_path / "s.jsonl", *spans)
    found = list(convert(path, "otel"))
    assert shown(found[:1]) == LOOKED  # type: ignore[arg-type]
    assert [str(item) for item in found[1:]] == [
        f"{path}:2 gen_ai.input.messages[2].tool_calls[0]: look: another call has the same id"
    ]


def test_a_request_of_the_server_under_the_id_of_a_call(tmp_path: Path) -> None:
    """Client and server of MCP number their requests each for itself."""
    sampled = {"role": "assistant", "content": {"type": "text", "text": "no"}, "model": "m"}
    lines = [
        {"id": 1, "method": "tools/call", "params": {"name": "look", "arguments": {"at": "a"}}},
        {"id": 1, "method": "sampling/createMessage", "params": {}},
        {"id": 1, "result": sampled},
        {"id": 1, "result": sampled},
        {"id": 1, "method": "elicitation/create", "params": {}},
        {"id": 1, "error": {"code": -32601, "message": "Method not found"}},
        {"id": 1, "result": {"content": [{"type": "text", "text": "fine"}]}},
        {"id": 5, "result": {"content": [{"type": "text", "text": "of nothing"}]}},
    ]
    path = write(tmp_path / "w.jsonl", *({"jsonrpc": "2.0", **line} for line in lines))
    found = list(convert(path, "mcp"))
    assert shown(found[:1]) == LOOKED  # type: ignore[arg-type]
    assert [str(item) for item in found[1:]] == [f"{path}:8: a tool: a result that answers no call"]


# --- values ---------------------------------------------------------------------------------------


def test_columns_of_all_types(tmp_path: Path) -> None:
    at = datetime(2026, 11, 29, 12, tzinfo=UTC)
    texts = [(name, "string") for name in ("role", "tool_calls", "tool_call_id", "content")]
    message = pyarrow.struct([*texts, ("created_at", pyarrow.timestamp("ns", tz="UTC"))])
    rows = [
        {"role": "assistant", "tool_calls": json.dumps([CALL]), "created_at": at},
        {"role": "tool", "tool_call_id": "1", "content": "fine"},
    ]
    state = pyarrow.map_(pyarrow.string(), pyarrow.float64())
    schema = pyarrow.schema(
        [("messages", pyarrow.list_(message)), ("state", state), ("input", pyarrow.float64())]
    )
    table = pyarrow.Table.from_pylist(
        [{"messages": rows, "state": [("open", 1.0)], "input": float("nan")}], schema=schema
    )
    pyarrow.parquet.write_table(table, tmp_path / "c.parquet")
    (found,) = records(tmp_path / "c.parquet", "messages")
    assert shown([found]) == LOOKED
    assert (found.at, found.state) == (at.timestamp(), {"open": 1.0})


def test_zero_is_no_time() -> None:
    assert [seconds(0), seconds("0"), seconds([0, 0]), nanoseconds("0")] == [None] * 4
