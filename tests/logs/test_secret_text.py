"""Secrets in texts: where they are found, where nothing is, and in what time."""

from __future__ import annotations

import json
import re
import time
from base64 import b64encode
from collections.abc import Callable
from urllib.parse import quote

import pytest
from pydantic import JsonValue

from artis_sdk.logs import Redactor
from artis_sdk.logs.text_search import TextSearch, apart
from artis_sdk.records import Outcome, Provenance

S = "hunter2-x9"
KEY = "Zx81kQm4vT7pLw2RbN6yHd3f"


def shown(text: str, *, password: str | None = None) -> str:
    """The text as it may be written; of a call that was given this password."""
    arguments: dict[str, JsonValue] = {"note": text}
    return str(
        Redactor().redact_arguments("post", arguments | ({"password": password} if password else {}))["note"]
    )


@pytest.mark.parametrize(
    "text",
    [
        f"curl -u admin:{S} https://example.org",
        f"curl --user 'admin:{S}' https://example.org",
        f'curl --user="admin:{S}" https://example.org',
        f"mysql --password {S} shop",
        f"mysql --password={S} shop",
        f"psql --api-key '{S}'",
        f"DB_PASS={S}",
        f"export SMTP_PASS='{S}'",
        f"MYSQL_PWD={S} mysqldump",
        f"https://{S}@github.com/a/b",
        f"git clone https://{KEY}@github.com/a/b.git",
        f"https://x-access-token:{S}@github.com/a/b",
        f"https://blob.example.org/a?sv=1&sig={quote(S)}",
        f"https://example.org/a?X-Amz-Signature={KEY.lower()}&x=1",
        f"https://example.org/cb?code={KEY}&state=1",
        f"sent Bearer {KEY} to them",
        f"Bearer {S}",
        f"Basic {b64encode(f'admin:{S}'.encode()).decode()}",
        f"the key sk-proj-{KEY} is new",
        f"sk-ant-api03-{KEY}",
        f"ghp_{KEY}{KEY[:12]} and more",
        f"log:\\nghp_{KEY}{KEY[:12]}\\nend",
        "AKIAIOSFODNN7EXAMPLE",
        f"xoxb-123456789012-{KEY}",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U",
        f"-----BEGIN RSA PRIVATE KEY-----\n{KEY}\n{KEY}\n-----END RSA PRIVATE KEY-----",
        f"<login><user>bob</user><password>{S}</password></login>",
        f"the password is {S}, keep it safe",
        f"api key: {S}",
        f"sshpass -p {S} ssh ann@example.org",
        f"error:\\npassword={S}\\nuser=bob",
        json.dumps({"body": json.dumps({"inner": json.dumps({"api_key": S})})}),
    ],
)
def test_what_is_found(text: str) -> None:
    secrets = (
        S,
        KEY,
        KEY.lower(),
        "AKIAIOSFODNN7EXAMPLE",
        "dozjgNryP4",
        b64encode(f"admin:{S}".encode()).decode(),
    )
    seen = shown(text)
    assert "[redacted:" in seen
    assert not [secret for secret in secrets if secret in seen]


@pytest.mark.parametrize(
    "text",
    [
        "git push -u origin main:main",
        "docker run -u 1000:1000 image",
        "ssh://git@github.com/a/b and https://bob@example.org/x",
        "the password is wrong, the token is required; no api key: ask ann",
        "a boarding_pass=12C, pass_rate=0.5, first_pass: done",
        "the bearer of good news, basic understanding, token ring",
        "disk-usage-of-the-machine task-list risk-free",
        "https://example.org/a?code=US&key=color&design=1&signature_style=x",
        "see https://example.org/keys/token#password",
        "-----BEGIN CERTIFICATE-----\nabc\n-----END CERTIFICATE-----",
        "--max-tokens 5 --token-count 12",
        "<p>password</p> has 8 characters",
    ],
)
def test_what_is_left_alone(text: str) -> None:
    assert shown(text) == text


@pytest.mark.parametrize(
    "text",
    [
        S,
        f"my pw is {S}!",
        b64encode(f"admin:{S}".encode()).decode(),
        b64encode(f"root:{S}".encode()).decode(),
        b64encode(f"ab:{S}:more".encode()).decode(),
        quote(f"a b {S} é"),
        S.encode().hex(),
        S.encode().hex().upper(),
        json.dumps(json.dumps(json.dumps([S]))),
    ],
)
def test_a_known_secret_is_found_in_every_form(text: str) -> None:
    seen = shown(text, password=S)
    assert "[redacted:" in seen
    # Of base64 the first and the last character may belong to its neighbours, too.
    assert b64encode(S.encode()).decode()[4:8] not in seen
    assert not re.search(rf"{S}|{S.encode().hex()}", seen, re.IGNORECASE)


@pytest.mark.parametrize("place", [9, 12, 15])
def test_the_pieces_of_a_split_key_are_hidden(place: int) -> None:
    first, second = KEY[:place], KEY[place:]
    seen = Redactor().redact_arguments(
        "post", {"token": KEY, "a": f"first {first}", "b": f"then {second} end"}
    )
    assert re.fullmatch(r"first \[redacted:\w+\]", str(seen["a"]))
    assert re.fullmatch(r"then \[redacted:\w+\] end", str(seen["b"]))


def test_what_overlaps_is_hidden_as_one() -> None:
    seen = shown("abcdef-ghijkl 3defghi", password="abcdef-ghijkl")
    assert re.fullmatch(r"\[redacted:\w+\] 3defghi", seen)
    assert apart([(0, 4, "a"), (2, 9, "b"), (9, 10, "c"), (20, 22, "d")], [(21, 30)]) == [
        (0, 9, "b"),
        (9, 10, "c"),
    ]


def test_searching_keeps_places_in_any_text() -> None:
    text = "\u0130 \ud800 é PassWord \udfff key"
    found = {
        text[start:end] for _, start, end in TextSearch(["password", "key"], ignore_case=True).find(text)
    }
    assert found == {"PassWord", "key"}
    every = "".join(chr(n) for n in range(0x110000))
    assert TextSearch(["\U0010ffff"], ignore_case=True).find(every) == [(0, 0x10FFFF, 0x110000)]


HARD: dict[str, Callable[[int], str]] = {
    "escaped quotes": lambda n: 'password="' + '\\"' * (n // 2),
    "many of them": lambda n: ('password="\\"') * (n // 12),
    "open quotes": lambda n: 'password=\\"' + '\\\\"' * (n // 3),
    "one long name": lambda n: "token-" * (n // 6),
    "values in values": lambda n: "token=" * (n // 6),
    "beginnings of keys": lambda n: "sk-eyJ" * (n // 6),
    "urls": lambda n: "://a:" * (n // 5),
    "blocks": lambda n: "-----BEGIN PRIVATE KEY-----" * (n // 27),
    "cut-off JSON": lambda n: '{"token":"' * (n // 10),
    "spaces": lambda n: ("password" + " " * 100) * (n // 108),
    "backslashes": lambda n: "password" + "\\" * n,
    "different secrets": lambda n: " ".join(f"password={k}xyzab" for k in range(n // 18)),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", HARD)
def test_ten_times_the_text_takes_ten_times_as_long(name: str) -> None:
    """A square would take a hundred times as long."""

    def seconds(size: int) -> float:
        outcome = Outcome.success(HARD[name](size), Provenance.REAL)
        start = time.process_time()
        Redactor().redact_outcome("read", outcome, {"password": S})
        return time.process_time() - start

    seconds(1000)
    small = min(seconds(30_000) for _ in range(5))
    assert min(seconds(300_000) for _ in range(3)) < 40 * small
