"""A training run that generates by vLLM, in a process of its own: `agent_vllm_child.py OUT lora|full`.

Prints a line of JSON: how the sampled probabilities compare with the trained model's and the base's, and the
engine's steps for requests that come and go.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from helpers.agent import a_task, odd_tools
from helpers.tiny_model import TINY, hf_model

from artis_sdk.trainers.agent import AgentSettings, AgentTrainer, Rewards, Rollout, RolloutLimits
from artis_sdk.trainers.agent.generate import Ask, Generator, Piece
from artis_sdk.trainers.agent.vllm_decoder import VLLMDecoder
from artis_sdk.trainers.simulator.model import load_base

STEPS, GROUP, TOKENS = 2, 4, 24


def chances(model: Any, rollout: Rollout) -> list[float]:
    """Log probabilities of what was generated."""
    tape = rollout.tape
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([tape.context])).logits[0].float()
    scores = torch.log_softmax(logits, -1)
    first = len(tape.prompt)
    return [float(scores[first + n - 1, id]) for n, id in enumerate(tape.ids) if tape.mask[n]]


def apart(model: Any, rollouts: list[Rollout]) -> float:
    """Mean distance of the engine's log probabilities from a model's."""
    found = [
        abs(mine - theirs)
        for rollout in rollouts
        for mine, theirs in zip(rollout.tape.logprobs, chances(model, rollout), strict=True)
    ]
    return sum(found) / len(found)


async def decoded(engine: Any) -> tuple[list[list[int]], int]:
    """The tokens of requests of other lengths, two at a time, and the number of the engine's steps."""
    made = VLLMDecoder(engine, ends=frozenset(), stops=(), temperature=1.0)
    steps = 0

    class Counting:
        def step(self, new: Sequence[Ask]) -> list[tuple[Ask, Piece]]:
            nonlocal steps
            steps += 1
            return made.step(new)

        def close(self) -> None:
            made.close()

    async with Generator(Counting(), batch=2) as generator:
        asks = [Ask([5, 6, 7], limit, lambda ids: False, seed=limit) for limit in (20, 4, 4, 4, 4, 4)]
        pieces = await asyncio.gather(*map(generator.generate, asks))
    assert not engine.has_unfinished_requests()
    return [piece.ids for piece in pieces], steps


def main(out: Path, *, lora: bool) -> None:
    """Train on a reward that a random model can tell apart, and compare."""
    seen: list[Rollout] = []
    engines: list[Any] = []
    begun = VLLMDecoder.__init__

    def remembered(self: VLLMDecoder, engine: Any, **more: Any) -> None:
        engines.append(engine)
        begun(self, engine, **more)

    VLLMDecoder.__init__ = remembered  # type: ignore[method-assign]

    def even(rollout: Rollout) -> float:
        seen.append(rollout)
        return sum(id % 2 == 0 for id in rollout.tape.ids) / TOKENS

    tools = odd_tools()
    settings = AgentSettings(
        format="native", prompt="", group=GROUP, tasks_per_step=2, steps=STEPS,
        lora=lora, rank=4, learning_rate=3e-2 if lora else 1e-2, measured=2, generator="vllm",
        limits=RolloutLimits(turns=2, tokens=TOKENS),
    )  # fmt: skip
    done = AgentTrainer(
        hf_model(), out, [a_task(f"task {n}", tools) for n in range(4)],
        held_out=[a_task(f"held out {n}", tools) for n in range(2)],
        settings=settings, rewards=Rewards({}, own={"even": even}), cpu=True,
    ).train()  # fmt: skip
    base, _ = load_base(str(hf_model(TINY)), "float32")
    if lora:
        from peft import PeftModel

        first, _ = load_base(str(hf_model(TINY)), "float32")
        trained = PeftModel.from_pretrained(first, str(done.folder))
    else:
        trained, _ = load_base(str(done.folder), "float32")
    stepped = [entry for entry in done.history if "loss" in entry and "reward" in entry]
    measured = seen[-2:]
    ids, steps = asyncio.run(decoded(engines[0]))
    print(
        json.dumps(
            {
                "grad_norms": [entry["grad_norm"] for entry in stepped],
                "from_trained": apart(trained, measured),
                "from_base": apart(base, measured),
                "before": apart(base, seen[:2]),
                "ids": ids,
                "steps": steps,
                "prefixes": engines[0].vllm_config.cache_config.enable_prefix_caching,
            }
        )
    )


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(Path(sys.argv[1]), lora=sys.argv[2] == "lora")
