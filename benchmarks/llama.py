"""llama.cpp: N attempts on one model, against other ways to run llama.cpp in Python.

    python benchmarks/llama.py --sizes 14 --counts 1,4,8,16 --json llama.json

Contenders, side by side for each case: `ours` (the llama_cpp backend), `plain` (llama-cpp-python's
high-level API one by one without its cache), `cached` (the same with its prefix cache), `server` (the
continuous-batching llama.cpp server of `pip install xllamacpp`; left out where that is missing).

Cases: `shared` (a common prefix of 1,000 tokens, then about 20 of each attempt's own), `turns` (the
same, three requests an attempt), `alone` (1,000 tokens, nothing in common). Models have random weights,
made on the spot. Ratios are CPU time and, in brackets, wall time of the other over ours: above 1 ours is
faster. One thread each.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import random
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from helpers import tiny_model
from llama_contenders import CONTENDERS, Case, Turn

SHAPES = {
    "14": tiny_model.Shape(
        vocab=4096, hidden=384, intermediate=1024, layers=7, heads=6, kv_heads=2, head_dim=64, context=8192
    ),
    "60": tiny_model.Shape(
        vocab=4096, hidden=640, intermediate=1728, layers=12, heads=10, kv_heads=2, head_dim=64, context=8192
    ),
    "200": tiny_model.Shape(
        vocab=4096, hidden=1024, intermediate=2816, layers=16, heads=16, kv_heads=8, head_dim=64, context=8192
    ),
}
PREFIX, TAIL, ANSWER, RESULT = 1000, 20, 48, 40  # tokens
WORDS = (
    "the", "user", "asks", "for", "a", "booking", "then", "tool", "answers", "with", "reservation", "id",
    "or", "failure", "type", "and", "state",
)  # fmt: skip


class Texts:
    """Random texts of a given number of tokens."""

    def __init__(self, shape: tiny_model.Shape, seed: int) -> None:
        self._tokenizer = tiny_model.make_tokenizer(shape.vocab)
        self._random = random.Random(seed)

    def of(self, tokens: int) -> str:
        words: list[str] = []
        while len(self._tokenizer(" ".join(words))["input_ids"]) < tokens:
            words += self._random.choices(WORDS, k=4)
        return " ".join(words)


def shared(texts: Texts, count: int) -> list[list[Turn]]:
    system = {"role": "system", "content": texts.of(PREFIX)}
    return [[[system, {"role": "user", "content": texts.of(TAIL)}]] for _ in range(count)]


def turns(texts: Texts, count: int) -> list[list[Turn]]:
    attempts = shared(texts, count)
    for attempt in attempts:
        for _ in range(2):
            said = {"role": "assistant", "content": texts.of(ANSWER)}
            attempt.append([*attempt[-1], said, {"role": "user", "content": texts.of(RESULT)}])
    return attempts


def alone(texts: Texts, count: int) -> list[list[Turn]]:
    return [[[{"role": "user", "content": texts.of(PREFIX)}]] for _ in range(count)]


Make = Callable[[Texts, int], list[list[Turn]]]
CASES: dict[str, Make] = {
    "shared": shared,
    "turns": turns,
    "alone": alone,
}


def measure(contender: str, case: Case, limit: float) -> dict[str, Any] | None:
    """Run one contender in a process of its own; None where it takes longer than `limit` seconds."""
    command = [sys.executable, str(Path(__file__).parent / "llama_contenders.py"), contender]
    try:
        done = subprocess.run(
            command,
            input=json.dumps(asdict(case)),
            capture_output=True,
            text=True,
            timeout=limit,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return None
    if done.returncode:
        raise SystemExit(f"{contender} failed:\n{done.stderr[-2000:]}")
    cost: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return cost


def row(result: dict[str, Any], contenders: list[str]) -> str:
    ours = result["ours"]
    cells = [
        f"{result['size']:>4}M",
        f"{result['case']:<7}",
        f"{result['count']:>3}",
        f"{ours['cpu']:7.2f} s",
    ]
    for other in contenders:
        if other == "ours":
            continue
        cost = result[other]
        ratio = "over limit   " if cost is None else (
            f"{cost['cpu'] / ours['cpu']:5.2f} ({cost['wall'] / ours['wall']:5.2f})"
        )  # fmt: skip
        cells.append(ratio)
    return " | ".join(cells)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--sizes", default="14", help="millions of parameters: 14, 60, 200")
    parser.add_argument("--counts", default="1,4,8,16", help="attempts")
    parser.add_argument("--cases", default="shared,turns,alone")
    parser.add_argument("--contenders", default=",".join(CONTENDERS))
    parser.add_argument("--weights", default="f16", help="f32, f16, bf16 or q8_0")
    parser.add_argument("--new-tokens", type=int, default=64)
    parser.add_argument("--sample", type=int, default=4, help="attempts that one-by-one contenders run")
    parser.add_argument("--limit", type=float, default=600, help="seconds a contender may take")
    parser.add_argument("--repeat", type=int, default=1, help="runs in turn; the one with least CPU counts")
    parser.add_argument("--json", help="write all numbers there")
    given = parser.parse_args()
    contenders = given.contenders.split(",")
    if importlib.util.find_spec("xllamacpp") is None and "server" in contenders:
        contenders.remove("server")
    print(f"weights {given.weights}; {given.new_tokens} new tokens; ratios CPU (wall) over ours")
    print(
        " | ".join(
            [" size", "case   ", "  N", "ours, CPU", *(c.ljust(13) for c in contenders if c != "ours")]
        )
    )
    results = []
    for size in given.sizes.split(","):
        model = str(tiny_model.gguf_model(SHAPES[size], given.weights))
        for name in given.cases.split(","):
            for count in map(int, given.counts.split(",")):
                texts = Texts(SHAPES[size], seed=count)
                case = Case(
                    model, CASES[name](texts, count), [alone(texts, 1)[0][0]], given.new_tokens, given.sample
                )
                result: dict[str, Any] = {"size": size, "case": name, "count": count}
                for contender in contenders * given.repeat:
                    cost = measure(contender, case, given.limit)
                    best = result.get(contender)
                    if cost is not None and (best is None or cost["cpu"] < best["cpu"]):
                        result[contender] = cost
                    result.setdefault(contender, None)
                results.append(result)
                print(row(result, contenders), flush=True)
                if given.json:
                    Path(given.json).write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
