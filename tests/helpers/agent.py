"""What the tests of an agent's training share: scripted decoders, and tools that misbehave."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from helpers.tiny_model import cached

from artis_sdk.records import Risk
from artis_sdk.tools import Toolset
from artis_sdk.trainers.agent import small
from artis_sdk.trainers.agent.examples import lookup as tasks_lookup
from artis_sdk.trainers.agent.formats import Codec, Format, Tags
from artis_sdk.trainers.agent.generate import Ask, Generator, Piece
from artis_sdk.trainers.agent.rollout import AgentTask, Rollout, RolloutLimits, roll_out_all
from artis_sdk.trainers.agent.worlds import SandboxWorlds, Worlds

PROMPT = "{query}\n"

BEGUN: list[str] = []
ENDED: list[str] = []
RELEASE = threading.Event()
"""What a tool's body has begun and ended: here, as a sandbox ends an attempt that changes its own module."""


def letters() -> Any:
    """A tokenizer of single bytes and of odd pieces of tags, so that tags straddle tokens."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    odd = ["<thi", "nk>", "</", "><", "er>\n", "answ", "put>", "<out", ">x", "<py"]
    known = ["<|end|>", "<|pad|>", *odd, *map(chr, range(32, 127)), "\n", "�"]
    vocabulary = {text: id for id, text in enumerate(dict.fromkeys(known))}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="�"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    tokenizer.decoder = decoders.Fuse()
    fast: Any = PreTrainedTokenizerFast
    return fast(tokenizer_object=tokenizer, eos_token="<|end|>", pad_token="<|pad|>", unk_token="�")


class Scripted:
    """A decoder that writes what it is told, a piece a turn, in tokens of its own choice.

    Args:
        tokenizer: of `letters`.
        script: from a context's text to the whole turn; one without an end is cut off at the limit.
        cut: of the turn into token ids; `pieces` by default.
    """

    def __init__(
        self,
        tokenizer: Any,
        script: Callable[[str], str],
        cut: Callable[[str], list[int]] | None = None,
    ) -> None:
        self.codec = Codec(tokenizer)
        self.script = script
        self.cut = cut or partial(pieces, tokenizer)
        self.batches: list[int] = []
        self.made: list[Piece] = []

    def step(self, new: Sequence[Ask]) -> list[tuple[Ask, Piece]]:
        self.batches.append(len(new))
        made = [self._one(ask) for ask in new]
        self.made += made
        return list(zip(new, made, strict=True))

    def close(self) -> None:
        """Nothing: each request ends in the step in which it begins."""

    def _one(self, ask: Ask) -> Piece:
        ids: list[int] = []
        for id in self.cut(self.script(self.codec.text(ask.context))):
            ids.append(id)
            if id in self.codec.ends:
                return Piece(ids, [-0.5] * len(ids), "eos")
            if ask.ended(ids):
                return Piece(ids, [-0.5] * len(ids), "ended")
            if len(ids) >= ask.limit:
                break
        if len(ids) < ask.limit:
            ids.append(self.codec.tokenizer.eos_token_id)
            return Piece(ids, [-0.5] * len(ids), "eos")
        return Piece(ids, [-0.5] * len(ids), "limit")


def pieces(tokenizer: Any, text: str) -> list[int]:
    """A text in the longest tokens there are, unlike how the tokenizer itself would cut it."""
    vocabulary: dict[str, int] = tokenizer.get_vocab()
    ids: list[int] = []
    while text:
        size = next(n for n in range(min(7, len(text)), 0, -1) if n == 1 or text[:n] in vocabulary)
        ids.append(vocabulary.get(text[:size], vocabulary["�"]))
        text = text[size:]
    return ids


class Odd:
    """Tools that do what tools do on a bad day."""

    def __init__(self) -> None:
        self.count = 0

    def echo(self, text: str) -> str:
        """Give a text back."""
        return text

    def add(self, a: int, b: int = 1) -> int:
        """Add two numbers, and count the call."""
        self.count += 1
        return a + b

    def fails(self) -> str:
        """Raise."""
        raise ValueError("out of paper")

    def big(self) -> str:
        """A megabyte."""
        return "x" * 1_000_000

    async def hangs(self) -> str:
        """Never come back."""
        await asyncio.sleep(3600)
        return "late"

    async def slow(self) -> str:
        """Take a while."""
        await asyncio.sleep(0.3)
        return "done"

    def stuck(self) -> str:
        """Hold a thread for a while."""
        time.sleep(1.0)
        return "late"


def odd_tools() -> Toolset:
    return Toolset.from_object(Odd(), default_risk=Risk.REVERSIBLE)


def a_task(query: str = "go", tools: Toolset | None = None, **more: Any) -> AgentTask:
    given = {"answer": "yes"} if not more else {}
    return AgentTask(query, query, tools or odd_tools(), **{**given, **more})


async def rolled(
    script: Callable[[str], str],
    *tasks: AgentTask,
    worlds: Worlds | None = None,
    tokenizer: Any = None,
    decoder: Any = None,
    format: Format | None = None,
    **limits: Any,
) -> list[Rollout]:
    """Rollouts of a scripted model."""
    codec = Codec(tokenizer or letters())
    scripted = decoder or Scripted(codec.tokenizer, script)
    async with Generator(scripted) as generator:
        return await roll_out_all(
            [(task, 0) for task in tasks or (a_task(),)],
            worlds=worlds or SandboxWorlds(),
            generator=generator,
            format=format or Tags(codec, prompt=PROMPT, think=False),
            codec=codec,
            limits=RolloutLimits(**{"seconds": 20.0, "tool_seconds": 5.0, **limits}),
        )


def taught(steps: int = 60) -> Path:
    """A small model, made once, that has had a few lessons: it calls tools now and then. Needs torch."""
    made = [Path(small.__file__).read_bytes(), Path(tasks_lookup.__file__).read_bytes(), steps]
    return cached(("taught", made), "-taught", lambda path: small.make_small(path, steps=steps, batch=16))


def first_then(first: str, then: str) -> Callable[[str], str]:
    """A script: one call, and after its output the rest."""
    return lambda context: then if "</output>" in context else first
