"""Laws of redaction: no file holds a secret, whatever the values are."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from helpers.log_strategies import json_values
from helpers.logs import file_bytes, record
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import JsonValue

from artis_sdk.logs import CallLog, Redactor, export_jsonl, export_parquet, read_parquet
from artis_sdk.records import CallRecord, Outcome, Provenance, Step, ToolCall, ToolSpec

REDACTED = re.compile(r"\[redacted:[0-9a-f]{8}\]")
KEY = b"k" * 16


def hidden(arguments: dict[str, JsonValue], redactor: Redactor | None = None) -> dict[str, JsonValue]:
    return (redactor or Redactor()).redact_arguments("login", arguments)


texts = st.lists(
    st.sampled_from(
        [
            *("password", "token", "a", " ", "=", ": ", '"', "'", "\\", "{", "}", ",", "hunter2", "Bearer "),
            *("://", "@", "x", "\\n", "[redacted:01234567]", "[redacted:", "]", "1234", "é", ".", "!"),
        ]
    ),
    max_size=12,
).map("".join)
secretive = st.recursive(
    json_values | texts | st.integers(0, 9999),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["password", "pin", "tokens", "a", "note"]) | texts, inner, max_size=4
        )
    ),
    max_leaves=12,
)


@pytest.mark.slow
@given(st.dictionaries(st.sampled_from(["password", "note", "a"]), secretive, max_size=3))
@settings(max_examples=100, deadline=None)
def test_redacting_what_is_redacted_changes_nothing(arguments: dict[str, JsonValue]) -> None:
    redactor = Redactor(re.compile("[0-9a-f]{4,8}"), key=KEY)
    once = hidden(arguments, redactor)
    assert json.dumps(hidden(once, redactor)) == json.dumps(once)


def test_a_key_that_a_pattern_changed_is_read_as_it_stands_now() -> None:
    redactor = Redactor(re.compile("[0-9a-f]{4,8}"), key=KEY)
    once = hidden({"password": {"[redacted:password://": []}}, redactor)
    assert "//" not in json.dumps(once)
    assert hidden(once, redactor) == once


secrets = st.text("ab1 é\"'\\\n{}&%😀", min_size=4, max_size=12).map(lambda text: f"zq{text}qz")


FORMS: list[Callable[[str], str]] = [
    str,
    repr,
    quote,
    json.dumps,
    lambda text: json.dumps(text, ensure_ascii=False),
    lambda text: json.dumps(json.dumps({"arguments": [text]})),
    lambda text: f"<{text}>",
]


@st.composite
def leaky_histories(draw: st.DrawFn) -> tuple[str, list[CallRecord]]:
    """The records of one task, each with those before it in its history; every one shows the secret
    somewhere, and at least one says by a name that it is one."""
    secret = draw(secrets)

    def shown() -> str:
        return draw(st.sampled_from(FORMS))(secret)

    def nested() -> JsonValue:
        value: JsonValue = shown()
        for _ in range(draw(st.integers(0, 3))):
            shapes: list[JsonValue] = [[1, value], {"k": value}, {shown(): value}]
            value = shapes[draw(st.integers(0, 2))]
        return value

    namings: list[JsonValue] = [{"password": secret}, {"a": [{"apiKey": secret}]}, {"pin": {"x": [secret]}}]
    named = namings[draw(st.integers(0, 2))]
    naming = draw(st.integers(0, 3))
    steps: list[Step] = []
    records = []
    state = draw(st.sampled_from([None, {"shown": nested()}]))
    for n in range(4):
        arguments: dict[str, JsonValue] = {"v": nested(), **({"n": named} if n == naming else {})}
        call = ToolCall(
            tool="login",
            arguments=arguments,
            raw=draw(st.none() | st.just(shown())),
            malformed=draw(st.none() | st.just(shown())),
        )
        outcome = Outcome(
            ok=draw(st.booleans()),
            value=nested(),
            message=shown(),
            failure_type=draw(st.none() | st.just(shown())),
            raw=shown(),
            provenance=Provenance.REAL,
        )
        made = record(n, spec=ToolSpec(name="login", parameters={}), call=call, outcome=outcome)
        predicted = Outcome.success(nested(), Provenance.SIMULATED, raw=shown())
        parts = {"task": "t", "state": state, "history": tuple(steps), "predicted": predicted}
        records.append(made.model_copy(update=parts))
        steps.append(Step(call=call, outcome=outcome))
    return secret, records


@given(leaky=leaky_histories(), first=st.integers(0, 3), flush=st.booleans())
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_no_file_holds_a_secret(
    tmp_path_factory: pytest.TempPathFactory, leaky: tuple[str, list[CallRecord]], first: int, flush: bool
) -> None:
    secret, records = leaky
    forms = {secret, json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]}
    forms |= {repr(secret)[1:-1], quote(secret), json.dumps(json.dumps(secret)[1:-1])[1:-1]}
    folder = tmp_path_factory.mktemp("leak")
    with CallLog(folder / "calls.db") as log:
        for made in [*records[first:], *records[:first]]:  # late rows come with histories of their own
            log.append(made)
            if flush:
                log.flush()
        log.flush()
        export_jsonl(log.records(), folder / "calls.jsonl")
        export_parquet(log.records(), folder / "calls.parquet")
        export_jsonl(read_parquet(folder / "calls.parquet"), folder / "from-parquet.jsonl")
        for name in ("calls.db", "calls.jsonl", "from-parquet.jsonl"):
            data = file_bytes(folder / name)
            assert b"redacted" in data
            assert not [form for form in forms if form.encode() in data], name


def test_what_turns_out_secret_later_leaves_earlier_rows_and_the_write_ahead_log(tmp_path: Path) -> None:
    spec = ToolSpec(name="issue", parameters={})
    call = ToolCall(tool="issue")
    outcome = Outcome.success("tk-first-seen-here", Provenance.REAL)
    step = Step(call=call, outcome=outcome)
    with CallLog(tmp_path / "calls.db") as log:
        log.append(record(1, spec=spec, call=call, outcome=outcome, task="t", state=["tk-first-seen-here"]))
        log.append(record(2, spec=spec, call=call, outcome=outcome, task="other"))
        log.flush()
        assert b"tk-first-seen-here" in file_bytes(log.path)
        use = ToolCall(tool="use", arguments={"token": "tk-first-seen-here"})
        log.append(record(3, call=use, task="t", state=["tk-first-seen-here"], history=(step,)))
        log.flush()
        first, other, last = log.records()
    assert REDACTED.fullmatch(str(first.outcome.value))
    assert first.outcome.value == last.call.arguments["token"] == last.history[0].outcome.value
    assert first.state == last.state == [first.outcome.value]
    assert other.outcome.value == "tk-first-seen-here"  # another task: nothing is known of it there
    assert file_bytes(log.path).count(b"tk-first-seen-here") == 1


def test_tool_documents_are_not_redacted(tmp_path: Path) -> None:
    spec = ToolSpec(name="login", parameters={"properties": {"password": {"type": "string", "minLength": 8}}})
    with CallLog(tmp_path / "calls.db") as log:
        log.append(record(spec=spec, call=ToolCall(tool="login", arguments={"password": "hunter2222"})))
        (seen,) = log.records()
    assert seen.spec == spec
    assert b"hunter2222" not in file_bytes(log.path)


def test_many_secrets_in_one_state_are_found_quickly(tmp_path: Path) -> None:
    state = {f"user{n}": {"password": f"pw-{n:05d}-x", "hint": f"not pw-{n:05d}-x"} for n in range(2000)}
    with CallLog(tmp_path / "calls.db") as log:
        log.append(record(1, task="t", state=state))
        log.flush()
        (seen,) = log.records()
    assert "pw-" not in json.dumps(seen.state)


def test_a_finder_is_asked_once_a_value() -> None:
    asked: list[str] = []

    class Codes:
        def find(self, text: str) -> list[str]:
            asked.append(text)
            return re.findall(r"CODE-\w+", text)

    seen = hidden({"a": ["x CODE-7712 y", "plain"], "b": {"CODE-7712": 5}}, Redactor(Codes()))
    assert "CODE-7712" not in json.dumps(seen)
    assert len(asked) == 1


def test_provider_keys() -> None:
    pytest.importorskip("kingfisher_sdk")
    from artis_sdk.logs.provider_keys import ProviderKeys

    text = "key dapi0123456789abcdef0123456789abcdef end"
    assert hidden({"note": text}) == {"note": text}
    assert "dapi01234567" not in json.dumps(hidden({"note": text}, Redactor(ProviderKeys())))


SPELLED = [
    "password",
    "api_key",
    'a "quoted" one',
    "back\\slash",
    "\u2028",
    "\ud800",
    "sk-ant-api03-" + 24 * "aB3",
    "x",
]


@given(
    st.recursive(
        st.sampled_from([*SPELLED, "password=hunter2!", '{"pin": "71904"}', None, 7]),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(SPELLED), inner, max_size=3)
        ),
        max_leaves=8,
    )
)
def test_a_quick_look_finds_clear_only_what_a_close_one_does(value: Any) -> None:
    redactor = Redactor()
    if redactor.is_clear(value, ("tool",)):
        known = redactor.new_secrets()
        assert redactor.cover(value, "tool.arguments", known) == value
        assert known.size == 0


@pytest.mark.parametrize(
    ("pair", "gone"),
    [
        ({"name": "DB_PASSWORD", "value": "sunshine7"}, True),
        ({"key": "X-Api-Key", "value": ["sunshine7"]}, True),
        ({"name": "password", "value": {"raw": "sunshine7"}}, True),
        ({"name": "token_count", "value": "sunshine7"}, False),
        ({"name": "password", "kind": "sunshine7"}, False),
        ({"name": "page", "value": "sunshine7"}, False),
    ],
)
def test_a_name_and_its_value_in_one_object(pair: dict[str, JsonValue], gone: bool) -> None:
    """As requests' headers, forms and environment variables are written in JSON."""
    written = hidden({"items": [pair, {"name": 1, "value": None}, {"key": ["a"], "value": "b"}]})
    assert ("sunshine7" not in json.dumps(written)) == gone
