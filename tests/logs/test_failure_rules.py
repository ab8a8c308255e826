"""What is a failure: one rule set, in its order, for what was called and what was imported."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers.importers import records, write
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

import artis_sdk
from artis_sdk import Toolset, guarded_tool
from artis_sdk.cli.app import app
from artis_sdk.cli.failure_rules import write_answers
from artis_sdk.errors import ConfigurationError
from artis_sdk.integrations.agent_tools import AgentTools, ToolFacts, read_json
from artis_sdk.logs import CallLog
from artis_sdk.logs.importers.read import parsed
from artis_sdk.logs.importers.results import outcome_of
from artis_sdk.records import Outcome, Provenance, Risk, ToolCall
from artis_sdk.records.doubtful_rules import settle
from artis_sdk.records.marked_failure import UNTYPED
from artis_sdk.records.outcome_type import doubtful_rule, failed_type, mask, outcome_type, returned_type


@pytest.fixture(autouse=True)
def nothing_settled() -> Iterator[None]:
    yield
    settle({})


def typed(value: Any, **arguments: Any) -> str:
    return outcome_type(Outcome.success(value, Provenance.REAL), ToolCall(tool="t", arguments=arguments))


# --- envelopes ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [
        {"errcode": 0, "errmsg": "ok"},
        {"errcode": "0", "errmsg": "request received"},
        {"error_code": 0, "error_msg": "success"},
        {"errorCode": "OK", "errorMessage": "done", "data": [1]},
        {"err_no": 0, "err_msg": "nothing to say"},
        {"error": None},
        {"error": "none"},
        {"error": "None", "data": 1},
        {"error": ""},
        {"error": False},
        {"errors": []},
        {"error": {}},
        {"error": "no error"},
        {"error": "null", "result": 5},
        {"state": "running", "last_error": "timed out"},
        {"previous_errors": ["x"], "state": "fine"},
        {"on_error": "continue"},
        {"standard_error": 0.1},
        {"mean_absolute_error": 3},
        {"status": "ok"},
        {"status": 200, "message": "fine"},
        {"success": True, "error": None},
        '{"error": null, "n": 1}',
        "no error",
        "[1, 2]",
        "{not json",
    ],
)
def test_what_is_a_success(value: Any) -> None:
    assert typed(value) == "success"


@pytest.mark.parametrize(
    ("value", "type_"),
    [
        ({"errcode": 40001, "errmsg": "invalid credential"}, "40001"),
        ({"error_code": "E17", "error_msg": "no"}, "E17"),
        ({"error": "no such user"}, "no such user"),
        ({"error": {"code": "not_found", "message": "no"}}, "not_found"),
        ({"error_message": "the disk is full"}, "the disk is full"),
        ({"success": False, "message": "the disk is full"}, "the disk is full"),
        ({"isError": True, "content": [{"type": "text", "text": "the disk is full"}]}, "the disk is full"),
        ({"status": "failed", "reason": "the disk is full"}, "failed"),
        ({"status_code": 404}, "404"),
        ('{"error": "no such user"}', "no such user"),
        ('  {"success": false, "message": "the disk is full"}', "the disk is full"),
        ('[{"error": "no such user"}]', "no such user"),
        ([{"error": "no such user"}], "no such user"),
        ("Error: no such user", "no such user"),
        ("KeyError: 'x'", "KeyError"),
    ],
)
def test_what_is_a_failure(value: Any, type_: str) -> None:
    assert typed(value) == type_


# --- the tool's own word --------------------------------------------------------------------------


@guarded_tool(risk=Risk.READ_ONLY, failures=lambda value: None)
def never_fails() -> dict[str, Any]:
    """Whatever it returns is a success."""
    return {"error": "no such user", "success": False}


@guarded_tool(risk=Risk.READ_ONLY, failures=lambda value: "empty" if value == [] else None)
def empty_is_a_failure(items: list[int]) -> list[int]:
    return items


def test_what_the_tool_declares_wins_and_is_kept(tmp_path: Path) -> None:
    with CallLog(tmp_path / "calls.db") as log, artis_sdk.capture(log):
        never_fails()
        empty_is_a_failure([])
        empty_is_a_failure([1])
        log.flush()
        found = list(log.records())
    types = [(r.outcome.declared, outcome_type(r.outcome, r.call)) for r in found]
    assert types == [(True, "success"), (True, "empty"), (True, "success")]
    (tool,) = Toolset(never_fails)
    assert outcome_type(tool.outcome({"error": "x"}, Provenance.REAL)) == "success"


# --- called and imported --------------------------------------------------------------------------

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-600, 600)
    | st.sampled_from(["ok", "none", "Error: gone", "KeyError: 'x'", "fine", "no such user", "failed"]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(["error", "errcode", "status", "success", "message", "data", "last_error"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=6,
)


@given(values)
def test_a_value_has_the_same_type_as_its_json_text(value: Any) -> None:
    if isinstance(value, dict | list):
        assert typed(json.dumps(value)) == typed(value)


@pytest.mark.parametrize(
    "returned",
    ['{"error": "no such user"}', {"error": "no such user"}, "fine", {"errcode": 0, "errmsg": "ok"}],
)
def test_a_value_has_the_same_type_called_and_imported(tmp_path: Path, returned: Any) -> None:
    @guarded_tool(risk=Risk.READ_ONLY)
    def look() -> Any:
        return returned

    with CallLog(tmp_path / "calls.db") as log, artis_sdk.capture(log):
        look()
        log.flush()
        (called,) = log.records()
    text = returned if isinstance(returned, str) else json.dumps(returned)
    chat = [
        {"role": "assistant", "tool_calls": [{"name": "look", "args": {}, "id": "1"}]},
        {"role": "tool", "tool_call_id": "1", "content": text},
    ]
    (imported,) = records(write(tmp_path / "c.jsonl", chat), "messages")
    assert outcome_type(called.outcome, called.call) == outcome_type(imported.outcome, imported.call)


# --- doubtful rules -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "rule", "failure", "settled_type"),
    [
        ("Error 404: Not Found", "text", False, "Error <*>: Not Found"),
        ("Failed to fetch https://a.b/c", "text", False, "Failed to fetch <*>"),
        (
            "Traceback (most recent call last):\n  File \"a.py\", line 3\nKeyError: 'x'\n",
            "text",
            False,
            "KeyError",
        ),
        ("grep: notes.txt: No such file or directory", "text", False, "grep: <*>: No such file or directory"),
        ({"exit_code": 2, "stderr": "bad option"}, "exit_code", False, "bad option"),
        ({"returncode": 1, "stdout": ""}, "exit_code", False, "exit code <*>"),
        ({"code": 40001, "msg": "invalid token"}, "code", False, "40001"),
        ({"id": 3, "status": "failed"}, "status", True, None),
        ({"job": 3, "build_error": "exit 1"}, "other_error", True, None),
    ],
)
def test_a_doubtful_rule_is_shown_and_settled(
    value: Any, rule: str, failure: bool, settled_type: str | None
) -> None:
    call = ToolCall(tool="t", arguments={})
    doubt = doubtful_rule(value, call)
    assert doubt is not None
    assert (doubt.rule, doubt.failure) == (rule, failure)
    assert (returned_type(value, call) is not None) is failure
    settle({"t": {rule: not failure}})
    assert returned_type(value, call) == settled_type
    assert doubtful_rule(value, call) is None
    other = ToolCall(tool="other", arguments={})
    assert (returned_type(value, other) is not None) is failure
    settle({"*": {rule: not failure}})
    assert returned_type(value, other) == settled_type


@pytest.mark.parametrize(
    "value",
    [
        "fine",
        "3 errors were mended",
        {"exit_code": 0},
        {"code": 200, "message": "ok"},
        {"error": "no"},
        5,
        None,
        [],
    ],
)
def test_what_is_not_doubtful(value: Any) -> None:
    assert doubtful_rule(value) is None


# --- masks ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("messages", "arguments", "masked"),
    [
        (["grep: True: No such file", "grep: False: No such file"], {}, "grep: <*>: No such file"),
        (["grep: a: No such file"], {"path": "a"}, "grep: <*>: No such file"),
        (["the flag true is wrong"], {"flag": True}, "the flag <*> is wrong"),
        (["cannot read None", "cannot read nan", "cannot read inf"], {}, "cannot read <*>"),
        (["at 10:30 PM it closed", "at 9:05 it closed"], {}, "at <*> it closed"),
        (
            ["no slot on Mar 3, 2025 here", "no slot on 3 May 2024 here", "no slot on 2025-03-01 here"],
            {},
            "no slot on <*> here",
        ),
        (["open C:\\Users\\x failed", "open /tmp/x.txt failed", "open ./a/b failed"], {}, "open <*> failed"),
        (["open report.txt failed", "open notes.csv failed"], {}, "open <*> failed"),
        (["no “Ann” here", "no «Bob» here", "no 'x y' here"], {}, "no <*> here"),
        (["hash deadbeefdeadbeef is unknown", "hash 12ab34cd56ef is unknown"], {}, "hash <*> is unknown"),
        (["1e-5 is below -3.5%", "0x1F is below +7%"], {}, "<*> is below <*>"),
        (["id 123e4567-e89b-12d3-a456-426614174000 is gone"], {}, "id <*> is gone"),
        (["None of the items is there"], {}, "None of the items is there"),
    ],
)
def test_literals_of_all_kinds_are_masked(
    messages: list[str], arguments: dict[str, Any], masked: str
) -> None:
    call = ToolCall(tool="t", arguments=arguments)
    assert [mask(message, call) for message in messages] == [masked] * len(messages)


# --- settling -------------------------------------------------------------------------------------


@guarded_tool(risk=Risk.READ_ONLY)
def fetch(url: str) -> str:
    """Fetch a page."""
    return f"Failed to fetch {url}" if url.endswith("x") else "fine"


def test_the_command_shows_doubtful_rules_and_writes_the_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "artis.toml").write_text("attempts = 2\n\n[limits]\ntokens = 5\n")
    with CallLog("calls.db") as log, artis_sdk.capture(log):
        for url in ("http://a/x", "http://b/x", "http://c/y"):
            fetch(url)
    arguments = ["logs", "failures", "calls.db", "--tools", "logs.test_failure_rules:fetch"]
    (tool,) = shown(arguments)
    assert (tool["successes"], tool["types"]) == (3, {})
    (doubt,) = tool["doubts"]
    assert (doubt["rule"], doubt["failure"], doubt["seen"]) == ("text", False, 2)
    assert "Failed to fetch http://a/x" in doubt["sample"]
    told = CliRunner().invoke(app, arguments)
    assert "--failure fetch:text" in " ".join(told.output.split())
    for option, successes in (("--failure", 1), ("--success", 3), ("--failure", 1)):
        (tool,) = shown([*arguments, option, "fetch:text"])
        assert tool["successes"] == successes
        assert tool["doubts"] == []
    assert tomllib.loads(Path("artis.toml").read_text()) == {
        "attempts": 2,
        "limits": {"tokens": 5},
        "failure_rules": {"fetch": {"text": True}},
    }
    assert shown(arguments)[0]["types"] == {"Failed to fetch <*>": 2}


# --- called and imported --------------------------------------------------------------------------


def framework_facts() -> ToolFacts:
    """A tool of a framework whose results are `{"text": ..., "failed": ...}`."""
    return ToolFacts(
        name="pay",
        description="Pay.",
        parameters={"type": "object", "properties": {"to": {"type": "string"}}},
        failed=lambda result: UNTYPED if result["failed"] else None,
        shown=lambda result: read_json(result["text"]),
    )


@pytest.mark.parametrize("failed", [True, False])
@pytest.mark.parametrize(
    "text",
    [
        *("no account for bob", "denied", "Error: KeyError: 'bob'", "KeyError: 'bob'"),
        *(
            "Error: ValueError - no",
            '{"error": {"code": "E7"}}',
            '{"reason": "too late"}',
            '{"a": 1}',
            "[]",
            "",
        ),
    ],
)
def test_what_a_framework_marks_has_one_type_called_and_imported(text: str, failed: bool) -> None:
    call = ToolCall(tool="pay", arguments={"to": "bob"})
    tool: Any = AgentTools().toolset([framework_facts()]).get("pay")
    called = tool.outcome({"text": text, "failed": failed}, Provenance.REAL)
    imported = outcome_of(parsed(text), failed=failed, call=call)
    assert outcome_type(called, call) == outcome_type(imported, call)
    assert called.content() == imported.content()
    if failed:
        assert not called.ok
        assert called.raised == imported.raised


@pytest.mark.parametrize("failed", [True, False])
async def test_a_frameworks_call_outside_sessions_is_recorded_like_one_in_a_session(
    tmp_path: Path, failed: bool
) -> None:
    result = {"text": "no account for bob", "failed": failed}
    tools = AgentTools()
    tool: Any = tools.toolset([framework_facts()]).get("pay")
    with artis_sdk.capture(tmp_path / "calls.db"):
        assert await tools.acall("pay", {"to": "bob"}, lambda _: result) is result
    with CallLog(tmp_path / "calls.db") as log:
        (made,) = log.records()
    assert made.outcome.model_copy(update={"duration": None}) == tool.outcome(result, Provenance.REAL)


def test_a_text_behind_an_error_word_has_the_type_of_its_class() -> None:
    assert typed("Error: ValueError - no such account") == "ValueError"
    assert failed_type("Run raised an exception: No file") == "Run raised an exception: No file"
    assert typed("Error: KeyError: 'x'") == typed("KeyError: 'x'") == "KeyError"
    # LangGraph's ToolNode, of a class that is not called an error
    assert typed("Error: PaymentDeclined('no cover')\n Please fix your mistakes.") == "PaymentDeclined"
    assert typed("Error: Out of stock (item 7)") == "Out of stock (item <*>)"


@pytest.mark.parametrize("option", ["fetch", "fetch:smell", ":text"])
def test_an_answer_to_no_rule_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: str
) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(
        app, ["logs", "failures", "--tools", "logs.test_failure_rules:fetch", "--failure", option]
    )
    assert isinstance(done.exception, ConfigurationError)
    assert not Path("artis.toml").exists()


def test_settings_of_another_form_are_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "artis.toml"
    path.write_text("failure_rules = {fetch = {text = true}}\n")
    with pytest.raises(ConfigurationError, match="by hand"):
        write_answers([("fetch", "status", False)], path)
    assert path.read_text() == "failure_rules = {fetch = {text = true}}\n"


def shown(arguments: list[str]) -> list[dict[str, Any]]:
    done = CliRunner().invoke(app, [*arguments, "--json"])
    assert done.exit_code == 0, done.output
    tools: list[dict[str, Any]] = json.loads(done.stdout)["tools"]
    return tools
