"""TRL's GRPO over our rollouts: ids, masks and probabilities go in exactly as generated."""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

import torch
from transformers import PrinterCallback, TrainerCallback

from artis_sdk.trainers.agent.formats import Codec, Format
from artis_sdk.trainers.agent.generate import Decoder, Generator
from artis_sdk.trainers.agent.measures import means, tally
from artis_sdk.trainers.agent.rewards import Rewards
from artis_sdk.trainers.agent.rollout import AgentTask, Rollout, roll_out_all
from artis_sdk.trainers.agent.scoring import (
    completion_rows,
    completion_scores,
    divided,
    loss_share,
    rows_of,
)
from artis_sdk.trainers.agent.settings import AgentSettings
from artis_sdk.trainers.agent.tape import loss_mask
from artis_sdk.trainers.agent.torch_decoder import TorchDecoder
from artis_sdk.trainers.agent.vllm_decoder import VLLMDecoder
from artis_sdk.trainers.agent.vllm_weights import reload_weights
from artis_sdk.trainers.agent.worlds import Worlds
from artis_sdk.trainers.pass_by_pass import PassByPass
from artis_sdk.trainers.token_tree import Form, pass_rows
from artis_sdk.trainers.tree_attention import choose_form
from artis_sdk.trainers.whole_trainer import WholeCheckpoints, shared_arguments

with warnings.catch_warnings():  # TRL imports an installed vLLM, used or not, with all its warnings
    warnings.simplefilter("ignore")
    from trl import GRPOConfig, GRPOTrainer

_KEPT: Final = 2  # checkpoints: the newest, and the one before until the newest is whole
_SILENCE: Final = "TRL_EXPERIMENTAL_SILENCE"

OnRollouts = Callable[[int, Sequence[Rollout], Sequence[Mapping[str, float | None]]], None]
"""Callback for the rollouts of a step and their rewards, group by group."""


class AgentGRPO(PassByPass, WholeCheckpoints, GRPOTrainer):  # type: ignore[misc]
    """GRPO whose rollouts are ours.

    Args:
        model: a causal language model; peft wraps it by `peft_config`.
        tokenizer: tokenizer of the model.
        tasks: training tasks, by their ids in `data`.
        data: data set with a `prompt` column of task ids.
        form: the way in which the model computes rows together (`tree_attention.choose_form`).
        format, codec: format and codec of the model.
        worlds: worlds of the calls.
        rewards: rewards of a finished rollout.
        settings: settings of the run.
        args: TRL's arguments, by `grpo_arguments`.
        runner: runner of the event loop of all rollouts.
        on_rollouts: callback for every step's rollouts on this process.
        callbacks: callbacks of transformers.
        peft_config: configuration of the adapter; None to train all weights.
    """

    def __init__(
        self,
        *,
        model: Any,
        tokenizer: Any,
        tasks: Mapping[str, AgentTask],
        data: Any,
        form: Form,
        format: Format,
        codec: Codec,
        worlds: Worlds,
        rewards: Rewards,
        settings: AgentSettings,
        args: GRPOConfig,
        runner: asyncio.Runner,
        on_rollouts: OnRollouts,
        callbacks: Sequence[TrainerCallback] = (),
        peft_config: Any = None,
    ) -> None:
        self._tasks = tasks
        self._format = format
        self._codec = codec
        self._worlds = worlds
        self._rewards = rewards
        self._settings = settings
        self._runner = runner
        self._on_rollouts = on_rollouts
        self._form = form
        with _silenced():
            super().__init__(
                model=model,
                args=args,
                reward_funcs=[_column(name) for name in rewards.weights],
                train_dataset=data,
                processing_class=tokenizer,
                callbacks=list(callbacks),
                peft_config=peft_config,
                rollout_func=_rolled,
            )
        self.remove_callback(PrinterCallback)
        if self.ref_model is not None:
            choose_form(self.accelerator.unwrap_model(self.ref_model))
        if self.use_vllm and args.use_cpu:
            self.vllm_generation.sync_weights = partial(reload_weights, self.vllm_generation)

    def rolled(self, prompts: Sequence[str]) -> dict[str, Any]:
        """TRL's `rollout_func`: the rollouts of one step on this process.

        Args:
            prompts: a task's id for each rollout; the copies of a group follow each other.
        """
        step, first = self.state.global_step, self.accelerator.process_index * len(prompts)
        asked = [
            (self._tasks[id], seed_of(self._settings.seed, step, first + number, id))
            for number, id in enumerate(prompts)
        ]
        rollouts = self.roll_out(asked, self._worlds, temperature=self._settings.temperature)
        scores = [self._rewards.components(rollout) for rollout in rollouts]
        self._on_rollouts(step, rollouts, scores)
        for name, value in means([tally(rollouts)]).items():
            self._log_metric(name, value)
        tapes = [rollout.tape for rollout in rollouts]
        for tape in tapes:
            if not tape.ids:  # its time was over before its first token
                tape.given([self._codec.tokenizer.eos_token_id])
        return {
            "prompt_ids": [list(tape.prompt) for tape in tapes],
            "completion_ids": [tape.ids for tape in tapes],
            "logprobs": [tape.logprobs for tape in tapes],
            "env_mask": [loss_mask(tape.mask, outputs=not self._settings.mask_outputs) for tape in tapes],
            "scores": scores,
        }

    def roll_out(
        self, tasks: Sequence[tuple[AgentTask, int]], worlds: Worlds, *, temperature: float
    ) -> list[Rollout]:
        """Roll tasks out with the present weights.

        Args:
            tasks: tasks, each with a seed.
            worlds: worlds of the calls.
            temperature: sampling temperature; 0 for greedy decoding.
        """
        training = self.model.training
        self.model.eval()
        try:
            return self._runner.run(self._roll_out(tasks, worlds, self._decoder(temperature)))
        finally:
            self.model.train(training)

    async def _roll_out(
        self, tasks: Sequence[tuple[AgentTask, int]], worlds: Worlds, decoder: Decoder
    ) -> list[Rollout]:
        async with Generator(decoder) as generator:
            return await roll_out_all(
                tasks,
                worlds=worlds,
                generator=generator,
                format=self._format,
                codec=self._codec,
                limits=self._settings.limits,
            )

    def _decoder(self, temperature: float) -> Decoder:
        if self.use_vllm:
            if not temperature:  # a measurement; for the rollouts of a step TRL does this itself
                self.vllm_generation.sync_weights()
            return VLLMDecoder(
                self.vllm_generation.llm.llm_engine,
                ends=self._codec.ends,
                stops=self._format.stops,
                temperature=temperature,
            )
        check = self._codec.closing if self._format.stops else frozenset[int]()
        return TorchDecoder(
            self.accelerator.unwrap_model(self.model),
            pad=self._codec.tokenizer.pad_token_id,
            ends=self._codec.ends,
            temperature=temperature,
            check=check,
        )

    def training_step(self, model: Any, inputs: Any, num_items_in_batch: Any = None) -> Any:
        """TRL's loss of a step, in passes by a budget of tokens. TRL's measures are means over the passes."""
        began = time.perf_counter()
        model.train()
        whole = self._prepare_inputs(inputs)
        mask = whole["completion_mask"] * whole.get("tool_mask", 1)

        def loss_of(part: Sequence[int]) -> Any:
            share = loss_share(self.loss_type, mask, part)
            return self.compute_loss(model, rows_of(whole, part)) * share

        loss = self.backward(model, self._passes(whole), loss_of)
        self._step += 1
        self._metrics["train"]["step_time"].append(time.perf_counter() - began)
        return loss

    def _passes(self, inputs: Mapping[str, Any]) -> list[list[int]]:
        """Numbers of the rollouts of each pass. All processes have as many passes, because TRL gathers its
        measures in each."""
        ids, mask = (
            torch.cat([inputs[f"prompt_{part}"], inputs[f"completion_{part}"]], 1) for part in ("ids", "mask")
        )
        rows = completion_rows(ids, mask, inputs["completion_ids"].shape[1])
        parts = pass_rows(rows, self._form, self._settings.tokens_per_pass)
        numbers = self.accelerator.gather(torch.tensor([len(parts)], device=self.accelerator.device))
        return divided(parts, int(numbers.max()))

    def _get_per_token_logps_and_entropies(
        self,
        model: Any,
        input_ids: Any,
        attention_mask: Any,
        logits_to_keep: int,
        batch_size: int | None = None,
        compute_entropy: bool = False,
        **more: Any,
    ) -> tuple[Any, Any, None]:
        """TRL's, with the prefix that rollouts share computed once, in passes of our own size. Padding
        scores 0."""
        with self.accelerator.autocast():
            found = completion_scores(
                model,
                input_ids,
                attention_mask,
                logits_to_keep,
                form=self._form,
                temperature=self.temperature,
                tokens=self._settings.tokens_per_pass,
            )
        return found.log_probs, found.entropy if compute_entropy else None, None


def _rolled(prompts: list[str], trainer: AgentGRPO) -> dict[str, Any]:
    return trainer.rolled(prompts)


def _column(name: str) -> Callable[..., list[float | None]]:
    """A reward for TRL, which logs it by its name; it was computed with the rollout."""

    def reward(*, scores: Sequence[Mapping[str, float | None]], **more: Any) -> list[float | None]:
        return [score[name] for score in scores]

    reward.__name__ = name
    return reward


def seed_of(*parts: object) -> int:
    """A seed derived from its purpose, 48 bits."""
    return int.from_bytes(hashlib.blake2b(repr(parts).encode(), digest_size=6).digest(), "big")


def grpo_arguments(
    folder: Path,
    settings: AgentSettings,
    rewards: Rewards,
    *,
    processes: int,
    checkpointing: bool,
    cpu: bool,
) -> GRPOConfig:
    """TRL's arguments for a run.

    Args:
        folder: folder of the checkpoints.
        settings: settings of the run.
        rewards: rewards, by whose weights TRL sums.
        processes: number of training processes.
        checkpointing: whether activations are computed again in the backward pass.
        cpu: whether to train on the CPU.
    """
    return GRPOConfig(
        **shared_arguments(folder, settings, processes=processes, checkpointing=checkpointing, cpu=cpu),
        per_device_train_batch_size=settings.share(processes),
        num_generations=settings.group,
        max_completion_length=settings.limits.tokens,
        max_steps=settings.steps,
        lr_scheduler_type="constant_with_warmup" if settings.warmup else "constant",
        warmup_steps=settings.warmup,
        temperature=settings.temperature,
        beta=settings.kl,
        use_bias_correction_kl=False,  # the paper's estimator, uncorrected
        epsilon=settings.clip,
        loss_type=settings.loss,
        scale_rewards="group" if settings.scale else "none",
        reward_weights=list(rewards.weights.values()),
        mask_truncated_completions=False,
        use_vllm=settings.generator == "vllm",
        save_steps=settings.save_every,
        save_total_limit=_KEPT,
        remove_unused_columns=False,
    )


@contextmanager
def _silenced() -> Iterator[None]:
    """Without TRL's warning that `rollout_func` may change; our tests would detect a change."""
    before = os.environ.get(_SILENCE)
    os.environ[_SILENCE] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[_SILENCE]
        else:
            os.environ[_SILENCE] = before
