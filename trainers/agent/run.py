"""Training of an agent, from its tasks to a usable model."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from artis_sdk.contracts import Simulator
from artis_sdk.errors import ConfigurationError, TrainingError
from artis_sdk.trainers.agent.formats import Codec, make_format
from artis_sdk.trainers.agent.measures import held_out_tally, means
from artis_sdk.trainers.agent.rewards import Rewards
from artis_sdk.trainers.agent.rollout import AgentTask
from artis_sdk.trainers.agent.run_folder import (
    ROLLOUTS,
    AgentForm,
    RolloutLog,
    begin,
    write_agent,
    write_metrics,
)
from artis_sdk.trainers.agent.settings import AgentSettings, longest_pass
from artis_sdk.trainers.agent.step_measures import StepMeasures
from artis_sdk.trainers.agent.worlds import RealWorlds, SandboxWorlds, SimulatorWorlds, WorldName, Worlds
from artis_sdk.trainers.card import base_of
from artis_sdk.trainers.first_step import kept_from_the_first_step
from artis_sdk.trainers.memory import plan_memory
from artis_sdk.trainers.precision import Chosen, weights_type
from artis_sdk.trainers.process_group import join_processes
from artis_sdk.trainers.simulator import checkpoints as sft_checkpoints
from artis_sdk.trainers.simulator.model import check_base, load_base


class TrainedAgent(NamedTuple):
    """The result of a run."""

    folder: Path
    """A peft adapter or a whole model, with its form and card; `AgentBackend` takes it."""
    card: dict[str, Any]
    history: list[dict[str, Any]]
    """Measures by step, as transformers logs them."""


class AgentTrainer:
    """Trains an agent by GRPO on rollouts with tools (ARTIST, arXiv 2505.01441).

    Args:
        base: causal language model, path or hub id.
        out: new folder: `agent/` is the result, `rollouts.jsonl` every rollout with its rewards,
            `metrics.jsonl` and `curve.svg` the measures over the steps.
        tasks: tasks to train on.
        held_out: tasks to measure on; disjoint from `tasks`.
        settings: settings of the training.
        rewards: rewards; by default the paper's three.
        world: world that answers the calls of training.
        simulator: simulator of the world `simulator`.
        measure_in: world in which held-out tasks are measured; by default `world`. The gap between the
            two is reported.
        irreversible: whether to run irreversible tools in the world `real`.
        resume: whether to continue the run in `out`.
        cpu: whether to train on the CPU; by default only without an accelerator.
        on_stage: callback for the name of each stage, on the first process.
        on_step: callback for the measures of each step, on the first process.

    Raises:
        ConfigurationError: a world lacks its simulator, or would run irreversible tools.
        TrainingError: task ids are not unique, or a held-out task is trained on.
    """

    def __init__(
        self,
        base: str | Path,
        out: str | Path,
        tasks: Sequence[AgentTask],
        *,
        held_out: Sequence[AgentTask] = (),
        settings: AgentSettings | None = None,
        rewards: Rewards | None = None,
        world: WorldName = "sandbox",
        simulator: Simulator | None = None,
        measure_in: WorldName | None = None,
        irreversible: bool = False,
        resume: bool = False,
        cpu: bool | None = None,
        on_stage: Callable[[str], None] | None = None,
        on_step: Callable[[StepMeasures], None] | None = None,
    ) -> None:
        ids = [task.id for task in (*tasks, *held_out)]
        if len(set(ids)) < len(ids):
            raise TrainingError("task ids must be unique, and no held-out task may be trained on")
        if not tasks:
            raise TrainingError("no tasks to train on")
        self.settings = settings or AgentSettings()
        self.rewards = rewards or Rewards()
        self._base, self._out = str(base), Path(out)
        self._tasks = {task.id: task for task in tasks}
        self._held_out = tuple(held_out[: self.settings.measured])
        self._simulator, self._irreversible = simulator, irreversible
        self._worlds = self._world(world)
        self._measured_in = self._worlds if measure_in in (None, world) else self._world(measure_in or world)
        self._resume, self._cpu = resume, cpu
        self._on_stage, self._on_step = on_stage, on_step

    def _world(self, name: WorldName) -> Worlds:
        if name == "sandbox":
            return SandboxWorlds()
        if name == "simulator":
            if self._simulator is None:
                raise ConfigurationError("the world simulator needs a simulator")
            return SimulatorWorlds(self._simulator)
        toolsets = [task.tools for task in (*self._tasks.values(), *self._held_out)]
        return RealWorlds(toolsets, self._out / "journal.db", irreversible=self._irreversible)

    def train(self) -> TrainedAgent:
        """Train, or continue training, and measure before and after.

        Raises:
            TrainingError: the base is not a causal language model, the device lacks a setting,
                `out` holds another run, or the disk is full; saved checkpoints are kept. Nothing is left in
                `out` of a new run that fails before its first step.
            ConfigurationError: called on an event loop, which it would block.
            MissingExtraError: a library is not installed.
        """
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            pass
        else:
            raise ConfigurationError("training blocks: call it as `await asyncio.to_thread(trainer.train)`")
        check_base(self._base)
        _quiet()
        processes, precision, cpu = join_processes(self.settings, cpu=self._cpu)
        with processes.main_process_first():
            if processes.is_main_process:
                begin(self._out, self._this_run(), resume=self._resume)
        new = processes.is_main_process and not self._resume
        with kept_from_the_first_step(self._out, new=new) as begins, asyncio.Runner() as runner:
            try:
                return self._train(processes, runner, begins, precision, cpu=cpu)
            finally:
                for worlds in {self._worlds, self._measured_in}:
                    if isinstance(worlds, RealWorlds):
                        runner.run(worlds.aclose())

    def _this_run(self) -> dict[str, Any]:
        return {
            "base": self._base,
            "world": self._worlds.name,
            "measured in": self._measured_in.name,
            "settings": self.settings.model_dump(mode="json"),
            "rewards": self.rewards.weights,
            "tasks": list(self._tasks),
            "held-out tasks": [task.id for task in self._held_out],
        }

    def _train(
        self,
        processes: Any,
        runner: asyncio.Runner,
        begins: Callable[[], None],
        precision: Chosen,
        *,
        cpu: bool,
    ) -> TrainedAgent:
        from datasets import Dataset
        from peft import LoraConfig

        from artis_sdk.trainers.agent.grpo import AgentGRPO, grpo_arguments
        from artis_sdk.trainers.agent.watch import StepObserver
        from artis_sdk.trainers.tree_attention import choose_form

        settings, main = self.settings, processes.is_main_process
        checkpoints = self._out / "checkpoints"
        last = sft_checkpoints.latest(checkpoints) if main else None
        processes.wait_for_everyone()
        last = last or sft_checkpoints.latest(checkpoints)
        self._tell(processes, f"loading {self._base}")
        model, tokenizer = load_base(
            self._base,
            weights_type(precision, lora=settings.lora),
            settings.attn_implementation,
            four_bit=settings.four_bit,
            device=processes.device,
        )
        format = make_format(settings.format, tokenizer, prompt=settings.prompt, think=settings.think)
        form = choose_form(model)
        memory = plan_memory(
            model,
            [longest_pass(settings, self._tasks.values(), format, processes=processes.num_processes)],
            precision=precision,
            rank=settings.rank if settings.lora else None,
            checkpointing=settings.gradient_checkpointing,
            cpu=cpu,
        )
        self._tell(processes, memory.sentence)
        arguments = grpo_arguments(
            checkpoints,
            settings,
            self.rewards,
            processes=processes.num_processes,
            checkpointing=memory.checkpointing,
            cpu=cpu,
        )
        log = RolloutLog(
            self._out / (ROLLOUTS if main else f"{processes.process_index}-{ROLLOUTS}"),
            0 if last is None else int(last.name.rpartition("-")[2]),
            rewards=self.rewards,
            group=settings.group,
            scale=settings.scale,
        )
        watch = StepObserver(self._measure, settings.measure_every, self._on_step if main else None)
        trainer = AgentGRPO(
            model=model,
            tokenizer=tokenizer,
            tasks=self._tasks,
            data=Dataset.from_dict({"prompt": list(self._tasks)}),
            form=form,
            format=format,
            codec=Codec(tokenizer),
            worlds=self._worlds,
            rewards=self.rewards,
            settings=settings,
            args=arguments,
            runner=runner,
            on_rollouts=log.add,
            callbacks=[watch],
            peft_config=LoraConfig(
                r=settings.rank,
                lora_alpha=settings.alpha,
                target_modules="all-linear",
                task_type="CAUSAL_LM",
            )
            if settings.lora
            else None,
        )
        watch.trainer = trainer
        trained = sum(p.numel() * p.element_size() for p in trainer.model.parameters() if p.requires_grad)
        sft_checkpoints.need_room(self._out, 3 * 3 * trained)  # weights and two moments; two and the result
        before = self._before(trainer, processes)
        self._tell(processes, f"resuming from {last.name}" if last else "training")
        begun = time.monotonic()
        begins()
        trainer.train(resume_from_checkpoint=None if last is None else str(last))
        seconds = time.monotonic() - begun
        self._tell(processes, f"measuring on {len(self._held_out)} held-out tasks")
        after = self._measure(trainer, self._measured_in)
        here = after if self._worlds is self._measured_in else self._measure(trainer, self._worlds)
        history = list(trainer.state.log_history)
        card = {
            "base": base_of(self._base, trainer.accelerator.unwrap_model(trainer.model).config),
            "training": {
                **settings.model_dump(mode="json"),
                "rewards": self.rewards.weights,
                "tasks": len(self._tasks),
                "world": self._worlds.name,
                "processes": processes.num_processes,
                "steps_done": trainer.state.global_step,
                "seconds": round(seconds, 1),
            },
            "held_out": {
                "tasks": len(self._held_out),
                "world": self._measured_in.name,
                "training_world": self._worlds.name,
                "before": before,
                "after": after,
                "gap": here["success"] - after["success"]
                if "success" in after and here is not after
                else None,
            },
        }
        if main:
            kept = AgentForm(
                base=self._base,
                lora=settings.lora,
                format=settings.format,
                prompt=settings.prompt,
                think=settings.think,
            )
            write_metrics(self._out, history)
            folder = write_agent(self._out, trainer, kept, card)
        processes.wait_for_everyone()
        return TrainedAgent(self._out / "agent" if not main else folder, card, history)

    def _before(self, trainer: Any, processes: Any) -> dict[str, float]:
        """Measures of the base, measured once and kept for a resumed run."""
        path = self._out / "before.json"
        measured = path.exists()
        processes.wait_for_everyone()  # all have looked before the first one writes
        if not measured:
            self._tell(processes, f"measuring the base on {len(self._held_out)} held-out tasks")
            found = self._measure(trainer, self._measured_in)
            if processes.is_main_process:
                path.write_text(json.dumps(found) + "\n", encoding="utf-8")
            processes.wait_for_everyone()
        kept: dict[str, float] = json.loads(path.read_bytes())
        return kept

    def _measure(self, trainer: Any, worlds: Worlds | None = None) -> dict[str, float]:
        """Measures on held-out tasks, greedily with the present weights; the processes share the tasks."""
        from accelerate.utils import gather_object

        if not self._held_out:
            return {}
        processes = trainer.accelerator
        mine = self._held_out[processes.process_index :: processes.num_processes]
        rollouts = trainer.roll_out(
            [(task, 0) for task in mine], worlds or self._measured_in, temperature=0.0
        )
        return means(gather_object([held_out_tally(rollouts, self.rewards)]))

    def _tell(self, processes: Any, text: str) -> None:
        if self._on_stage is not None and processes.is_main_process:
            self._on_stage(text)


def _quiet() -> None:
    """Without the libraries' own lines between ours."""
    for name in ("transformers", "trl", "accelerate", "datasets", "peft"):
        logging.getLogger(name).setLevel(logging.ERROR)
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
