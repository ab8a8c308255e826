"""`artis train agent`: GRPO on rollouts with tools."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from artis_sdk.backends import resolve
from artis_sdk.cli import training
from artis_sdk.cli.output import Json, console, next_step, print_json
from artis_sdk.errors import ConfigurationError
from artis_sdk.simulators.llm import LLMSimulator
from artis_sdk.trainers.agent.examples.registry import load_tasks
from artis_sdk.trainers.agent.formats import FormatName
from artis_sdk.trainers.agent.rewards import PAPER, Rewards
from artis_sdk.trainers.agent.rollout import RolloutLimits
from artis_sdk.trainers.agent.run import AgentTrainer
from artis_sdk.trainers.agent.settings import AgentSettings
from artis_sdk.trainers.agent.step_measures import StepMeasures
from artis_sdk.trainers.agent.worlds import WorldName
from artis_sdk.view.text import plain

_SETTINGS = AgentSettings()
_LIMITS = RolloutLimits()
_SMALL = "small"


def agent(
    base: Annotated[
        str,
        typer.Option(
            help="Causal language model: a folder, a hub id, or `small`, which is made on the spot."
        ),
    ],
    out: Annotated[Path, typer.Option(help="New folder for the agent, its rollouts and its curve.")],
    tasks: Annotated[
        str,
        typer.Option(help="Tasks: lookup, python, shop, or `module:name` of a pair (training, held out)."),
    ] = "lookup",
    world: Annotated[WorldName, typer.Option(help="World that answers the calls of training.")] = "sandbox",
    measure_in: Annotated[
        WorldName | None, typer.Option(help="World of the held-out tasks, if another; the gap is reported.")
    ] = None,
    simulator: Annotated[
        str | None, typer.Option(help="Backend that simulates the tools, such as vllm:BASE.")
    ] = None,
    irreversible: Annotated[
        bool, typer.Option(help="In the real world: allow irreversible tools, which then run many times.")
    ] = False,
    format: Annotated[
        FormatName, typer.Option(help="Format of calls: the paper's tags, or the model's own tool calls.")
    ] = "tags",
    prompt: Annotated[Path | None, typer.Option(help="File with a prompt of your own.")] = None,
    think: Annotated[bool, typer.Option(help="Require thoughts as part of the format.")] = True,
    weight: Annotated[
        list[str] | None,
        typer.Option(help="Weight of a reward, as NAME=WEIGHT; by default the paper's three. Repeatable."),
    ] = None,
    group: Annotated[int, typer.Option(help="Rollouts per task.")] = _SETTINGS.group,
    tasks_per_step: Annotated[int, typer.Option(help="Tasks per step.")] = _SETTINGS.tasks_per_step,
    tokens_per_pass: training.PassTokens = _SETTINGS.tokens_per_pass,
    steps: Annotated[int, typer.Option(help="Optimizer steps.")] = _SETTINGS.steps,
    learning_rate: Annotated[float, typer.Option(help="Constant learning rate.")] = _SETTINGS.learning_rate,
    temperature: Annotated[
        float, typer.Option(help="Sampling temperature of rollouts.")
    ] = _SETTINGS.temperature,
    kl: Annotated[
        float, typer.Option(help="Weight of the KL divergence from the base; 0: off.")
    ] = _SETTINGS.kl,
    mask_outputs: Annotated[bool, typer.Option(help="Leave tool outputs out of the loss.")] = True,
    lora: Annotated[bool, typer.Option("--lora/--full", help="Train an adapter, or all weights.")] = True,
    rank: Annotated[int, typer.Option(help="Rank of the adapter.")] = _SETTINGS.rank,
    turns: Annotated[int, typer.Option(help="Maximum turns of a rollout.")] = _LIMITS.turns,
    tokens: Annotated[int, typer.Option(help="Maximum tokens of a rollout, with outputs.")] = _LIMITS.tokens,
    seconds: Annotated[float, typer.Option(help="Maximum seconds of a rollout.")] = _LIMITS.seconds,
    tool_seconds: Annotated[
        float, typer.Option(help="Maximum seconds of a turn's calls.")
    ] = _LIMITS.tool_seconds,
    measured: Annotated[int, typer.Option(help="Held-out tasks to measure.")] = _SETTINGS.measured,
    measure_every: Annotated[
        int, typer.Option(help="Steps between measurements; 0: only before and after.")
    ] = 0,
    save_every: Annotated[int, typer.Option(help="Steps between checkpoints.")] = _SETTINGS.save_every,
    precision: training.NumberType = _SETTINGS.precision,
    attn_implementation: training.Attention = None,
    four_bit: training.FourBit = False,
    gradient_checkpointing: training.Recomputed = None,
    vllm: Annotated[bool, typer.Option(help="Generate rollouts with vLLM.")] = False,
    seed: Annotated[int, typer.Option(help="Seed of tasks, order and rollouts.")] = 0,
    resume: training.Resume = False,
    cpu: training.OnProcessor = None,
    as_json: Json = False,
) -> None:
    """Train the agent itself by reinforcement learning, with tools in its rollouts."""
    small = base == _SMALL
    text = prompt.read_text(encoding="utf-8") if prompt is not None else None
    rewards = Rewards({**PAPER, **dict(map(_weight, weight or []))})
    with training.named_option():
        settings = AgentSettings(
            format=format,
            prompt=_small_prompt() if small and text is None else text,
            think=think and not small,
            group=group,
            tasks_per_step=tasks_per_step,
            tokens_per_pass=tokens_per_pass,
            steps=steps,
            learning_rate=learning_rate,
            temperature=temperature,
            kl=kl,
            mask_outputs=mask_outputs,
            lora=lora,
            rank=rank,
            limits=RolloutLimits(turns=turns, tokens=tokens, seconds=seconds, tool_seconds=tool_seconds),
            measured=measured,
            measure_every=measure_every,
            save_every=save_every,
            precision=precision,
            attn_implementation=attn_implementation,
            four_bit=four_bit,
            gradient_checkpointing=gradient_checkpointing,
            generator="vllm" if vllm else "transformers",
            seed=seed,
        )
    chosen = load_tasks(tasks, seed)
    with training.training_bar(shown=training.first_process() and not as_json) as bar:
        trainer = AgentTrainer(
            _made(out, seed, bar) if small else base,
            out,
            chosen.train,
            held_out=chosen.held_out,
            settings=settings,
            rewards=rewards,
            world=world,
            simulator=None if simulator is None else LLMSimulator(resolve(simulator)),
            measure_in=measure_in,
            irreversible=irreversible,
            resume=resume,
            cpu=cpu,
            on_stage=bar.stage,
            on_step=partial(_show_step, bar, steps),
        )
        done = trainer.train()
    if not training.first_process():
        return
    if as_json:
        print_json({"agent": str(done.folder), **done.card})
        return
    console.print(_table(done.card["held_out"]))
    console.print(plain(f"agent: {done.folder} (its card: README.md)"))
    console.print(plain(f"curve: {out / 'curve.svg'}; every rollout: {out / 'rollouts.jsonl'}"))
    next_step(
        f'Session(agent=AgentBackend("{done.folder}"), tools=...); it is in artis_sdk.trainers.agent.backend'
    )


def _small_prompt() -> str:
    from artis_sdk.trainers.agent.small import PROMPT

    return PROMPT


def _made(out: Path, seed: int, bar: training.TrainingBar) -> Path:
    """The small model beside the run's folder; made if it does not exist."""
    from artis_sdk.trainers.agent.small import make_small

    folder = out.with_name(f"{out.name}-base")
    if not folder.exists():
        bar.stage("making a small model that knows how to call tools, but not which to call")
        make_small(folder, seed=seed)
    return folder


def _weight(text: str) -> tuple[str, float]:
    name, _, value = text.partition("=")
    try:
        return name, float(value)
    except ValueError:
        raise ConfigurationError(f"--weight {text}: write NAME=WEIGHT, such as answer=2") from None


def _table(held_out: dict[str, Any]) -> Table:
    before, after = held_out["before"], held_out["after"]
    made = Table(
        "held out", "before", "after", title=plain(f"{held_out['tasks']} tasks, world {held_out['world']}")
    )
    for name, value in after.items():
        was = f"{before[name]:.3g}" if name in before else ""
        made.add_row(name.replace("_", " "), was, f"{value:.3g}")
    if held_out["gap"] is not None:
        made.add_row(
            plain(f"success in {held_out['training_world']}, less"), "", plain(f"{held_out['gap']:+.3g}")
        )
    return made


def _show_step(bar: training.TrainingBar, steps: int, at: StepMeasures) -> None:
    if "held_out_success" in at.measures:
        bar.step(at.step, steps)
        success = at.measures["held_out_success"]
        bar.line(f"step {at.step}: success on held-out tasks {success:.1%}")
        return
    bar.step(at.step, steps, f"reward {at.measures['reward']:.3f}" if "reward" in at.measures else "")
