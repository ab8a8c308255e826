"""Redaction: what counts as a secret, and that a secret is nowhere in the files."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, JsonValue, SecretStr, TypeAdapter

from artis_sdk.errors import ConfigurationError
from artis_sdk.logs import Redactor
from artis_sdk.logs.secret_names import SECRET_NAMES, SecretNames
from artis_sdk.records import Outcome, Provenance, ToolSpec

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


@pytest.mark.parametrize("name", PLAIN.split())
def test_names_of_no_secrets(name: str) -> None:
    assert not SecretNames(SECRET_NAMES).is_secret(name)


@given(st.sampled_from(sorted(SECRET_NAMES)), st.text("aB_-1 ", max_size=4), st.text("aB_-1 ", max_size=4))
def test_every_secret_name_has_one_of_the_starts(name: str, before: str, after: str) -> None:
    names = SecretNames(SECRET_NAMES)
    whole = before + name + after
    assert any(start in whole.lower() for start in names.starts) or not names.is_secret(whole)


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


@pytest.mark.parametrize("digits", [4_300, 4_301, 10_000])
def test_a_secret_of_very_many_digits(digits: int) -> None:
    """Python reads no integer of more than 4,300."""
    secret = "7" * digits
    assert secret not in str(hidden({"password": secret, "note": f"it is {secret}"}))
