"""vLLM: N attempts at once against one by one, with and without the prefix cache.

    python benchmarks/vllm_attempts.py                        # a model with random weights, made on the spot
    python benchmarks/vllm_attempts.py --model Qwen/Qwen3-8B --counts 1,8,32,128 --json vllm.json

Each attempt has a common prefix and a tail of its own. Ratios are of one by one over at once, in wall
time and in CPU time of this process and the engine's together (on a GPU only the wall time says
anything). Every measurement has a prefix of its own, so that none profits from the one before. The same
file runs on a CPU and on CUDA: the backend asks vLLM which it is.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

import psutil
from helpers import tiny_model

from artis_sdk.backends.vllm import VLLMBackend
from artis_sdk.records import Completion, Message, Request

SHAPE = tiny_model.Shape(
    vocab=4096, hidden=384, intermediate=1024, layers=7, heads=6, kv_heads=2, head_dim=64, context=8192
)
WORDS = ("the", "user", "asks", "for", "a", "booking", "then", "tool", "answers", "with", "reservation")


class Texts:
    """Random texts of about so many tokens, none twice."""

    def __init__(self, backend: VLLMBackend) -> None:
        self._backend = backend
        self._random = random.Random(0)

    def of(self, tokens: int) -> str:
        words: list[str] = []
        while self._backend.count_tokens(" ".join(words)) < tokens:
            words += self._random.choices(WORDS, k=8)
        return " ".join(words)


def attempts(texts: Texts, count: int, prefix: int, tokens: int) -> list[Request]:
    system = Message(role="system", content=texts.of(prefix))
    return [
        Request(messages=(system, Message(role="user", content=texts.of(20))), seed=i, max_tokens=tokens)
        for i in range(count)
    ]


def cpu_seconds(backend: VLLMBackend) -> float:
    times = [psutil.Process(pid).cpu_times() for pid in backend.process_ids]
    engine: float = sum(spent.user + spent.system for spent in times)
    return time.process_time() + engine


async def one_by_one(backend: VLLMBackend, requests: list[Request]) -> list[Completion]:
    return [await backend.complete(request) for request in requests]


async def at_once(backend: VLLMBackend, requests: list[Request]) -> list[Completion]:
    return await asyncio.gather(*map(backend.complete, requests))


async def measured(way: Any, backend: VLLMBackend, requests: list[Request]) -> dict[str, float]:
    wall, cpu = time.perf_counter(), cpu_seconds(backend)
    completions: list[Completion] = await way(backend, requests)
    wall, cpu = time.perf_counter() - wall, cpu_seconds(backend) - cpu
    usage = [completion.usage for completion in completions]
    return {
        "wall": wall,
        "cpu": cpu,
        "attempts_per_second": len(requests) / wall,
        "prompt_tokens": sum(each.prompt_tokens for each in usage),
        "cached_tokens": sum(each.cached_tokens for each in usage),
        "completion_tokens": sum(each.completion_tokens for each in usage),
    }


async def with_cache(on: bool, given: argparse.Namespace) -> list[dict[str, Any]]:
    arguments: dict[str, Any] = {"enable_prefix_caching": on}
    if given.max_model_len:
        arguments["max_model_len"] = given.max_model_len
    model = given.model
    if model is None:
        model = str(tiny_model.hf_model(SHAPE))
        arguments["kv_cache_memory_bytes"] = 2**28  # 75,000 tokens of this model
    backend = VLLMBackend(model, engine_args=arguments)
    rows = []
    try:
        await backend.start()
        texts = Texts(backend)
        await at_once(backend, attempts(texts, 4, given.prefix, 8))  # the first answers are slower
        for count in given.counts:
            row: dict[str, Any] = {"cache": on, "count": count}
            for name, way in (("one_by_one", one_by_one), ("at_once", at_once)):
                runs = [
                    await measured(way, backend, attempts(texts, count, given.prefix, given.tokens))
                    for _ in range(given.repeat)
                ]
                row[name] = min(runs, key=lambda run: run["wall"])
            rows.append(row)
            print(line(row), file=sys.stderr, flush=True)
    finally:
        await backend.aclose()
    return rows


def line(row: dict[str, Any]) -> str:
    slow, fast = row["one_by_one"], row["at_once"]
    return (
        f"cache {'on ' if row['cache'] else 'off'}  N = {row['count']:>3}  "
        f"wall {slow['wall']:6.2f} / {fast['wall']:6.2f} s = {slow['wall'] / fast['wall']:4.1f}   "
        f"cpu {slow['cpu'] / fast['cpu']:4.1f}   "
        f"{fast['attempts_per_second']:6.2f} attempts/s   "
        f"cached {slow['cached_tokens'] / slow['prompt_tokens']:4.0%} / "
        f"{fast['cached_tokens'] / fast['prompt_tokens']:4.0%}"
    )


async def run(given: argparse.Namespace) -> list[dict[str, Any]]:
    return [row for on in (True, False) for row in await with_cache(on, given)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--model", help="path or hub id; by default random weights, 14 million")
    parser.add_argument("--counts", default="1,8", type=lambda text: [int(n) for n in text.split(",")])
    parser.add_argument("--prefix", default=1000, type=int, help="common tokens")
    parser.add_argument("--tokens", default=64, type=int, help="new tokens of an attempt")
    parser.add_argument("--repeat", default=3, type=int, help="the best of so many runs counts")
    parser.add_argument("--max-model-len", default=None, type=int)
    parser.add_argument("--json", metavar="FILE", help="write the measurements there")
    given = parser.parse_args()
    rows = asyncio.run(run(given))
    for row in rows:
        print(line(row))
    if given.json:
        Path(given.json).write_text(json.dumps({"arguments": vars(given), "rows": rows}, indent=2))


if __name__ == "__main__":
    main()
