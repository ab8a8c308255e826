"""Values full of secrets: nothing of them is left, the work is bounded, and the rest of a value stays."""

from __future__ import annotations

import json
import random
import re
import string
import sys
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import JsonValue

from artis_sdk.logs import Redactor
from artis_sdk.logs.leaves import all_texts
from artis_sdk.logs.secret_budget import DIFFERENT, PLACES
from artis_sdk.records import Outcome, Provenance

MANY = PLACES + 500


def keys(number: int, seed: int = 0) -> list[str]:
    made = random.Random(seed)
    letters = string.ascii_letters + string.digits
    return ["a1" + "".join(made.choices(letters, k=14)) for _ in range(number)]


def shown(value: JsonValue, later: JsonValue = None) -> tuple[JsonValue, JsonValue]:
    """What is written of an outcome, and of a later one of the same session."""
    redactor = Redactor()
    known = redactor.new_secrets()

    def write(value: JsonValue) -> JsonValue:
        outcome = Outcome.success(value, Provenance.REAL)
        return redactor.redact_outcome("read", outcome, {}, known=known).value

    return write(value), write(later)


SHAPES: dict[str, Callable[[list[str]], JsonValue]] = {
    "one text": lambda keys: " ".join(f"token={key}" for key in keys),
    "lines": lambda keys: "\n".join(f"x-api-key: {key}" for key in keys),
    "JSON in a text": lambda keys: json.dumps([{"password": key} for key in keys]),
    "rows": lambda keys: [{"user": number, "password": key} for number, key in enumerate(keys)],
    "texts": lambda keys: [f"password={key}" for key in keys],
    "URLs": lambda keys: [f"https://ann:{key}@example.org/" for key in keys],
    "rows and texts": lambda keys: {
        "log": " ".join(f"token={key}" for key in keys[::2]),
        "rows": [{"pin": key} for key in keys[1::2]],
    },
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("number", [DIFFERENT + 50, MANY])
def test_no_secret_is_left_of_a_value_full_of_them(shape: str, number: int) -> None:
    secrets = keys(number)
    written, _ = shown(SHAPES[shape](secrets))
    text = json.dumps(written)
    assert [secret for secret in secrets if secret in text] == []


def test_up_to_the_bound_each_place_is_replaced_for_itself() -> None:
    secrets = keys(PLACES)
    written, _ = shown([{"user": number, "password": key} for number, key in enumerate(secrets)])
    assert isinstance(written, list)
    assert len({str(row) for row in written}) == PLACES
    text, _ = shown(" ".join(f"token={key}" for key in secrets))
    assert str(text).count("token=[redacted:") == PLACES


def test_beyond_it_the_rest_of_a_value_stays() -> None:
    """A long text full of secrets is hidden whole; other texts and other keys are not."""
    secrets = keys(MANY)
    written, _ = shown({"log": " ".join(f"token={key}" for key in secrets), "status": "done", "n": 3})
    assert isinstance(written, dict)
    assert (written["status"], written["n"]) == ("done", 3)
    assert re.fullmatch(r"\[redacted:[0-9a-f]{8}\]", str(written["log"]))
    rows, _ = shown([{"user": number, "password": key} for number, key in enumerate(secrets)])
    assert isinstance(rows, list)
    assert [row["user"] for row in rows if isinstance(row, dict)] == list(range(MANY))


def test_a_long_text_has_room_for_as_many_more() -> None:
    secrets = keys(2 * PLACES)
    text, _ = shown(" ".join(f"token={key} {'word ' * 250}" for key in secrets))
    assert str(text).count("token=[redacted:") == 2 * PLACES


@pytest.mark.parametrize("around", ["it is {}.", "{}, they say", "x={}&y", "é {} é", '{{"a": "{}"}}', "{}"])
def test_one_of_very_many_is_known_elsewhere_as_a_word(around: str) -> None:
    secrets = keys(PLACES)
    later: list[JsonValue] = [around.format(key) for key in secrets]
    _, written = shown([{"password": key} for key in secrets], later)
    text = json.dumps(written)
    assert [secret for secret in secrets if secret in text] == []


def test_a_harmless_value_full_of_names_is_unchanged() -> None:
    log = "".join(f"token_count={number} author=ann pin_message_id={number} " for number in range(2 * MANY))
    rows: list[JsonValue] = [{"token_count": number, "author": f"a{number}"} for number in range(2 * MANY)]
    assert shown(log)[0] == log
    assert shown(rows)[0] == rows


def calls_of(work: Callable[[], object]) -> int:
    """Number of calls, of Python and C functions, that the work makes."""
    number = 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal number
        number += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(None)
    return number


@pytest.mark.parametrize("shape", ["one text", "lines", "JSON in a text"])
def test_the_work_does_not_grow_with_the_secrets_of_a_text(shape: str) -> None:
    """Both are less than a megabyte."""
    few, many = SHAPES[shape](keys(MANY)), SHAPES[shape](keys(6 * MANY))
    once, more = calls_of(lambda: shown(few)), calls_of(lambda: shown(many))
    assert more < 1.2 * once


PIECES = st.sampled_from(
    [
        *("token=", "password: ", "--api-key ", "Bearer ", "https://ann:{}@example.org ", '"pin": "{}", '),
        *("-u ann:{} ", "&sig={} ", "word ", "\n", "token_count=5 ", '\\"', "<password>{}</password>"),
    ]
)


@settings(max_examples=30, deadline=None)
@given(st.lists(PIECES, min_size=1, max_size=5), st.integers(1, 10**6), st.booleans())
def test_a_mixture_full_of_secrets_hides_what_a_short_one_hides(
    pieces: list[str], seed: int, apart: bool
) -> None:
    """What is hidden of a few repetitions is hidden of many."""

    def made(secrets: list[str]) -> list[str]:
        return [
            "".join(piece.replace("{}", key) if "{}" in piece else f"{piece}{key} " for piece in pieces)
            for key in secrets
        ]

    secrets = keys(MANY, seed)
    few, many = made(secrets[:50]), made(secrets)
    short, _ = shown([*few] if apart else "; ".join(few))
    long, _ = shown([*many] if apart else "; ".join(many))
    hidden = {key for key in secrets[:50] if not any(key in text for text in all_texts(short))}
    assert [key for key in hidden if any(key in text for text in all_texts(long))] == []
