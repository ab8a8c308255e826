"""TRL's trainer, with draws as its order, failure recall as its measure, and whole checkpoints."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import torch
from torch.utils.data import DataLoader
from transformers import EarlyStoppingCallback, PrinterCallback, TrainerCallback
from transformers.trainer_utils import EvalLoopOutput
from trl import SFTConfig, SFTTrainer

from artis_sdk.trainers.pass_by_pass import PassByPass
from artis_sdk.trainers.simulator.judge import Judged, ValidationCase, judge
from artis_sdk.trainers.simulator.model import ChatEncoder
from artis_sdk.trainers.simulator.settings import SFTSettings
from artis_sdk.trainers.simulator.steps import DrawOrder, Steps
from artis_sdk.trainers.token_tree import Form
from artis_sdk.trainers.tree_attention import scores
from artis_sdk.trainers.whole_trainer import WholeCheckpoints, shared_arguments

_CHECKPOINTS_KEPT: Final = 3  # the best, the newest, and the one before until the newest is whole
_TIE: Final = 1000  # exact match decides between equal failure recalls, and loss between equal matches
_ANSWERED: Final = 16  # rows that are answered together
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
    answered: tuple[int, int] | None = None
    """Of a measurement that is running, rows answered so far and in all."""


OnProgress = Callable[[TrainingProgress], None]


class SimulatorTrainer(PassByPass, WholeCheckpoints, SFTTrainer):  # type: ignore[misc]
    """Trains on a data set of tokens (`tokens.write_tokens`).

    Args:
        model: a peft model, or one that peft wraps by `peft_config`.
        tokenizer, encoder: tokenizer and encoder of its base.
        train, validation: data sets of tokens.
        validation_cases: validation rows with generated outcomes; without any, loss decides the best.
        answer_tokens: tokens of the longest answer.
        form: the way in which the model computes rows together (`tree_attention.choose_form`).
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
        form: Form,
        settings: SFTSettings,
        args: SFTConfig,
        peft_config: Any = None,
        on_progress: OnProgress | None = None,
    ) -> None:
        self._encoder = encoder
        self._cases = validation_cases
        self._answer_tokens = int(answer_tokens * _TOKENS_BEYOND) + 4
        self._settings = settings
        order = DrawOrder(train["draws"], settings.seed)
        shared: dict[str, Any] = {
            "batch": settings.batch,
            "tokens": settings.tokens_per_pass,
            "form": form,
            "process": args.process_index,
            "processes": args.world_size,
        }
        self._steps = Steps(train, order.epoch(0), **shared)
        self._validation = None if validation is None else Steps(validation, range(len(validation)), **shared)
        callbacks: list[Any] = [_Epochs(self._steps, order)]
        if validation is not None:
            callbacks.append(_EarlyStop(early_stopping_patience=settings.patience))
        self._tell = on_progress
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

    def get_train_dataloader(self) -> DataLoader:
        """The steps of an epoch, one at a time."""
        return DataLoader(self._steps, batch_size=1, collate_fn=_only)

    def training_step(self, model: Any, inputs: dict[str, Any], num_items_in_batch: Any = None) -> Any:
        """This process's share of one optimizer step: forward and backward of each of its passes."""
        model.train()
        # The gradients of the processes are averaged, and each has the mean over the labels of the step.
        scale = self.accelerator.num_processes / max(inputs["labels"], 1)
        return self.backward(
            model, inputs["passes"], lambda part: -scores(model, part).log_probs.sum() * scale
        )

    def floating_point_ops(self, inputs: dict[str, Any]) -> int:
        """None: transformers would count them by a padded batch, which there is not."""
        return 0

    def evaluation_loop(
        self, dataloader: Any, description: str, *args: Any, metric_key_prefix: str = "eval", **more: Any
    ) -> EvalLoopOutput:
        """Mean loss over the labels of the validation rows, and the scores of generated answers."""
        loss = self._validation_loss()
        shares = self.judged(self._cases).metrics()
        if "failure_recall" in shares:
            shares["score"] = shares["failure_recall"] + shares["exact_match"] / _TIE - loss / _TIE**2
        metrics = {f"{metric_key_prefix}_{name}": value for name, value in {"loss": loss, **shares}.items()}
        return EvalLoopOutput(None, None, metrics, len(self.eval_dataset))

    def _validation_loss(self) -> float:
        assert self._validation is not None
        model = self.accelerator.unwrap_model(self.model)
        model.eval()
        summed, labels = torch.zeros((), dtype=torch.float64), 0
        with torch.no_grad(), self.compute_loss_context_manager():
            for step in self._validation:
                summed -= sum(scores(model, part).log_probs.sum().item() for part in step["passes"])
                labels += step["labels"]
        model.train()
        whole = self.accelerator.reduce(summed.to(self.args.device, torch.float32), "sum")
        return float(whole) / max(labels, 1)

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
            batch=_ANSWERED,
            on_answered=self._answered,
        )
        summed = accelerator.reduce(torch.tensor(counts, device=accelerator.device), "sum")
        return Judged(*summed.tolist())

    def _answered(self, done: int, rows: int) -> None:
        if self._tell is not None:
            at = (self.state.global_step, self.state.max_steps, self.state.epoch or 0.0)
            self._tell(TrainingProgress(*at, answered=(done, rows)))


def trainer_arguments(
    folder: Path,
    settings: SFTSettings,
    *,
    draws: int,
    processes: int,
    judged: bool,
    validated: bool,
    checkpointing: bool,
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
        checkpointing: whether activations are computed again in the backward pass.
        cpu: whether to train on the CPU.
    """
    steps = max(1, -(-draws // settings.batch)) * settings.epochs
    every = max(1, steps // settings.evaluations)
    return SFTConfig(
        **shared_arguments(folder, settings, processes=processes, checkpointing=checkpointing, cpu=cpu),
        per_device_train_batch_size=max(1, settings.batch // processes),
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


def _only(steps: list[dict[str, Any]]) -> dict[str, Any]:
    return steps[0]


class _Epochs(TrainerCallback):  # type: ignore[misc]
    """Sets an epoch's order at its start, also behind a resumed data loader."""

    def __init__(self, steps: Steps, order: DrawOrder) -> None:
        self._steps, self._order = steps, order

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        self._steps.order = self._order.epoch(state.global_step * state.num_train_epochs // state.max_steps)


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
