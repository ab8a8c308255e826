"""Rollouts with tools: how many a CPU second, beside TRL's own `tools=` with the same model.

    python benchmarks/rollouts.py

The model is a Qwen2 of some million random weights, with Qwen2.5's chat template as TRL has it and a
vocabulary of its own. Random weights call nothing, so the odds of its next token are set: it writes words,
and after each one it may call the tool, which ends its turn, or end with an answer. Turns thus have random
lengths and rollouts a random number of calls, and what is computed for them is a real model's. TRL generates
with transformers, its default; both roll out all groups of a step at once, on one thread.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import torch
from transformers import Qwen2Config, Qwen2ForCausalLM
from trl import GRPOConfig, GRPOTrainer
from trl.chat_template_utils import qwen2_5_chat_template

from artis_sdk import Risk, guarded_tool
from artis_sdk.tools import Toolset
from artis_sdk.trainers.agent import AgentSettings, AgentTask, Rewards, RolloutLimits
from artis_sdk.trainers.agent.formats import make_format
from artis_sdk.trainers.agent.grpo import AgentGRPO, grpo_arguments
from artis_sdk.trainers.agent.worlds import SandboxWorlds
from artis_sdk.trainers.tree_attention import choose_form

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

CALL: Final = '<tool_call>\n{"name": "stock_of", "arguments": {"item": "lamp"}}\n</tool_call>'
VOCABULARY: Final = 4096
WORDS, CALLS = 25.0, 0.6  # mean words of a turn; share of turns that call
LONGEST: Final = 512  # tokens of a rollout after its prompt
TASKS, GROUP = 8, 4


def stock_of(item: str) -> str:
    """Say how many of an item there are, and where.

    Args:
        item: Name of the item.
    """
    return "There are 12 of it in the first hall, 5 in the second one, and 40 are to come on Monday."


def make_tokenizer() -> Any:
    """A vocabulary of our own, in which the call is one token."""
    from helpers.tiny_model import make_tokenizer as of_size

    tokenizer = of_size(VOCABULARY - 1)
    tokenizer.add_tokens([CALL])
    tokenizer.chat_template = qwen2_5_chat_template
    return tokenizer


class Talker(Qwen2ForCausalLM):  # type: ignore[misc]
    """Computes as any Qwen2; the odds of its next token are given.

    Args:
        config: sizes of the model.
        tokenizer: its tokenizer.
    """

    def __init__(self, config: Any, tokenizer: Any) -> None:
        super().__init__(config)
        self._call, end = tokenizer.convert_tokens_to_ids(CALL), tokenizer.eos_token_id
        words = [id for text, id in tokenizer.get_vocab().items() if text.lstrip("Ġ").isalpha()]
        free = torch.full((config.vocab_size,), -100.0)
        free[words] = 0.0
        over = torch.tensor(len(words) / WORDS).log()
        free[self._call], free[end] = (over + torch.tensor(part).log() for part in (CALLS, 1 - CALLS))
        ended = torch.full((config.vocab_size,), -100.0)
        ended[end] = 0.0
        self._odds = torch.stack([free, ended])

    def forward(self, input_ids: Any = None, **more: Any) -> Any:
        made = super().forward(input_ids=input_ids, **more)
        called = (input_ids[:, -made.logits.shape[1] :] == self._call).long()
        made.logits = self._odds[called] + 0.01 * made.logits
        return made


def make_model(tokenizer: Any) -> Any:
    torch.manual_seed(0)
    config = Qwen2Config(
        vocab_size=VOCABULARY, hidden_size=256, intermediate_size=1024, num_hidden_layers=6,
        num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=2048,
        eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id, bos_token_id=None,
    )  # fmt: skip
    return Talker(config, tokenizer)


QUERIES: Final = [f"How many lamps of kind {n} are there?" for n in range(TASKS)]


def trl_trainer(folder: Path) -> tuple[Any, list[Any]]:
    """TRL's trainer with its own tools, and the prompts of a step."""
    from datasets import Dataset

    tokenizer = make_tokenizer()
    prompts = [[{"role": "user", "content": query}] for query in QUERIES]
    arguments = GRPOConfig(
        output_dir=str(folder), use_cpu=True, per_device_train_batch_size=TASKS * GROUP, report_to=[],
        num_generations=GROUP, max_completion_length=LONGEST, disable_tqdm=True,
    )  # fmt: skip
    trainer = GRPOTrainer(
        model=make_model(tokenizer), args=arguments, reward_funcs=_nothing, processing_class=tokenizer,
        train_dataset=Dataset.from_dict({"prompt": prompts}), tools=[stock_of],
    )  # fmt: skip
    return trainer, [prompt for prompt in prompts for _ in range(GROUP)]


def _nothing(completions: list[Any], **more: Any) -> list[float]:
    return [0.0] * len(completions)


def our_trainer(folder: Path, runner: asyncio.Runner) -> tuple[Any, list[Any]]:
    """Our trainer, and the prompts of a step."""
    from datasets import Dataset

    tokenizer = make_tokenizer()
    tools = Toolset(guarded_tool(risk=Risk.READ_ONLY)(stock_of))
    tasks = {query: AgentTask(query, query, tools, answer="17") for query in QUERIES}
    settings = AgentSettings(
        format="native", prompt="", group=GROUP, tasks_per_step=TASKS, lora=False,
        limits=RolloutLimits(turns=LONGEST, tokens=LONGEST),
    )  # fmt: skip
    rewards, model = Rewards(), make_model(tokenizer)
    form = make_format("native", tokenizer, prompt="")
    trainer = AgentGRPO(
        model=model, tokenizer=tokenizer, tasks=tasks, data=Dataset.from_dict({"prompt": QUERIES}),
        form=choose_form(model), format=form, codec=form.codec, worlds=SandboxWorlds(), rewards=rewards,
        settings=settings, runner=runner, on_rollouts=lambda *told: None,
        args=grpo_arguments(folder, settings, rewards, processes=1, checkpointing=False, cpu=True),
    )  # fmt: skip
    return trainer, [query for query in QUERIES for _ in range(GROUP)]


def measure(name: str, trainer: Any, prompts: list[Any], steps: int) -> None:
    """Roll out some steps, after a short one that nobody counts."""
    trainer.model.train()
    rows = [{"prompt": prompt} for prompt in prompts]
    trainer._generate_and_score_completions(rows[:GROUP])
    began, generated, calls, tokens = time.process_time(), 0, 0, 0
    for _ in range(steps):
        made = trainer._generate_and_score_completions(rows)
        tokens += int(made["completion_mask"].sum())
        generated += int((made["completion_mask"] * made["tool_mask"]).sum())
        calls += int((made["completion_ids"] == VOCABULARY - 1).sum())
    taken, rollouts = time.process_time() - began, steps * len(prompts)
    print(
        f"{name:4}  {rollouts / taken:6.2f} rollouts, {generated / taken:5.0f} generated tokens a CPU s  (a "
        f"rollout: {made['prompt_mask'][0].sum()} tokens of prompt, {generated / rollouts:.0f} generated, "
        f"{(tokens - generated) / rollouts:.0f} of outputs, {calls / rollouts:.2f} calls; {taken:.0f} CPU s)",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=2)
    given = parser.parse_args()
    torch.set_num_threads(1)
    with TemporaryDirectory() as folder, asyncio.Runner() as runner:
        makers: dict[str, Callable[[], tuple[Any, list[Any]]]] = {
            "trl": lambda: trl_trainer(Path(folder)),
            "ours": lambda: our_trainer(Path(folder), runner),
        }
        for name, make in makers.items():
            trainer, prompts = make()
            measure(name, trainer, prompts, given.steps)


if __name__ == "__main__":
    main()
