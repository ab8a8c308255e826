"""Real models on README's bank: valid calls, readable verdicts, speed, and whole sessions as they came.

    python benchmarks/real_models.py calls --model qwen-1.5b --temperature 0.7 --top-p 0.9
    python benchmarks/real_models.py calls --model qwen-1.5b --free
    python benchmarks/real_models.py verdicts --model qwen-0.5b
    python benchmarks/real_models.py speed --model smollm2
    python benchmarks/real_models.py session --model qwen-1.5b --simulator llm

Models come from packages of PyPI (`tests/helpers/models.py`) and are kept outside the tree. `--free` takes
the grammar off; `read as tags` counts the calls in the format that the model's template teaches, which was
all that was read before. CPU seconds are those of this process; other programs on the machine lengthen the
wall time alone.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from helpers.models import QWEN, QWEN_LARGE, SMOLLM2, hf_folder, real_model  # noqa: E402
from helpers.readme_bank import QUERY, first_request, is_valid, readme_bank  # noqa: E402

from artis_sdk import LLMSimulator, Sampling, SandboxSimulator, Session, Toolset, resolve  # noqa: E402
from artis_sdk.backends.tool_formats.hermes import HERMES  # noqa: E402
from artis_sdk.errors import ArtisError, EvaluationError  # noqa: E402
from artis_sdk.loop.evaluate import ModelEvaluator  # noqa: E402
from artis_sdk.records import (  # noqa: E402
    Attempt,
    Completion,
    Message,
    Outcome,
    Plan,
    Provenance,
    Request,
    Step,
    Task,
    ToolCall,
)
from artis_sdk.records.brief import call_text  # noqa: E402

MODELS = {"smollm2": SMOLLM2, "qwen-0.5b": QWEN, "qwen-1.5b": QWEN_LARGE}
CONTEXT = 4096  # tokens


@asynccontextmanager
async def engine(given: argparse.Namespace) -> AsyncIterator[Any]:
    packaged = MODELS[given.model]
    if given.engine == "llama.cpp":
        options = {"n_ctx": CONTEXT, "n_threads": given.threads}
        backend = resolve(f"llama_cpp:{real_model(packaged)}", **options)
    else:
        limits = {"max_model_len": CONTEXT, "kv_cache_memory_bytes": 2**29, "dtype": "float32"}
        backend = resolve(f"vllm:{hf_folder(packaged)}", engine_args=limits)
    try:
        await backend.start()  # type: ignore[attr-defined]
        if given.free:
            take_grammar_off(backend)
        yield backend
    finally:
        await backend.aclose()


def take_grammar_off(backend: Any) -> None:
    """Leave the calls of a started engine free."""
    if hasattr(backend, "_running"):
        backend._running._free = lambda tools, prompt: None
    else:
        backend._chat._held = lambda request, thinking: None


@contextmanager
def measured(done: dict[str, float]) -> Iterator[None]:
    cpu, wall = time.process_time(), time.perf_counter()
    yield
    done["cpu"], done["wall"] = time.process_time() - cpu, time.perf_counter() - wall


async def calls(given: argparse.Namespace) -> None:
    """Valid first turns out of n."""
    tools = Toolset.from_object(readme_bank())
    async with engine(given) as backend:
        sampling = {"temperature": given.temperature, "top_p": given.top_p, "max_tokens": 200}
        requests = [first_request(backend, tools, seed=seed, **sampling) for seed in range(given.n)]
        answers = [await backend.complete(requests[0])]
        answers += await asyncio.gather(*map(backend.complete, requests[1:]))
    valid = sum(is_valid(answer, tools) for answer in answers)
    as_tags = [answer.model_copy(update={"tool_calls": HERMES.read(answer.raw).calls}) for answer in answers]
    tagged = sum(is_valid(answer, tools) for answer in as_tags)
    lost = sum(not answer.tool_calls for answer in answers)
    broken = sum(any(call.malformed for call in answer.tool_calls) for answer in answers)
    cut = sum(answer.finish_reason == "length" for answer in answers)
    top_p = "" if given.top_p is None else f", top_p {given.top_p}"
    print(
        f"{given.model}, {given.engine}, {'free' if given.free else 'held'}, T {given.temperature}{top_p}: "
        f"valid {valid} of {given.n} (read as tags {tagged}); in words {lost}, malformed {broken}, cut {cut}"
    )
    if given.show:
        for answer in answers:
            print(repr(answer.raw))


async def verdicts(given: argparse.Namespace) -> None:
    """Readable verdicts out of n, on attempts that are right and wrong in turn."""
    tools = Toolset.from_object(readme_bank())
    task = Task(query=QUERY, tools=tools.specs)
    pay = ToolCall(tool="pay", arguments={"source": "ann", "target": "bob", "amount": 80})
    right = Outcome.success({"sent": 80}, Provenance.SIMULATED)
    wrong = Outcome.failure("KeyError", "Ann", Provenance.SIMULATED, raised=True)
    readable, correct, tokens = 0, 0, 0
    async with engine(given) as backend:
        for number in range(given.n):
            asked: list[Completion] = []
            outcome = wrong if number % 2 else right
            steps = (Step(call=pay, outcome=outcome),)
            attempt = Attempt(index=number, steps=steps, answer=f"I sent Bob 80 euros. ({number})")
            judge = ModelEvaluator(Kept(backend, asked), temperature=given.temperature, top_p=given.top_p)
            try:
                verdict = await judge.evaluate(task, attempt)
            except EvaluationError:
                continue
            finally:
                tokens += sum(each.usage.completion_tokens for each in asked)
            readable += len(asked) == 1
            correct += verdict.correct is (number % 2 == 0)
    print(
        f"{given.model}, {given.engine}, T {given.temperature}: readable at once {readable} of {given.n}, "
        f"right {correct}; {tokens / given.n:.0f} tokens a verdict"
    )


class Kept:
    """A backend whose answers are kept."""

    def __init__(self, backend: Any, kept: list[Completion]) -> None:
        self._backend, self._kept = backend, kept
        self.name, self.capabilities = backend.name, backend.capabilities

    async def complete(self, request: Request, **more: Any) -> Completion:
        answer: Completion = await self._backend.complete(request, **more)
        self._kept.append(answer)
        return answer

    async def aclose(self) -> None: ...


async def speed(given: argparse.Namespace) -> None:
    """Eight attempts over one prefix at once, against one by one without a common cache."""
    words = "The bank keeps the balances of its customers and writes down each payment. "
    sizes = {}
    for shared in (True, False):
        done: dict[str, float] = {}
        async with engine(given) as backend:
            requests = [
                Request(
                    messages=(
                        Message(role="system", content=("" if shared else f"{number}. ") + words * 60),
                        Message(role="user", content=f"Question {number}: what does it keep?"),
                    ),
                    max_tokens=32,
                    temperature=1.0,
                    seed=number,
                )
                for number in range(8)
            ]
            with measured(done):
                if shared:
                    answers = await asyncio.gather(*map(backend.complete, requests))
                else:
                    answers = [await backend.complete(request) for request in requests]
        tokens = sum(answer.usage.completion_tokens for answer in answers)
        prompt = answers[0].usage.prompt_tokens
        sizes[shared] = done["cpu"]
        way = "8 at once, shared prefix" if shared else "one by one, nothing shared"
        print(
            f"{given.model}, {given.engine}, {way}: {prompt} prompt tokens each, {tokens} new tokens, "
            f"{done['cpu']:.1f} CPU s ({done['wall']:.1f} s wall), {tokens / done['cpu']:.1f} a CPU s"
        )
    print(f"one by one over shared, CPU: {sizes[False] / sizes[True]:.1f}")


async def session(given: argparse.Namespace) -> None:
    """README's example, as it came."""
    bank = readme_bank()
    before = dict(bank.balances)
    chosen = Sampling(temperature=given.temperature, top_p=given.top_p, max_tokens=256)
    done: dict[str, float] = {}
    async with engine(given) as backend:
        simulator = (
            SandboxSimulator() if given.simulator == "sandbox" else LLMSimulator(backend, max_tokens=256)
        )
        with TemporaryDirectory() as folder, measured(done):
            async with Session(
                agent=backend,
                tools=Toolset.from_object(bank),
                simulator=simulator,
                sampling={"agent": chosen},
                max_steps=6,
                seed=given.seed,
                journal=Path(folder) / "journal.db",
            ) as running:
                plan = await running.rehearse(QUERY)
                assert bank.balances == before, "a rehearsal is not real"
                show(plan)
                result = await running.commit(plan)
    print("for real:")
    for made in result.calls:
        show_step(made.call, made.outcome)
    for note in (*plan.notes, *result.notes):
        print(f"note: {note}")
    print(f"answer: {result.answer}")
    print(f"ended: {result.ended}; real calls: {[call.call.tool for call in result.calls]}")
    print(f"balances: {before} -> {bank.balances}")
    print(f"{done['cpu']:.0f} CPU s, {done['wall']:.0f} s wall, load {os.getloadavg()[0]:.0f}")


def show(plan: Plan) -> None:
    """A rehearsal: what each attempt did, and how it was judged."""
    for attempt in plan.attempts:
        print(f"attempt {attempt.index + 1}:")
        for step in attempt.steps:
            show_step(step.call, step.outcome)
        print(f"  answer: {attempt.answer}" if attempt.ended == "answer" else f"  ended: {attempt.ended}")
        if (verdict := attempt.evaluation) is not None:
            print(f"  judged {'correct' if verdict.correct else 'wrong'}: {verdict.explanation}")
            if verdict.suggestion:
                print(f"  suggestion: {verdict.suggestion}")
    print(f"recommendation: {plan.recommendation and plan.recommendation.recommendation}", flush=True)


def show_step(call: ToolCall, outcome: Outcome) -> None:
    text = call_text(call) if call.malformed is None else f"not read: {call.raw!r}"
    print(f"  {text} {'→' if outcome.ok else '✗'} {outcome.text() if outcome.ok else outcome.content()}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("what", choices=["calls", "verdicts", "speed", "session"])
    parser.add_argument("--model", choices=MODELS, default="qwen-0.5b")
    parser.add_argument("--engine", choices=["llama.cpp", "vllm"], default="llama.cpp")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads of llama.cpp")
    parser.add_argument("--n", type=int, default=24)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--temperature", type=float, default=1.0)
    parser.add_argument("--top-p", type=float)
    parser.add_argument("--free", action="store_true", help="take the grammar of calls off")
    parser.add_argument("--show", action="store_true", help="print the answers")
    parser.add_argument("--simulator", choices=["sandbox", "llm"], default="sandbox")
    given = parser.parse_args()
    asyncio.run({"calls": calls, "verdicts": verdicts, "speed": speed, "session": session}[given.what](given))


if __name__ == "__main__":
    try:
        main()
    except ArtisError as error:
        raise SystemExit(f"{type(error).__name__}: {error}") from None
