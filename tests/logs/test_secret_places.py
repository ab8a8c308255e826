"""Quick ways of searching find what the plain ones find."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from artis_sdk.logs.secret_names import SECRET_NAMES, SecretNames
from artis_sdk.logs.secret_places import Place, SecretPlaces
from artis_sdk.logs.secret_text import SecretTexts
from artis_sdk.logs.text_search import TextSearch, folded

CORPUS = Path(__file__).parent / "found_in_texts.jsonl"
"""A text a line, composed of names, marks, values, quotes and escapes, and what the rules found in it before
they were made quicker."""
NAMES = SecretNames(SECRET_NAMES)
PLACES = SecretPlaces(NAMES)
WORDS = sorted(PLACES._patterns)


def test_texts_are_read_as_they_were() -> None:
    texts = SecretTexts(NAMES)
    lines = [json.loads(line) for line in CORPUS.read_text(encoding="utf-8").splitlines()]
    assert len(lines) > 400
    assert [[text, [list(found) for found in texts.find(text)]] for text, _ in lines] == lines


def plain_places(text: str) -> Iterator[Place]:
    """Each pattern goes over the whole text."""
    lower = folded(text)
    for word, patterns in PLACES._patterns.items():
        for kind, as_written, pattern in patterns:
            if word not in lower or (kind == "attribute" and not re.search("value=|content=", lower)):
                continue
            for match in pattern.finditer(text if kind in ("token", "block", "basic") else lower):
                yield *match.span(), kind, as_written


def long_text(seed: int, size: int) -> str:
    """Stretches full of one word, of random letters, and of texts of the corpus."""
    made = random.Random(seed)
    corpus = [json.loads(line)[0] for line in CORPUS.read_text(encoding="utf-8").splitlines()]
    pieces: list[str] = []
    while size > 0:
        kind, length = made.randrange(4), made.choice([100, 3_000, 30_000])
        if kind == 0:
            piece = f"{made.choice(WORDS)}{made.choice(['=', ': a1b2c3d4 ', ' ', ''])}" * (length // 12)
        elif kind == 1:
            piece = "".join(made.choices("abcdefghijklmnopqrstuvwxyzABC0123 =-", k=length))
        else:
            piece = "\n".join(made.choices(corpus, k=length // 100))
        pieces.append(piece if made.random() < 0.9 else piece.upper())
        size -= len(piece)
    text = made.choice(["\n", " ", ""]).join(pieces)
    return text if made.random() < 0.5 else text.encode("ascii", "replace").decode()


@pytest.mark.parametrize("size", [1, 2_049, 20_000, 50_000, 250_000])
@pytest.mark.parametrize("seed", range(4))
def test_places_of_long_texts_are_those_of_every_pattern(size: int, seed: int) -> None:
    text = long_text(seed, size)
    assert list(PLACES.find(text)) == sorted(plain_places(text))


@pytest.mark.parametrize("shift", range(0, 200, 7))
@pytest.mark.parametrize(
    "after", ["pin=1 otp=2 jwt=3 ssn=4 pwd=5 ", "token=a1 ", "a token-" + "a" * 40 + "-token=b2 "]
)
def test_places_at_the_edge_of_a_block_are_those_of_every_pattern(shift: int, after: str) -> None:
    """In order, each once, also where a word becomes frequent behind a place that reaches over the edge."""
    few = "jwt: x, pin=1, otp-token-cookie=2, passwd=3, auth=4, ssn=5, mfa_token: 6; "
    text = ""
    for edge in (2_048, 10_240, 43_008):
        text = f"{text}{'x' * (edge - len(text) - shift)}{few}{after * 40}"
    text += "x" * 40_000
    assert list(PLACES.find(text)) == sorted(plain_places(text))


@pytest.mark.parametrize(
    "text",
    [
        "redis://:hunter2-x9@example.org:6379/0",
        "://://:/ redis://:hunter2-x9@[redacted:0a1b2c3d]",
        "the\\npin=hunter2-x9",
        "curl -u \\\n  ann:hunter2-x9",
        "password is sunshine, password is hunter2-x9",
        "password is hunter2x9, the token is [redacted:0a1b2c3d]",
        "the token is  hunter2-x9",
        "--token is-hunter2-x9",
        "<token is='a'>hunter2-x9</token>",
    ],
)
def test_the_quick_ways_pass_over_no_secret(text: str) -> None:
    assert [found.value for found in SecretTexts(NAMES).find(text) if "hunter2" in found.value]


LINES = st.lists(st.text("abé\ud800 ", max_size=6), max_size=8)


@example(["xa", "b"], ["a\nb", "b"], 0)
@settings(max_examples=300, deadline=None)
@given(LINES, st.lists(st.text("abé\ud800 \n", min_size=1, max_size=3), max_size=5), st.integers(0, 100))
def test_every_line_with_a_needle_has_a_start(lines: list[str], needles: list[str], others: int) -> None:
    """Few needles or many, and also when short texts were searched before."""
    text = "\n".join(lines)
    search = TextSearch([*needles, *(f"none {number}" for number in range(others))])
    every = {start for _, start, _ in search.find(text)}
    for _ in range(3):
        starts = set(search.starts(text))
        assert starts <= every
        lines_of = [{text.count("\n", 0, start) for start in group} for group in (starts, every)]
        assert lines_of[0] == lines_of[1]
        search.starts("x" * 4_000)
