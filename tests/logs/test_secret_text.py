"""Secrets in texts: where they are found, where nothing is, and in what time."""

from __future__ import annotations

import json
import re
import time
from base64 import b64encode
from collections.abc import Callable
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from pydantic import JsonValue

from artis_sdk.logs import Redactor
from artis_sdk.logs.leaves import leaves, map_leaves
from artis_sdk.logs.secret_names import SECRET_NAMES, SecretNames
from artis_sdk.logs.session_secrets import SessionSecrets
from artis_sdk.logs.shown import map_record
from artis_sdk.logs.text_search import Occurring, TextSearch, apart, without_half_pairs
from artis_sdk.records import CommittedCall, Outcome, Provenance, Risk, ToolCall, ToolSpec
from artis_sdk.records.events import CallCommitted

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
        f"machine example.org login ann password {S}",
        f"my password was {S}.",
        f"docker login ghcr.io -u ann -p {S}",
        f"mysql -u root -p{S} shop",
        f"redis-cli -h cache -a {S} ping",
        f"ansible_become_pass: {S}",
        f'<password type="plain">{S}</password>',
        f"AccountName=shop;AccountKey={KEY}==;",
        f"https://discord.com/api/webhooks/123456/{KEY}",
        json.dumps({"body": json.dumps({"inner": json.dumps({"api_key": S})})}),
        f'password = """{S}"""',
        f"password = '''\n{S}\n'''",
        json.dumps(json.dumps({"toml": f'password = """{S}"""'})),
        f"{{&quot;password&quot;: &quot;{S}&quot;}}",
        f"password=&#x27;{S}&#x27; and &amp;quot;",
        f"password&#61;{S}",
        f"%7B%22password%22%3A%22{S}%22%7D",
        f"password%3D{S}%26user%3Dbob",
        f"<input type=password value={S}>",
        f'<input class="a" type="hidden" name="csrf_token" id="t" value="{S}">',
        f"<input value='{S}' type='password'/>",
        json.dumps({"html": f'<input type="password" value="{S}">'}),
        f'<add key="Smtp.Password" value="{S}" />',
        f'<meta name="csrf-token" content="{S}">',
        f"<password><![CDATA[{S}]]></password>",
        f"export PASSWORD=\\\n{S}",
        json.dumps({"shell": f"password=\\\n    {S}"}),
        f"mysql --password \\\n  {S}",
        f"curl -u \\\n  admin:{S} https://example.org",
        f"password: |\n  {S}\nuser: ann",
        json.dumps({"yaml": f"password: >-\n  {S}\nuser: ann"}),
        f"echo '{S}' | sudo -S ls",
        f"printf {S} | docker login -u ann --password-stdin",
        f"vault login {S}",
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
        "docker run -p 8080:80 image, then docker login and mkdir -p a/b",
        "mysql -u root -p shop; redis-cli -h cache1 get a1",
        "(the password [redacted:0a1b2c3d]) and (the token is [redacted:0a1b2c3d])",
        "the password policy2024 file, a token v2beta1x, password protected",
        'type="password" and value="a1b2c3d4" stand in no tag',
        '<input type="text" name="city" value="a1b2c3d4"><b title="password">value=a1b2c3d4</b>',
        "<option value=token-a1b2c3d4>one</option>",
        "echo a1b2c3d4 | grep sudo; echo a1b2c3d4",
        "caf&eacute; &quot;password&quot; and %22token%22",
    ],
)
def test_what_is_left_alone(text: str) -> None:
    assert shown(text) == text


@pytest.mark.parametrize(
    "value",
    [
        {f"password={S}": 1},
        {"a": [{f"Bearer {KEY}": [2]}]},
        ["password", S],
        ["pin", 71904],
        [["user", "ann"], ["password", "sunshine"]],
        {"headers": [["Authorization", f"Bearer {KEY}"], ["Accept", "*/*"]]},
        ["HSET", "ann", "user", "ann", "password", S],
        ["mysql", "--password", "sunshine"],
        ["curl", "-u", f"admin:{S}", "https://example.org"],
        ["docker", "login", "-p", S],
        ["sshpass", "-p", S, "ssh"],
        {"type": "password", "value": S},
        {"Name": "DB_PASSWORD", "Value": ["sunshine"]},
    ],
)
def test_what_is_found_in_keys_lists_and_objects(value: JsonValue) -> None:
    for redactor in (Redactor(), Redactor("nothing.*")):
        written = redactor.redact_arguments("post", {"note": value})["note"]
        assert not re.search(rf"{S}|{KEY}|sunshine|71904", json.dumps(written))
        assert len(json.dumps(written)) > 20


@pytest.mark.parametrize(
    "value",
    [
        ["password", "username"],
        {"required": ["user", "password", "email"], "type": "object"},
        [["name", "password"], ["1", "2"]],
        ["git", "push", "-u", "origin", "main:main"],
        ["docker", "run", "-p", "8080:80", "-u", "1000:1000", "image"],
        {"type": "text", "value": "sunshine7"},
        ["token_count", "a1b2c3d4"],
    ],
)
def test_what_is_left_alone_in_lists_and_objects(value: JsonValue) -> None:
    assert Redactor().redact_arguments("post", {"note": value})["note"] == value


def test_keys_that_become_the_same_are_kept_apart() -> None:
    value: JsonValue = {f"password=xyz{n}zyx{n}": n for n in range(2_100)}
    written = Redactor().redact_arguments("post", {"note": value})["note"]
    assert isinstance(written, dict)
    assert len(written) == 2_100
    assert "xyz" not in json.dumps(written)


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


PIECES = st.lists(
    st.sampled_from(
        [
            *("password", "token", "pin", "api key", "DB_PASS", "author", "Bearer ", "basic ", "--password"),
            *("-u", "://", "@", "user:pw1234@", "sk-", "sk-abcdefgh12345678", "?key=", "&sig=", "curl -u a:"),
            *("=", ": ", " is ", " ", "\n", "\\n", '"', '\\"', "<", ">", "</", "{", "[", ",", "-", "_", "."),
            *(S, KEY, KEY[:12], "sunshine", "1234", "-----BEGIN PRIVATE KEY-----", "é", "\ud800", "\u0130"),
        ]
    ),
    max_size=6,
).map("".join)
VALUES = st.recursive(
    PIECES | st.integers() | st.floats(allow_nan=False) | st.booleans() | st.none(),
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(PIECES, inner, max_size=6),
    max_leaves=30,
)


def by_leaf(value: JsonValue, hide: Callable[[JsonValue], JsonValue]) -> JsonValue:
    """The value with `hide` applied to each leaf, and to each key, alone."""
    if isinstance(value, dict):
        return {str(hide(key)): by_leaf(item, hide) for key, item in value.items()}
    return [by_leaf(item, hide) for item in value] if isinstance(value, list) else hide(value)


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(value=VALUES)
def test_a_whole_value_is_redacted_as_its_leaves_are(value: JsonValue) -> None:
    """Each text is looked at once, in one text with all others, and comes out as if it stood alone."""
    redactor, names = Redactor(), SecretNames(SECRET_NAMES)
    known = redactor.new_secrets()
    for secret in (S, KEY, "1234"):
        known.add(secret)

    def named(value: JsonValue) -> JsonValue:
        """What stands under a secret's name is replaced as a whole."""
        if isinstance(value, dict):
            return {
                str(redactor.cover(key, "", known)): map_leaves(
                    item,
                    lambda leaf: known.add(leaf) if leaf != "" else "",
                    lambda name: str(redactor.cover(name, "", known)),
                )
                if names.is_secret(key)
                else named(item)
                for key, item in value.items()
            }
        if isinstance(value, list):  # names in lists have tests of their own
            assume(
                not any(isinstance(item, str) and (item == "-u" or names.is_secret(item)) for item in value)
            )
            return [named(item) for item in value]
        return redactor.cover(value, "", known)

    covered = redactor.cover(value, "", known)
    assert covered == named(value)
    assert known.hide(covered) == by_leaf(covered, known.hide)


@settings(max_examples=100, deadline=None)
@given(text=PIECES, before=st.integers(0, 70_000), repeat=st.integers(1, 3))
def test_what_a_text_holds_is_found_wherever_it_stands(text: str, before: int, repeat: int) -> None:
    """Blocks are searched one after the other, and a word that was found is not searched for again."""
    words = ["password", "token", "-u", "://", "sk-", "b"]
    filled = "a" * before + text * repeat + "a" * 3
    assert Occurring(words).find(without_half_pairs(filled)) == {word for word in words if word in filled}


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
    "numbers and names": lambda n: "pin=1 " * (n // 6),
    "different keys": lambda n: " ".join(f"token=a1b2c3d4e5f6{k:05}" for k in range(n // 24)),
    "rows": lambda n: json.dumps([{"id": k, "pin": k, "author": "ann"} for k in range(n // 40)]),
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


@given(value=VALUES, name=st.sampled_from(["value", "pin_code", "note", "api_key", "x"]))
@settings(max_examples=200, deadline=None)
def test_what_is_passed_without_a_closer_look_holds_nothing(value: JsonValue, name: str) -> None:
    """Every event and journaled call is first looked at in one pass; only a certain answer ends there."""
    redactor = Redactor()
    known, found = redactor.new_secrets(), redactor.new_secrets()
    for secret in (S, KEY, "1234"):
        known.add(secret)
    value = {name: value, "other": [value]}
    parts = leaves(value)
    if redactor.finds_none(parts):
        assert redactor.cover(value, "look.outcome.value", found) == value
        assert found.size == 0
        for text in parts.texts:
            assert redactor.cover(text, "look.outcome.message", found) == text
    if known.has_none(parts):
        assert known.hide(value) == value


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        ({"place": "there", "found": ["a book", 1234, None]}, True),
        ({"shipping": "discard the opinion of the author"}, True),  # parts of words that begin names
        ({"password": 7}, False),
        ({"note": "password=abc123"}, False),
    ],
)
def test_most_values_need_no_closer_look(value: JsonValue, plain: bool) -> None:
    assert Redactor().finds_none(leaves(value)) is plain


def test_tools_with_marks_and_rules_always_need_a_closer_look() -> None:
    parts = leaves({"code": "abc"})
    redactor = Redactor()
    marked = {"properties": {"code": {"type": "string", "format": "password"}}}
    redactor.know(ToolSpec(name="enter", description="", parameters=marked))
    assert not redactor.finds_none(parts, {"enter"})
    assert redactor.finds_none(parts, {"leave"})
    assert not Redactor("*.code").finds_none(parts)
    assert not Redactor(lambda path, value: False).finds_none(parts)


@given(arguments=st.dictionaries(PIECES, VALUES, max_size=3), value=VALUES, message=st.none() | PIECES)
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_an_event_is_shown_as_if_each_of_its_fields_were_looked_at(
    arguments: dict[str, JsonValue], value: JsonValue, message: str | None
) -> None:
    redactor = Redactor(key=b"k" * 16)
    secrets, other = SessionSecrets(redactor), SessionSecrets(redactor)
    for each in (secrets, other):
        each.known.add(S)
        each.known.add("1234")
    outcome = Outcome(ok=message is None, value=value, message=message, provenance=Provenance.SIMULATED)
    committed = CommittedCall(
        call=ToolCall(tool="look", arguments=arguments, raw=message),
        outcome=outcome.model_copy(update={"provenance": Provenance.REAL}),
        risk=Risk.READ_ONLY,
        predicted=outcome,
    )
    event = CallCommitted(committed=committed)

    def hide(item: JsonValue) -> JsonValue:
        return other._made_up.hide(other.known.hide(item))

    covered = other._cover(event, other._made_up)
    expected = map_record(covered, lambda item, _: hide(item), lambda call: hide(call.arguments))
    assert secrets.shown(event) == expected


@pytest.mark.parametrize("before", ["mysql", "docker login", "redis-cli", "a mysqldump now", "mysql\n"])
@pytest.mark.parametrize(
    "after", [f"then mysql -p{S} shop", f"now: docker login -p {S}", f"redis-cli -a {S}"]
)
def test_a_command_at_the_end_of_one_text_hides_nothing_in_the_next(before: str, after: str) -> None:
    for n in range(20):  # the texts of a value are looked at in any order
        value: list[JsonValue] = [f"{n} {before}", f"{n} {after}"]
        assert S not in str(Redactor().redact_arguments("post", {"lines": value}))
