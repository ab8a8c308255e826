"""TRL's trainer, with draws as its order, failure recall as its measure, and whole checkpoints."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import torch
from pyarrow.compute import list_value_length
from transformers import EarlyStoppingCallback, PrinterCallback, TrainerCallback
from trl import SFTConfig, SFTTrainer

from artis_sdk.trainers.simulator.judge import Judged, ValidationCase, judge
from artis_sdk.trainers.simulator.model import ChatEncoder
from artis_sdk.trainers.simulator.sampler import DrawSampler
from artis_sdk.trainers.simulator.settings import SFTSettings
from artis_sdk.trainers.whole_trainer import WholeCheckpoints, shared_arguments

_CHECKPOINTS_KEPT: Final = 3  # the best, the newest, and the one before until the newest is whole
_TIE: Final = 1000  # exact match decides between equal failure recalls, and loss between equal matches
_TOKENS_BEYOND: Final = 1.25  # of the longest answer seen, before an answer counts as endless


class TrainingProgress(NamedTuple):
    """The position of a training run."""

    step: int
    steps: int
    epoch: float
    loss: float | None = None
    """Mean loss over the tokens of the last steps' answers."""
    metrics: dict[str, float] | None = None
    """Measures, if this is an evaluation."""


OnProgress = Callable[[TrainingProgress], None]


class SimulatorTrainer(WholeCheckpoints, SFTTrainer):  # type: ignore[misc]
    """Trains on a data set of tokens (`tokens.write_tokens`).

    Args:
        model: a peft model, or one that peft wraps by `peft_config`.
        tokenizer, encoder: tokenizer and encoder of its base.
        train, validation: data sets of tokens.
        validation_cases: validation rows with generated outcomes; without any, loss decides the best.
        answer_tokens: tokens of the longest answer.
        settings: settings of the run.
        args: TRL's arguments, by `trainer_arguments`.
        on_progress: callback for steps and evaluations, on the first process.
    """

    def __init__(
        self,
        *,
        model: Any,
        tokenizer: Any,
        encoder: ChatEncoder,
        train: Any,
        validation: Any,
        validation_cases: Sequence[ValidationCase],
        answer_tokens: int,
        settings: SFTSettings,
        args: SFTConfig,
        peft_config: Any = None,
        on_progress: OnProgress | None = None,
    ) -> None:
        self._encoder = encoder
        self._cases = validation_cases
        self._answer_tokens = int(answer_tokens * _TOKENS_BEYOND) + 4
        self._settings = settings
        lengths = list_value_length(train.data.column("input_ids")).to_pylist()
        self._sampler = DrawSampler(
            train["draws"],
            settings.seed,
            lengths=lengths,
            step=settings.batch,
            micro_batch=settings.micro_batch,
            processes=args.world_size,
        )
        callbacks: list[Any] = [_Epochs(self._sampler)]
        if validation is not None:
            callbacks.append(_EarlyStop(early_stopping_patience=settings.patience))
        if on_progress is not None:
            callbacks.append(_Report(on_progress))
        super().__init__(
            model=model,
            args=args,
            train_dataset=train,
            eval_dataset=validation,
            processing_class=tokenizer,
            callbacks=callbacks,
            peft_config=peft_config,
        )
        self.remove_callback(PrinterCallback)

    def _get_train_sampler(self, train_dataset: Any = None) -> DrawSampler:
        return self._sampler

    def evaluation_loop(self, *args: Any, **more: Any) -> Any:
        """The stock loop's loss, and the scores of generated answers."""
        output = super().evaluation_loop(*args, **more)
        prefix = more.get("metric_key_prefix", "eval")
        shares = self.judged(self._cases).metrics()
        if "failure_recall" in shares:
            loss = output.metrics[f"{prefix}_loss"]
            shares["score"] = shares["failure_recall"] + shares["exact_match"] / _TIE - loss / _TIE**2
        for name, share in shares.items():
            output.metrics[f"{prefix}_{name}"] = share
        return output

    def judged(self, validation_cases: Sequence[ValidationCase]) -> Judged:
        """Let the present model answer rows, divided among the processes."""
        accelerator = self.accelerator
        mine = validation_cases[accelerator.process_index :: accelerator.num_processes]
        counts = judge(
            accelerator.unwrap_model(self.model),
            self._encoder,
            self.processing_class,
            mine,
            max_new_tokens=self._answer_tokens,
            batch=2 * self._settings.micro_batch,
        )
        summed = accelerator.reduce(torch.tensor(counts, device=accelerator.device), "sum")
        return Judged(*summed.tolist())


def trainer_arguments(
    folder: Path,
    settings: SFTSettings,
    *,
    draws: int,
    processes: int,
    judged: bool,
    validated: bool,
    cpu: bool,
) -> SFTConfig:
    """TRL's arguments for a run.

    Args:
        folder: folder of the checkpoints.
        settings: settings of the run.
        draws: rows of one epoch.
        processes: number of training processes.
        judged: whether failure recall is measured and decides the best checkpoint.
        validated: whether a validation split exists.
        cpu: whether to train on the CPU.
    """
    steps = max(1, -(-draws // settings.batch)) * settings.epochs
    every = max(1, steps // settings.evaluations)
    return SFTConfig(
        **shared_arguments(folder, settings, processes=processes, cpu=cpu),
        per_device_eval_batch_size=settings.micro_batch,
        num_train_epochs=settings.epochs,
        lr_scheduler_type="cosine",
        warmup_steps=settings.warmup,
        max_length=None,
        packing=False,
        completion_only_loss=True,
        dataset_kwargs={"skip_prepare_dataset": True},
        eval_strategy="steps" if validated else "no",
        eval_steps=every,
        save_steps=every,
        save_total_limit=_CHECKPOINTS_KEPT,
        load_best_model_at_end=validated,
        metric_for_best_model="score" if judged else "loss",
        greater_is_better=judged,
        restore_callback_states_from_checkpoint=True,
        logging_first_step=True,
    )


class _Epochs(TrainerCallback):  # type: ignore[misc]
    """Sets the sampler's epoch at its start, also behind a resumed data loader."""

    def __init__(self, sampler: DrawSampler) -> None:
        self._sampler = sampler

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        self._sampler.set_epoch(state.global_step * state.num_train_epochs // state.max_steps)


class _EarlyStop(EarlyStoppingCallback):  # type: ignore[misc]
    """Stops when failure recall no longer rises, but not before the first right prediction."""

    def on_evaluate(
        self, args: Any, state: Any, control: Any, metrics: dict[str, float], **more: Any
    ) -> None:
        if "eval_score" not in metrics or metrics["eval_failure_recall"] or metrics["eval_exact_match"]:
            super().on_evaluate(args, state, control, metrics, **more)


class _Report(TrainerCallback):  # type: ignore[misc]
    def __init__(self, tell: OnProgress) -> None:
        self._tell = tell

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float], **more: Any) -> None:
        if state.is_world_process_zero and "loss" in logs:
            self._tell(TrainingProgress(state.global_step, state.max_steps, state.epoch, loss=logs["loss"]))

    def on_evaluate(
        self, args: Any, state: Any, control: Any, metrics: dict[str, float], **more: Any
    ) -> None:
        if state.is_world_process_zero:
            shown = {name.removeprefix("eval_"): value for name, value in metrics.items()}
            self._tell(
                TrainingProgress(state.global_step, state.max_steps, state.epoch or 0.0, metrics=shown)
            )
