"""CPU seconds of an answer that a grammar holds, with and without writing forced text unasked.

    python benchmarks/forced_text.py FILE.gguf

A call of one of seven tools, a verdict, and a predicted result of three fields, at temperature 0 on one
thread; alone, and eight side by side. Both ways take turns in one process, on questions of their own, since
the second to ask one would find its prompt in memory.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

from artis_sdk.backends.llama_cpp import LlamaCppBackend
from artis_sdk.backends.llama_cpp.grammar import Matcher
from artis_sdk.contracts import Backend
from artis_sdk.pocket.bank import Bank
from artis_sdk.pocket.desk import pocket_tools
from artis_sdk.records import Message, Request

TOOLS = tuple(tool.spec for tool in pocket_tools(Bank()) if tool.spec.name not in {"refund", "withdraw"})[-7:]


def held_to(schema: dict[str, Any], text: str) -> Request:
    return Request(
        messages=(Message(role="user", content=text),), schema=schema, temperature=0.0, max_tokens=80
    )


def call(n: int) -> Request:
    asked = (Message(role="user", content=f"Send {n}50 from account A17{n} to A100."),)
    return Request(messages=asked, tools=TOOLS, tool_choice="required", temperature=0.0, max_tokens=80)


def verdict(n: int) -> Request:
    fields = {"correct": {"type": "boolean"}}
    return held_to(closed(fields), f"Question {n}: is 2 + {n} = 7? Answer as JSON.")


def result(n: int) -> Request:
    value = {"receipt": {"type": "integer"}, "day": {"type": "integer"}, "accepted": {"type": "boolean"}}
    fields = {"ok": {"const": True}, "value": closed(value)}
    return held_to(closed(fields), f"Give the receipt of payment number {n} as JSON.")


def closed(fields: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": fields,
        "required": list(fields),
        "additionalProperties": False,
    }


async def cost(backend: Backend, make: Callable[[int], Request], numbers: list[int], at_once: int) -> float:
    """CPU seconds an answer."""
    begun = time.process_time()
    for first in range(0, len(numbers), at_once):
        asked = (make(number) for number in numbers[first : first + at_once])
        await asyncio.gather(*map(backend.complete, asked))
    return (time.process_time() - begun) / len(numbers)


async def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    options.add_argument("model", type=Path, help="a GGUF file")
    given = options.parse_args()
    backend = LlamaCppBackend(given.model, n_ctx=2048, n_threads=1, max_concurrency=8)
    print("| answer | side by side | CPU s, all asked | CPU s, forced text unasked |\n|---|---|---|---|")
    random.seed(0)
    for make in (call, verdict, result):
        await backend.complete(make(0))  # the prefix is in memory afterwards
        for at_once in (1, 8):
            numbers = [random.randrange(10, 99) for _ in range(16)]
            with patch.object(Matcher, "forced", return_value=[]):
                asked = await cost(backend, make, numbers[:8], at_once)
            unasked = await cost(backend, make, numbers[8:], at_once)
            print(f"| {make.__name__} | {at_once} | {asked:.2f} | {unasked:.2f} |", flush=True)
    await backend.aclose()


if __name__ == "__main__":
    asyncio.run(main())
