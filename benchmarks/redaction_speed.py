"""CPU time of redacting the outcome of a call, by kind and size of its value.

The call is given a password, which is searched for in all its forms. The last rows hold as many secrets as
fit. `--mixtures` prints the slowest of so many random mixtures of all kinds instead.

    python benchmarks/redaction_speed.py --megabytes 1 5 20
    python benchmarks/redaction_speed.py --megabytes 1 --mixtures 100
"""

from __future__ import annotations

import argparse
import json
import random
import string
import time
from base64 import b64encode
from collections.abc import Callable

from pydantic import JsonValue

from artis_sdk.logs import Redactor
from artis_sdk.records import Outcome, Provenance

LETTERS = string.ascii_letters + string.digits
WORDS = ["order", "paid", "the", "token", "invoice", "address"]
TRIGGERS = ["order", "token", "pin", "author", "password", "bearer", "basic", "auth", "api key", "session"]
Make = Callable[[random.Random, int], JsonValue]
"""Makes a value of this many bytes."""


def repeated(piece: str) -> Make:
    return lambda _, size: piece * (size // len(piece))


def words(of: list[str]) -> Make:
    return lambda r, size: " ".join(r.choices(of, k=size // 4))[:size]


def until(size: int, make: Callable[[], JsonValue]) -> list[JsonValue]:
    """As many of them as fill a JSON text of this size."""
    made: list[JsonValue] = []
    left = size
    while left > 0:
        made.append(make())
        left -= len(json.dumps(made[-1])) + 2
    return made


def rows(r: random.Random, size: int) -> JsonValue:
    """Many short strings, keys and numbers, under names in which words of secrets occur."""
    return until(
        size,
        lambda: {
            "id": r.randint(1, 10**6),
            "name": f"{r.choice(['ann', 'bob', 'eve'])}{r.randint(1, 999)}",
            "author": r.choice("abc"),
            "tags": r.choices(["a1", "b2", "c3"], k=3),
            "amount": round(r.random() * 100, 2),
            "token_count": r.randint(1, 99),
            "paid": r.random() < 0.5,
            "note": None,
        },
    )


def accounts(r: random.Random, size: int) -> JsonValue:
    return until(size, lambda: {"user": r.randint(1, 10**6), "password": "".join(r.choices(LETTERS, k=14))})


def tokens(r: random.Random, size: int) -> JsonValue:
    return " ".join("token=" + "".join(r.choices(LETTERS, k=16)) for _ in range(size // 23))


def log(r: random.Random, size: int) -> JsonValue:
    line = "2026-11-28 12:{:02d} INFO user={} GET https://example.org/a?page={} token_count={} ok\n"
    return "".join(
        line.format(r.randint(0, 59), r.choice(["ann", "bob"]), r.randint(1, 99), r.randint(1, 999))
        for _ in range(size // 77)
    )


KINDS: dict[str, Make] = {
    "words, a sixth of them `token`": words(WORDS),
    "base64, one text": lambda r, size: b64encode(r.randbytes(size * 3 // 4)).decode(),
    "base64, in lines": lambda r, size: "\n".join(
        b64encode(r.randbytes(57)).decode() for _ in range(size // 77)
    ),
    "JSON: short strings, keys, numbers": rows,
    "JSON: numbers": lambda r, size: [r.randint(0, 10**6) for _ in range(size // 8)],
    "JSON in a text": lambda r, size: json.dumps(rows(r, size)),
    "a log": log,
    '`password="` and escaped quotes': lambda _, size: 'password="' + '\\"' * (size // 2),
    "words that tell of secrets": words(TRIGGERS),
    **{f"`{piece}`, repeated": repeated(piece) for piece in ("password ", "pass", "sk-", "://", "bearer ")},
    **{f"`{piece}`, repeated": repeated(piece) for piece in ("&key=", "-u ", "api key ", "token is ")},
    "a secret at each 15th character, one": repeated("token=abc12345 "),
    "a secret at each 23rd character, all different": tokens,
    "a password in each row of 40 characters, all different": accounts,
}


def mixture(r: random.Random, size: int) -> JsonValue:
    """Pieces of several kinds, of 1 to 100 kB, as one text or as items of a list."""
    kinds = r.sample(sorted(KINDS), k=r.randint(2, 6))
    made: list[JsonValue] = []
    left = size
    while left > 0:
        piece = min(left, r.choice([1_000, 10_000, 100_000]))
        made.append(KINDS[r.choice(kinds)](r, piece))
        left -= piece
    if r.random() < 0.5:
        return made
    return r.choice([" ", "\n"]).join(it if isinstance(it, str) else json.dumps(it) for it in made)


def slowest(size: int, mixtures: int, repeat: int) -> tuple[float, float, int]:
    """Median and most CPU seconds of redacting a mixture, and the seed of the slowest."""
    taken = []
    for seed in range(mixtures):
        value = mixture(random.Random(seed), size)
        taken.append((min(seconds(value) for _ in range(repeat)), seed))
    taken.sort()
    return taken[len(taken) // 2][0], *taken[-1]


def seconds(value: JsonValue) -> float:
    """CPU seconds of redacting this outcome."""
    outcome = Outcome.success(value, Provenance.REAL)
    redactor = Redactor()
    start = time.process_time()
    redactor.redact_outcome("read", outcome, {"password": "hunter2-x9"})
    return time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, nargs="+", default=[1, 5, 20])
    parser.add_argument("--repeat", type=int, default=3, help="the best of so many is printed")
    parser.add_argument("--mixtures", type=int, help="number of random mixtures of all kinds")
    options = parser.parse_args()
    if options.mixtures:
        for size in options.megabytes:
            median, most, seed = slowest(size * 1_000_000, options.mixtures, options.repeat)
            per = 1000 / size
            print(
                f"{options.mixtures} mixtures of {size} MB: median {median * per:.0f} ms a MB, "
                f"most {most * per:.0f} ms a MB (seed {seed})"
            )
        return
    print("| ms of CPU per MB, for a value of | " + " | ".join(f"{n} MB" for n in options.megabytes) + " |")
    print("|---|" + "---|" * len(options.megabytes))
    for kind, make in KINDS.items():
        row = []
        for size in options.megabytes:
            value = make(random.Random(1), size * 1_000_000)
            best = min(seconds(value) for _ in range(options.repeat))
            row.append(f"{best * 1000 / size:.0f}")
        print(f"| {kind} | " + " | ".join(row) + " |", flush=True)


if __name__ == "__main__":
    main()
