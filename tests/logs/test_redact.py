"""Redaction: what counts as a secret, and that a secret is nowhere in the files."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from helpers.logs import file_bytes, json_values, record
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, JsonValue, SecretStr, TypeAdapter

from artis_sdk.errors import ConfigurationError
from artis_sdk.logs import CallLog, Redactor, export_jsonl, export_parquet, read_parquet
from artis_sdk.logs.secret_names import SECRET_NAMES, SecretNames
from artis_sdk.records import CallRecord, Outcome, Provenance, Step, ToolCall, ToolSpec

REDACTED = re.compile(r"\[redacted:[0-9a-f]{8}\]")
KEY = b"k" * 16


def hidden(arguments: dict[str, JsonValue], redactor: Redactor | None = None) -> dict[str, JsonValue]:
    return (redactor or Redactor()).redact_arguments("login", arguments)


# --- names ------------------------------------------------------------------------------------

SECRET = """
password passwd userPassword new_password2 PASSWORD passWord user-password api_key apiKey APIKey X-Api-Key
apikeys Authorization proxy-authorization token access_token accessToken accesstoken next_page_token
client_secret clientsecret pin card_pin pinCode PIN cvv otp auth basic_auth auth_token cookie Set-Cookie
aws_secret_access_key ssn cardNumber credentials secrets api_keys access_tokens password_hash private_key_pem
db_connection_string
"""
PLAIN = """
tokens max_tokens maxTokens token_count tokenCount token_limit pinned spin shipping pin_message_id author
authenticated auth_method monkey key key_id user session_id password_expires_at token_type secretary keyboard
passenger compass pineapple opinion total_tokens stop_token_ids amount to
"""


@pytest.mark.parametrize("name", SECRET.split())
def test_secret_names(name: str) -> None:
    assert SecretNames(SECRET_NAMES).is_secret(name)
    assert SecretNames(SECRET_NAMES).may_be_in(f"... {name} ...")


@pytest.mark.parametrize("name", PLAIN.split())
def test_names_of_no_secrets(name: str) -> None:
    assert not SecretNames(SECRET_NAMES).is_secret(name)


@given(st.sampled_from(sorted(SECRET_NAMES)), st.text("aB_-1 ", max_size=4), st.text("aB_-1 ", max_size=4))
def test_the_quick_look_sees_every_secret_name(name: str, before: str, after: str) -> None:
    names = SecretNames(SECRET_NAMES)
    assert names.may_be_in(before + name + after) or not names.is_secret(before + name + after)


def test_names_can_be_added_allowed_and_turned_off() -> None:
    given: dict[str, JsonValue] = {"iban": "DE00 1234", "page_token": "abcdef", "token": "abcxyz"}
    assert hidden(given, Redactor(names=())) == given
    redactor = Redactor(names=SECRET_NAMES | {"iban"}, allow=["page_token"])
    seen = hidden(given, redactor)
    assert seen["page_token"] == "abcdef"
    assert REDACTED.fullmatch(str(seen["iban"]))
    assert REDACTED.fullmatch(str(seen["token"]))


# --- values -----------------------------------------------------------------------------------


def test_equal_secrets_look_equal_and_others_do_not() -> None:
    redactor = Redactor()
    first, same, other = (hidden({"pin": pin}, redactor)["pin"] for pin in ("1234", 1234, "1235"))
    assert first == same != other
    assert hidden({"pin": "1234"})["pin"] != first  # another key: nobody can try all PINs
    assert hidden({"pin": "1234"}, Redactor(key=KEY)) == hidden({"pin": "1234"}, Redactor(key=KEY))


def test_what_is_no_secret_stays() -> None:
    given: dict[str, JsonValue] = {"password": None, "token": True, "secret": "", "pin": False}
    assert hidden(given) == given


def test_whole_structures_under_a_name_keep_their_shape() -> None:
    seen = hidden(
        {"credentials": {"user": "bob", "codes": [1234, None, "wxyz"]}, "note": "bob, 1234 and wxyz"}
    )
    assert list(seen["credentials"]) == ["user", "codes"]  # type: ignore[arg-type]
    assert "bob" not in json.dumps(seen)
    assert not re.search("1234|wxyz", json.dumps(seen))


def test_short_secrets_vanish_elsewhere_only_as_whole_words() -> None:
    seen = hidden({"pin": "1234", "note": "1234, ACC1234, 12345", "amount": 1234, "n": 12345})
    assert re.fullmatch(rf"{REDACTED.pattern}, ACC1234, 12345", str(seen["note"]))
    assert REDACTED.fullmatch(str(seen["amount"]))
    assert seen["n"] == 12345
    assert hidden({"pin": "7", "note": "7 of 7"})["note"] == "7 of 7"


def test_words_that_tell_nothing_stay_elsewhere() -> None:
    seen = hidden({"password": "password", "note": "wrong password"})
    assert list(seen) == ["password", "note"]
    assert REDACTED.fullmatch(str(seen["password"]))
    assert seen["note"] == "wrong password"


def test_a_bearer_token_vanishes_without_its_scheme_too() -> None:
    seen = hidden({"headers": {"Authorization": "Bearer abc.def"}, "note": "sent abc.def"})
    assert "abc.def" not in json.dumps(seen)


@pytest.mark.parametrize(
    "text",
    [
        'login(user="bob", password="SECRET")',
        "login(user='bob', password='SECRET')",
        '{"name": "login", "arguments": {"password": "SECRET"}}',
        '{"name": "login", "arguments": {"password": "SECRET',
        '{"name": "login", "arguments": "{\\"password\\": \\"SECRET\\"}"}',
        '{"name": "login", "arguments": "{\\"password\\": \\"SECRET',
        "password=SECRET&user=bob",
        "error: password = SECRET",
        "Authorization: Bearer SECRET",
        "curl -H 'X-Api-Key: SECRET' https://example.org",
        "postgres://bob:SECRET@db/prod",
        "https://:SECRET@example.org/x",
        "https://[redacted:01234567]@example.org and https://[redacted:01234567]:SECRET@example.org",
    ],
)
def test_secrets_in_texts(text: str) -> None:
    seen = str(hidden({"note": text.replace("SECRET", "hunter2-x9")})["note"])
    kept = seen.replace("[redacted:01234567]", "[kept]")
    assert REDACTED.sub("SECRET", kept).replace("[kept]", "[redacted:01234567]") == text


def test_prose_is_left_alone() -> None:
    text = "Your token: expired. The password must have 8 characters; max_tokens=5, pin: none"
    seen = hidden({"note": text, "why": "expired"})
    assert REDACTED.sub("expired", str(seen["note"])) == text
    assert seen["why"] == "expired"  # a bare word after a name is not looked for elsewhere


def test_a_secret_in_text_that_is_json_vanishes_elsewhere() -> None:
    seen = hidden({"body": '{"a": [{"password": "hunter2"}]}', "note": "hunter2!"})
    assert "hunter2" not in json.dumps(seen)


# --- types and rules --------------------------------------------------------------------------


class Card(BaseModel):
    number: SecretStr
    owner: str


class Wallet(BaseModel):
    cards: list[Card]
    code: SecretStr | None = None
    more: dict[str, SecretStr] = {}
    inner: Wallet | None = None


def test_parameters_that_the_signature_marks() -> None:
    spec = ToolSpec(name="login", parameters=TypeAdapter(Wallet).json_schema())
    deep: dict[str, JsonValue] = {"cards": [{"number": "4111 1111", "owner": "ann"}], "code": "xyzzy"}
    inner: dict[str, JsonValue] = {**deep, "code": None, "more": {}}
    given: dict[str, JsonValue] = {**deep, "more": {"a": "plugh"}, "inner": inner}
    seen = Redactor().redact_arguments(spec, given)
    assert not re.search("4111|xyzzy|plugh", json.dumps(seen))
    assert json.dumps(seen).count("ann") == 2
    redactor = Redactor()
    redactor.know(spec)
    assert "4111" not in json.dumps(redactor.redact_arguments("login", given))
    assert "4111" in json.dumps(redactor.redact_arguments("other", given))


def test_rules() -> None:
    def is_iban(path: str, value: JsonValue) -> bool:
        return path.startswith("login.") and isinstance(value, str) and value.startswith("DE")

    redactor = Redactor("login.arguments.code", "*.items.0", re.compile(r"sk-\w+"), is_iban)
    seen = redactor.redact_arguments(
        "login", {"code": 4711, "items": ["first", "second"], "note": "key sk-abc, 4711", "to": "DE1234"}
    )
    assert not re.search("4711|first|sk-abc|DE1234", json.dumps(seen))
    assert seen["items"][1] == "second"  # type: ignore[index]
    other = redactor.redact_arguments("pay", {"code": 4711, "to": "DE1234"})
    assert other == {"code": 4711, "to": "DE1234"}


@pytest.mark.parametrize(
    ("rules", "more"), [((5,), {}), ((["a"],), {}), ((), {"key": b"short"}), ((), {"key": b"x" * 65})]
)
def test_unusable_rules(rules: tuple[Any, ...], more: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        Redactor(*rules, **more)


def test_the_outcome_of_a_call_loses_the_secrets_of_its_arguments() -> None:
    outcome = Outcome.failure("Denied", "wrong password hunter2", Provenance.REAL, value={"token": "t0k3n"})
    seen = Redactor().redact_outcome("login", outcome, {"password": "hunter2"})
    assert not re.search("hunter2|t0k3n", seen.model_dump_json())
    assert seen.provenance is Provenance.REAL
    assert Redactor().redact_outcome("login", outcome, {"password": "real"}).provenance is Provenance.REAL


# --- laws -------------------------------------------------------------------------------------

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
