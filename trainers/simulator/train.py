"""Training a simulator, from the log to the adapter."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

from artis_sdk.errors import TrainingError
from artis_sdk.prompts import Prompts
from artis_sdk.records.outcome_type import SUCCESS
from artis_sdk.simulators.form import PromptForm
from artis_sdk.simulators.trained import Trained
from artis_sdk.store_address import shown_address
from artis_sdk.trainers.card import base_of, sha256, write_card
from artis_sdk.trainers.dataset.prepare import DataSettings, Prepared, prepare
from artis_sdk.trainers.dataset.split import SPLITS
from artis_sdk.trainers.dataset.training_rows import RowMaker, Thoughts
from artis_sdk.trainers.first_step import kept_from_the_first_step
from artis_sdk.trainers.memory import plan_memory
from artis_sdk.trainers.precision import Chosen, weights_type
from artis_sdk.trainers.process_group import join_processes
from artis_sdk.trainers.simulator import checkpoints as sft_checkpoints
from artis_sdk.trainers.simulator.exam import draw_exam, exam_of, recorded_strata, strata
from artis_sdk.trainers.simulator.model import ChatEncoder, check_base, load_base
from artis_sdk.trainers.simulator.settings import SFTSettings
from artis_sdk.trainers.simulator.tokens import form_for, write_tokens
from artis_sdk.trainers.whole_folder import whole_folder

RUN: Final = "run.json"
_TOKENS: Final = "tokens.json"
_SAMPLE: Final = 500  # rows by which characters are measured in tokens
_TEMPLATES: Final = ("simulator_system", "simulator_user")

_CHOSEN_BY: Final = {
    "score": "failure recall on validation, then exact match, then loss",
    "loss": "loss on validation, which has no failures",
}

OnStage = Callable[[str], None]


class TrainedAdapter(NamedTuple):
    """The result of a run."""

    adapter: Path
    """A peft adapter with its card; `LLMSimulator.trained` takes this folder."""
    card: dict[str, Any]
    history: list[dict[str, Any]]
    """Loss and measures by step, as transformers logs them."""


def train_simulator(
    log: str | Path,
    base: str | Path,
    out: str | Path,
    *,
    data: DataSettings | None = None,
    settings: SFTSettings | None = None,
    prompts: Prompts | None = None,
    thoughts: Thoughts | None = None,
    resume: bool = False,
    cpu: bool | None = None,
    on_stage: OnStage | None = None,
    on_progress: Callable[[Any], None] | None = None,
) -> TrainedAdapter:
    """Train a LoRA adapter that simulates the tools of a call log (section 4.3, appendix A).

    Under `torchrun` or `accelerate launch` every process calls this, and they train together.

    Args:
        log: a call log, a file or a URL as `open_call_log` takes it, or its export as `.parquet` or `.jsonl`.
        base: causal language model, path or hub id.
        out: new folder: `adapter/` is the result, `data/` its training and test data, `checkpoints/`
            the points from which a resumed run continues.
        data: settings that turn the log into training data, for the epochs of `settings`.
        settings: settings of the training.
        prompts: templates `simulator_system` and `simulator_user` that replace ours and are kept with the
            adapter.
        thoughts: function that writes the thought before each outcome, from call, state and history
            (`training_rows.Thoughts`): a small model compares and calculates better in writing. The
            trained simulator writes its thoughts itself.
        resume: whether to continue the run in `out`, on its own data.
        cpu: whether to train on the CPU; by default only without an accelerator.
        on_stage: callback for the name of each stage, on the first process.
        on_progress: callback for steps and evaluations (`TrainingProgress`), on the first process.

    Raises:
        TrainingError: the base is not a causal language model, the device lacks a setting, the log
            has no rows to train on, `out` holds another run, or the disk is full; saved checkpoints are
            kept. Nothing is left in `out` of a new run that fails before its first step.
        LogError: the log cannot be read, or has corrupt rows.
        MissingExtraError: a library is not installed.
    """
    settings = settings or SFTSettings()
    data = (data or DataSettings()).model_copy(update={"epochs": settings.epochs})
    templates = {name: (prompts or Prompts()).text(name) for name in _TEMPLATES}
    run = _Run(str(base), Path(out), data, settings, templates, thoughts)
    tell = on_stage or _silent
    check_base(run.base)
    _quiet()
    processes, precision, cpu = join_processes(settings, cpu=cpu)
    main = processes.is_main_process
    with ExitStack() as stack:
        with processes.main_process_first():
            if main:
                run.begin(log, resume=resume)
            begins = stack.enter_context(kept_from_the_first_step(run.out, new=main and not resume))
            if main:
                run.prepare(log, tell)
        return run.train(processes, tell, begins, on_progress if main else None, precision, cpu=cpu)


@dataclass(frozen=True, slots=True)
class _Run:
    """One run in its folder; finished stages are not repeated."""

    base: str
    out: Path
    data: DataSettings
    settings: SFTSettings
    templates: dict[str, str]
    thoughts: Thoughts | None

    def begin(self, log: str | Path, *, resume: bool) -> None:
        """Make the folder, or check that it holds the same run."""
        mine = {
            "base": self.base,
            "log": shown_address(log),
            "data": self.data.model_dump(mode="json"),
            "settings": self.settings.model_dump(mode="json"),
            "templates": self.templates,
        }
        if self.thoughts is not None:
            mine["thoughts"] = f"{self.thoughts.__module__}:{self.thoughts.__qualname__}"
        path = self.out / RUN
        if path.exists():
            if not resume:
                raise TrainingError(
                    f"{self.out} holds a run already: pass --resume to continue it, or another --out"
                )
            there = json.loads(path.read_bytes())
            changed = dict.fromkeys(_changed(there, mine))  # epochs and seed stand in two
            if changed:
                raise TrainingError(
                    f"{self.out} holds a run with another {', '.join(changed)}: a run is resumed with the "
                    "settings that it began with"
                )
            return
        if resume:
            raise TrainingError(f"{self.out} holds no run to resume")
        if self.out.exists() and any(self.out.iterdir()):
            raise TrainingError(f"{self.out} is not empty and holds no run: pass another --out")
        try:
            self.out.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(mine, indent=2) + "\n", encoding="utf-8")
        except OSError as error:
            raise TrainingError(f"{self.out} cannot be written: {error.strerror}") from error

    def prepare(self, log: str | Path, tell: OnStage) -> None:
        """Make data and tokens, unless they exist."""
        if (self.out / _TOKENS).exists():
            there = Prepared(self.out / "data").report["log"]
            tell(f"using the data that were prepared from {there}; rows logged since then need another --out")
            return
        from transformers import AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(self.base)
        encoder = ChatEncoder(tokenizer, self.base)
        tell("splitting and rebalancing the log")
        prepared = prepare(log, self.out / "data", self.data)
        tell("writing prompts as tokens")
        prompts = Prompts(self.templates)
        rows = {split: prepared.report["splits"][split]["chosen"] for split in SPLITS}
        sample = prepared.records("train", range(0, rows["train"], max(1, rows["train"] // _SAMPLE)))
        form = form_for(sample, encoder, self.settings, prompts, self.thoughts)
        maker = RowMaker(form, prompts, self.thoughts)
        known: frozenset[int] = frozenset()
        sizes: dict[str, Any] = {}
        folder = self.out / "tokens"
        folder.mkdir(exist_ok=True)
        for split in SPLITS:
            only = self._asked(prepared) if split == "test" else range(rows[split])
            found = write_tokens(
                prepared.records(split, only),
                prepared.draws() if split == "train" else [[1]] * len(only),
                folder / f"{split}.arrow",
                encoder=encoder,
                maker=maker,
                max_length=self.settings.max_length,
                known=known,
            )
            if split == "train":
                known = frozenset(found.prompts)
                if not found.rows:
                    raise TrainingError(
                        f"all {found.too_long.total():,} rows are longer than {self.settings.max_length} "
                        "tokens: raise --max-length"
                    )
            sizes[split] = found.report()
        made = {"form": form.model_dump(), "splits": sizes}
        (self.out / _TOKENS).write_text(json.dumps(made, indent=2) + "\n", encoding="utf-8")

    def _asked(self, prepared: Prepared) -> frozenset[int]:
        """Places of the test rows that the model will answer: no others are made into tokens."""
        known = recorded_strata(prepared.outcomes("test"))
        return frozenset(draw_exam(known, self.settings.judged, seed=self.settings.seed))

    def train(
        self,
        processes: Any,
        tell: OnStage,
        begins: Callable[[], None],
        on_progress: Callable[[Any], None] | None,
        precision: Chosen,
        *,
        cpu: bool,
    ) -> TrainedAdapter:
        from datasets import Dataset
        from peft import LoraConfig

        from artis_sdk.trainers.simulator.judge import validation_cases
        from artis_sdk.trainers.simulator.steps import first_passes
        from artis_sdk.trainers.simulator.trainer import SimulatorTrainer, trainer_arguments
        from artis_sdk.trainers.tree_attention import choose_form

        tokens = json.loads((self.out / _TOKENS).read_bytes())
        rows = {split: Dataset.from_file(str(self.out / "tokens" / f"{split}.arrow")) for split in SPLITS}
        validation = rows["validation"] if len(rows["validation"]) else None
        limit, seed = self.settings.judged, self.settings.seed
        asked, tested = (validation_cases(rows[split], limit, seed=seed) for split in ("validation", "test"))
        failing = any(case.type != SUCCESS for case in asked)
        checkpoints = self.out / "checkpoints"
        tell(f"loading {self.base}")
        model, tokenizer = load_base(
            self.base,
            weights_type(precision, lora=True),
            self.settings.attn_implementation,
            four_bit=self.settings.four_bit,
            device=processes.device,
        )
        form = choose_form(model)
        memory = plan_memory(
            model,
            first_passes(rows["train"], self.settings, form, processes),
            precision=precision,
            rank=self.settings.rank,
            checkpointing=self.settings.gradient_checkpointing,
            cpu=cpu,
        )
        tell(memory.sentence)
        arguments = trainer_arguments(
            checkpoints,
            self.settings,
            draws=min(map(sum, zip(*rows["train"]["draws"], strict=True))),
            processes=processes.num_processes,
            judged=failing,
            validated=validation is not None,
            checkpointing=memory.checkpointing,
            cpu=cpu,
        )
        trainer = SimulatorTrainer(
            model=model,
            tokenizer=tokenizer,
            encoder=ChatEncoder(tokenizer, self.base),
            train=rows["train"],
            validation=validation,
            validation_cases=asked,
            answer_tokens=max(split["longest_answer"] for split in tokens["splits"].values()),
            form=form,
            settings=self.settings,
            args=arguments,
            peft_config=LoraConfig(
                r=self.settings.rank,
                lora_alpha=self.settings.alpha,
                target_modules="all-linear",
                task_type="CAUSAL_LM",
            ),
            on_progress=on_progress,
        )
        trainable = sum(p.numel() * p.element_size() for p in trainer.model.parameters() if p.requires_grad)
        sft_checkpoints.need_room(
            self.out, 3 * trainable * 4
        )  # weights and two moments; three and the result
        last = sft_checkpoints.latest(checkpoints) if processes.is_main_process else None
        processes.wait_for_everyone()
        last = last or sft_checkpoints.latest(checkpoints)
        tell(f"measuring the base on {len(tested)} test rows")
        before = trainer.judged(tested)
        tell(f"resuming from {last.name}" if last else "training")
        began = time.monotonic()
        begins()
        trainer.train(resume_from_checkpoint=None if last is None else str(last))
        seconds = time.monotonic() - began
        tell(f"measuring the adapter on {len(tested)} test rows")
        after = trainer.judged(tested)
        history = list(trainer.state.log_history)
        adapter = self.out / "adapter"
        card = self._card(trainer, tokens, history, seconds)
        card["exam"] = {
            "validation": exam_of(strata(rows["validation"]), [case.stratum for case in asked]),
            "test": exam_of(
                recorded_strata(Prepared(self.out / "data").outcomes("test")),
                [case.stratum for case in tested],
            ),
        }
        card["held_out"] = {
            name: {"rows": counts.rows, **counts.metrics()}
            for name, counts in (("before", before), ("after", after))
        }
        if processes.is_main_process:
            self._write(trainer, adapter, tokens["form"], card)
        processes.wait_for_everyone()
        return TrainedAdapter(adapter, card, history)

    def _card(
        self, trainer: Any, tokens: dict[str, Any], history: list[dict[str, Any]], seconds: float
    ) -> dict[str, Any]:
        losses = [entry["loss"] for entry in history if "loss" in entry]
        state = trainer.state
        report = Prepared(self.out / "data").report
        hashes = {f"{split}_sha256": sha256([self.out / "data" / f"{split}.parquet"]) for split in SPLITS}
        best = state.best_metric
        return {
            "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "base": base_of(self.base, trainer.model.get_base_model().config),
            "data": {**report, "tokens": tokens["splits"], **hashes},
            "training": {
                **self.settings.model_dump(),
                "processes": trainer.args.world_size,
                "steps": state.global_step,
                "steps_planned": state.max_steps,
                "first_loss": losses[0] if losses else None,
                "last_loss": losses[-1] if losses else None,
                "chosen_by": None if best is None else _CHOSEN_BY[trainer.args.metric_for_best_model],
                "best_step": state.best_global_step,
                "seconds": round(seconds, 1),
            },
        }

    def _write(self, trainer: Any, adapter: Path, form: dict[str, Any], card: dict[str, Any]) -> None:
        """Write the adapter with its form and card, all of it or nothing."""
        with whole_folder(adapter) as partial:
            trainer.accelerator.unwrap_model(trainer.model).save_pretrained(str(partial))
            Trained(base=self.base, form=PromptForm(**form), templates=self.templates).write(partial)
            write_card(partial, card)


def _changed(there: dict[str, Any], mine: dict[str, Any]) -> Iterator[str]:
    """What differs from the run that is there, by the names of the options, with its values but for texts."""
    for name, value in mine.items():
        was: Any = there.get(name)
        if name in ("data", "settings"):
            for option in (o for o in value if was.get(o) != value[o]):
                if option != "rebalance":
                    yield f"{option} ({was.get(option)})"
                    continue
                parts = was.get(option, {}).items()
                yield from (f"{part} ({old})" for part, old in parts if value[option][part] != old)
        elif name != "log" and was != value:
            yield f"{name} ({was})" if name == "base" else name


def _silent(stage: str) -> None:
    pass


def _quiet() -> None:
    """Without the libraries' own lines between ours."""
    for name in ("transformers", "trl", "accelerate", "datasets", "peft"):
        logging.getLogger(name).setLevel(logging.ERROR)
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
