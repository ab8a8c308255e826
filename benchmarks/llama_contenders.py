"""One contender of `benchmarks/llama.py`, in a process of its own: reads a case, prints its cost.

All contenders get the same chat messages and the GGUF's own chat template, sample at temperature 1
without other filters, and use one thread.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

Turn = list[dict[str, str]]
Attempt = list[Turn]  # the messages of each of its requests
CONTEXT = 2048  # tokens a sequence


@dataclass(frozen=True)
class Case:
    """What is measured: attempts, each a list of requests."""

    model: str
    attempts: list[Attempt]
    warm: Attempt
    """Run once before, so that nothing is measured that happens once a process."""
    new_tokens: int
    sample: int
    """How many attempts contenders that take one after another really run; the rest is the mean of
    those after the first."""


@dataclass
class Cost:
    cpu: float
    """Seconds of the process."""
    wall: float
    tokens: int
    """Generated, of the attempts that were run."""
    measured: int
    """Attempts that were run."""


def clock() -> tuple[float, float]:
    return time.process_time(), time.perf_counter()


def one_by_one(case: Case, run: Callable[[Attempt], int]) -> Cost:
    count = min(len(case.attempts), case.sample)
    marks, tokens = [clock()], 0
    for attempt in case.attempts[:count]:
        tokens += run(attempt)
        marks.append(clock())
    spent = [sum(m[i] - marks[0][i] for m in marks[-1:]) for i in (0, 1)]
    if count > 1:
        rest = len(case.attempts) - count
        spent = [s + rest * (marks[-1][i] - marks[1][i]) / (count - 1) for i, s in enumerate(spent)]
    return Cost(spent[0], spent[1], tokens, count)


def library(case: Case, *, cached: bool) -> Cost:
    """llama-cpp-python's high-level API, one attempt after another."""
    from llama_cpp import Llama

    llm = Llama(case.model, n_ctx=CONTEXT, n_threads=1, n_threads_batch=1, verbose=False)

    def run(attempt: Attempt) -> int:
        tokens = 0
        for messages in attempt:
            if not cached:
                llm.reset()
            answer: Any = llm.create_chat_completion(
                messages,
                temperature=1.0, top_k=0, top_p=1.0, min_p=0.0, max_tokens=case.new_tokens,
            )  # fmt: skip
            tokens += answer["usage"]["completion_tokens"]
        return tokens

    run(case.warm)
    llm.reset()
    return one_by_one(case, run)


def server(case: Case) -> Cost:
    """A llama.cpp server with continuous batching, a client thread an attempt."""
    import xllamacpp

    parameters = xllamacpp.CommonParams()
    parameters.model.path = case.model
    parameters.n_parallel = len(case.attempts)
    parameters.n_ctx = CONTEXT * len(case.attempts)
    parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = 1
    parameters.verbosity = -1
    engine = xllamacpp.Server(parameters)

    def run(attempt: Attempt) -> int:
        tokens = 0
        for messages in attempt:
            answer = engine.handle_chat_completions(
                {
                    "messages": messages, "temperature": 1.0, "top_k": 0, "top_p": 1.0, "min_p": 0.0,
                    "max_tokens": case.new_tokens,
                }
            )  # fmt: skip
            tokens += answer["usage"]["completion_tokens"]
        return tokens

    run(case.warm)
    start = clock()
    with ThreadPoolExecutor(len(case.attempts)) as pool:
        tokens = sum(pool.map(run, case.attempts))
    end = clock()
    return Cost(end[0] - start[0], end[1] - start[1], tokens, len(case.attempts))


def ours(case: Case) -> Cost:
    """The llama_cpp backend, all attempts at once."""
    from artis_sdk.backends.llama_cpp import LlamaCppBackend
    from artis_sdk.records import Message, Request

    async def measure() -> Cost:
        backend = LlamaCppBackend(
            case.model, n_ctx=CONTEXT, n_threads=1, max_concurrency=max(2, len(case.attempts))
        )

        async def run(attempt: Attempt) -> int:
            tokens = 0
            for messages in attempt:
                said = tuple(Message(role=m["role"], content=m["content"]) for m in messages)  # type: ignore[arg-type]
                answer = await backend.complete(Request(messages=said, max_tokens=case.new_tokens))
                tokens += answer.usage.completion_tokens
            return tokens

        await run(case.warm)
        start = clock()
        runs: list[Awaitable[int]] = [run(attempt) for attempt in case.attempts]
        tokens = sum(await asyncio.gather(*runs))
        end = clock()
        await backend.aclose()
        return Cost(end[0] - start[0], end[1] - start[1], tokens, len(case.attempts))

    return asyncio.run(measure())


CONTENDERS: dict[str, Callable[[Case], Cost]] = {
    "ours": ours,
    "plain": lambda case: library(case, cached=False),
    "cached": lambda case: library(case, cached=True),
    "server": server,
}

if __name__ == "__main__":
    cost = CONTENDERS[sys.argv[1]](Case(**json.load(sys.stdin)))
    print("\n" + json.dumps(asdict(cost)))
