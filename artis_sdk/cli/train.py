"""`artis train`: from a call log to a simulator's adapter. `train_agent` trains the agent itself."""

from __future__ import annotations

from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from artis_sdk.cli import training
from artis_sdk.cli.output import Json, console, next_step, print_json
from artis_sdk.cli.train_agent import agent
from artis_sdk.prompts import Prompts
from artis_sdk.settings import load_object
from artis_sdk.trainers.card import explained
from artis_sdk.trainers.dataset.prepare import DataSettings, Prepared
from artis_sdk.trainers.dataset.rebalance import FAILURE_DRIVEN, NORMAL, Rebalance
from artis_sdk.trainers.dataset.rebalance_view import table
from artis_sdk.trainers.export.adapter import Form
from artis_sdk.trainers.export.gguf import WeightType
from artis_sdk.trainers.simulator.settings import SFTSettings
from artis_sdk.view.text import plain

app = typer.Typer(help="Train models from your own logs.", no_args_is_help=True)
app.command("agent")(agent)

_SETTINGS = SFTSettings()
_DATA = DataSettings()


@app.command("simulator")
def simulator(
    log: Annotated[
        str, typer.Argument(help="A call log, a file or a URL, or its export as .parquet or .jsonl.")
    ],
    base: Annotated[str, typer.Option(help="Causal language model: a folder, or a hub id.")],
    out: Annotated[Path, typer.Option(help="New folder for adapter, data and checkpoints.")],
    failure_driven: Annotated[
        bool,
        typer.Option("--failure-driven/--normal", help="Draw rare failures more often, or rows as they are."),
    ] = True,
    exponent: Annotated[
        float, typer.Option(help="A row weighs frequency of (tool, outcome) ** -exponent.")
    ] = FAILURE_DRIVEN.exponent,
    cap: Annotated[float, typer.Option(help="Most draws of one row in an epoch.")] = FAILURE_DRIVEN.cap,
    target: Annotated[
        int | None, typer.Option(help="Draws in an epoch; by default 50,000, or all rows if fewer.")
    ] = None,
    validation: Annotated[
        float, typer.Option(help="Share of the sessions that early stopping uses.")
    ] = _DATA.validation,
    test: Annotated[float, typer.Option(help="Share of the sessions to report on.")] = _DATA.test,
    sandboxed: Annotated[bool, typer.Option(help="Also use outcomes of sandboxed real code.")] = True,
    skip_corrupt: Annotated[bool, typer.Option(help="Leave corrupt rows out and count them.")] = False,
    memory_mb: Annotated[
        int, typer.Option(help="Mebibytes that DuckDB may take for the data; values of megabytes need more.")
    ] = _DATA.memory_mb,
    epochs: Annotated[int, typer.Option(help="Maximum number of epochs.")] = _SETTINGS.epochs,
    batch: Annotated[int, typer.Option(help="Rows per step, all processes.")] = _SETTINGS.batch,
    tokens_per_pass: training.PassTokens = _SETTINGS.tokens_per_pass,
    learning_rate: Annotated[float, typer.Option(help="Peak learning rate.")] = _SETTINGS.learning_rate,
    rank: Annotated[int, typer.Option(help="Rank of the LoRA adapter.")] = _SETTINGS.rank,
    alpha: Annotated[int, typer.Option(help="Alpha of the LoRA adapter.")] = _SETTINGS.alpha,
    max_length: Annotated[
        int, typer.Option(help="Maximum tokens of prompt and answer.")
    ] = _SETTINGS.max_length,
    focus: Annotated[bool, typer.Option(help="Show only state that the call refers to.")] = False,
    look_up: Annotated[
        bool, typer.Option(help="Repeat beside the call the state entries that its arguments refer to.")
    ] = False,
    max_characters: Annotated[
        int | None, typer.Option(help="Maximum characters of a prompt's data; by default by --max-length.")
    ] = None,
    patience: Annotated[
        int, typer.Option(help="Evaluations without a better failure recall before training stops.")
    ] = _SETTINGS.patience,
    judged: Annotated[int, typer.Option(help="Held-out rows whose outcome is generated.")] = _SETTINGS.judged,
    precision: training.NumberType = _SETTINGS.precision,
    attn_implementation: training.Attention = None,
    four_bit: training.FourBit = False,
    gradient_checkpointing: training.Recomputed = None,
    prompts: Annotated[
        Path | None, typer.Option(help="Folder with your own simulator_system.j2 and simulator_user.j2.")
    ] = None,
    thoughts: Annotated[
        str | None,
        typer.Option(
            help="`module:name` of a function that writes, from call, state and history, the thought that "
            "the simulator learns to write before the outcome."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of splits, draws, order and weights.")] = 0,
    resume: training.Resume = False,
    cpu: training.OnProcessor = None,
    as_json: Json = False,
) -> None:
    """Train a LoRA adapter that predicts what your tools return, failures included.

    On many GPUs: torchrun --nproc-per-node 8 -m artis_sdk.cli train simulator ... (or accelerate launch -m).
    """
    from artis_sdk.trainers.simulator.train import train_simulator

    with training.named_option():
        rebalance = Rebalance(exponent=exponent, cap=cap, target=target)
        data = DataSettings(
            rebalance=rebalance if failure_driven else NORMAL.model_copy(update={"target": target}),
            validation=validation,
            test=test,
            sandboxed=sandboxed,
            skip_corrupt=skip_corrupt,
            memory_mb=memory_mb,
            seed=seed,
        )
        settings = SFTSettings(
            epochs=epochs,
            batch=batch,
            tokens_per_pass=tokens_per_pass,
            learning_rate=learning_rate,
            rank=rank,
            alpha=alpha,
            max_length=max_length,
            focus=focus,
            look_up=look_up,
            max_characters=max_characters,
            patience=patience,
            judged=judged,
            precision=precision,
            attn_implementation=attn_implementation,
            four_bit=four_bit,
            gradient_checkpointing=gradient_checkpointing,
            seed=seed,
        )
    with training.training_bar(shown=training.first_process() and not as_json) as bar:
        done = train_simulator(
            log,
            base,
            out,
            data=data,
            settings=settings,
            prompts=Prompts(prompts),
            thoughts=None if thoughts is None else load_object(thoughts),
            resume=resume,
            cpu=cpu,
            on_stage=bar.stage,
            on_progress=partial(_show_step, bar),
        )
    if not training.first_process():
        return
    if as_json:
        print_json({"adapter": str(done.adapter), **done.card})
        return
    console.print(table(Prepared(out / "data").distribution))
    for sentence in explained(done.card["data"]):
        console.print(plain(sentence))
    console.print(_held_out(done.card["held_out"]))
    console.print(plain(f"adapter: {done.adapter} (its card: README.md)"))
    console.print(plain(f"plot:    {out / 'data' / 'distribution.svg'}"))
    measure = f"artis eval simulator {out} --trained {done.adapter} --out {out / 'fidelity'} --simulator"
    if find_spec("vllm") is not None:
        next_step(f"{measure} vllm:{base} --adapter sim")
    else:
        next_step(f"artis train export {out} --to gguf --out sim.gguf; then: {measure} llama_cpp:sim.gguf")


def _held_out(measures: dict[str, Any]) -> Table:
    """Scores of the base and of the adapter on test rows."""
    before, after = measures["before"], measures["after"]
    made = Table("held out", "base", "adapter", title=plain(f"{after['rows']} test rows"))
    for name, value in after.items():
        if name != "rows":
            was = f"{before[name]:.1%}" if name in before else ""
            made.add_row(name.replace("_", " "), was, f"{value:.1%}")
    return made


def _show_step(bar: training.TrainingBar, at: Any) -> None:
    """Show a `trainers.simulator.trainer.TrainingProgress`."""
    if at.answered is not None:
        bar.step(at.step, at.steps, "{:,} of {:,} rows answered".format(*at.answered))
        return
    bar.step(at.step, at.steps, None if at.loss is None else f"loss {at.loss:.4f}")
    if at.metrics is not None:
        shown = ", ".join(
            f"{name.replace('_', ' ')} {at.metrics[name]:.1%}"
            for name in ("failure_recall", "failure_precision", "exact_match")
            if name in at.metrics
        )
        bar.line(f"step {at.step}: validation loss {at.metrics['loss']:.4f}, {shown}")


@app.command("base")
def base(
    gguf: Annotated[Path, typer.Argument(help="A GGUF file of a llama, qwen2, qwen3 or gemma3 model.")],
    out: Annotated[Path, typer.Option(help="New folder.")],
    as_json: Json = False,
) -> None:
    """Write the model of a GGUF file as a folder that --base takes."""
    from artis_sdk.trainers.gguf_base import base_from_gguf

    written = base_from_gguf(gguf, out)
    if as_json:
        print_json({"folder": str(written)})
        return
    console.print(plain(f"base: {written}"))
    next_step(f"artis train simulator calls.db --base {written} --out run")


@app.command("export")
def export(
    source: Annotated[
        Path, typer.Argument(help="The --out folder of a training run, or its adapter folder.")
    ],
    out: Annotated[Path, typer.Option(help="New folder (merged) or new file (GGUF).")],
    to: Annotated[
        Form, typer.Option(help="Form to write: merged weights, a GGUF file, or a GGUF LoRA file.")
    ],
    weights: Annotated[WeightType, typer.Option(help="Number type of a GGUF file's matrices.")] = "f16",
    base: Annotated[str | None, typer.Option(help="Path of the base model, if it has moved.")] = None,
    as_json: Json = False,
) -> None:
    """Write a trained adapter in another form. The adapter folder itself is what vLLM loads."""
    from artis_sdk.trainers.export.adapter import export as write

    written = write(source, out, to, weights=weights, base=base)
    if as_json:
        print_json({"file": str(written), "form": to})
        return
    console.print(plain(f"{to}: {written}"))
    next_step("LLMSimulator.trained(ADAPTER_FOLDER, backend) prompts it as in its training")
