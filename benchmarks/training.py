"""Training a simulator: rows per CPU second and peak memory, beside plain TRL with the same settings.

    python benchmarks/training.py                       # a model of 17 million weights
    python benchmarks/training.py --model smollm2       # SmolLM2-135M-Instruct (--rows 16 --batch 16)
    python benchmarks/training.py --short               # rows of one call on the state that it names
    python benchmarks/training.py --threads 2
    python benchmarks/training.py --prepare 50000       # a log of so many rows made into tokens

`trl` is TRL's SFTTrainer on the same rows and weights; `head` computes each row by itself and the head on the
answer's positions only; `tree` is what `artis train simulator` does. Each runs in a process of its own, on
calls of the pocket bank with our prompts. CPU seconds are those of the steps alone; peak is the
process's resident memory, of which the libraries take about 0.8 GiB. `told` is what the run said it would
take.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests"))

SESSIONS: Final = 60
LONGEST: Final = 2048  # tokens of a row


def make_model(name: str, folder: Path) -> Path:
    """The base: SmolLM2, or a model of 17 million random weights with a vocabulary of our prompts' words."""
    if name == "smollm2":
        from helpers.models import SMOLLM2, hf_folder

        return hf_folder(SMOLLM2)
    from helpers.tiny_model import Shape, hf_model
    from helpers.train import bank_log

    from artis_sdk.trainers.dataset.training_rows import RowMaker

    maker = RowMaker()
    texts = [message.content for record in bank_log(20) for message in maker.row(record).messages]
    return hf_model(
        Shape(
            vocab=8192, hidden=320, intermediate=960, layers=10, heads=5, kv_heads=1, head_dim=64, std=0.05,
            corpus=tuple(texts),
        )
    )  # fmt: skip


def make_rows(base: Path, out: Path, rows: int, *, short: bool, seed: int = 0) -> None:
    """Rows of the pocket bank as tokens, as `artis train simulator` makes them. Short ones have no history
    and are shown the state that the call names (`--focus`)."""
    from helpers.train import bank_log

    from artis_sdk.logs import export_parquet
    from artis_sdk.trainers.dataset.prepare import DataSettings
    from artis_sdk.trainers.dataset.rebalance import Rebalance
    from artis_sdk.trainers.simulator.settings import SFTSettings

    log = out.with_suffix(".parquet")
    calls = 1 if short else 8
    export_parquet(bank_log(SESSIONS * 8 // calls, calls=calls, seed=seed), log)
    data = DataSettings(rebalance=Rebalance(target=rows), validation=0.1, test=0.1, epochs=1)
    _write_tokens(base, log, out, data, SFTSettings(epochs=1, max_length=LONGEST, focus=short))


def _write_tokens(base: Path, log: Path, out: Path, data: Any, settings: Any) -> None:
    from artis_sdk.prompts import Prompts
    from artis_sdk.trainers.simulator.train import _TEMPLATES, _Run

    templates = {name: Prompts().text(name) for name in _TEMPLATES}
    run = _Run(str(base), out, data, settings, templates, None)
    run.begin(log, resume=False)
    run.prepare(log, lambda text: None)


def train(given: dict[str, Any]) -> dict[str, Any]:
    """Train on the rows for an epoch; gives what it took."""
    import torch
    from datasets import Dataset
    from peft import LoraConfig
    from trl import SFTTrainer

    from artis_sdk.trainers.memory import plan_memory
    from artis_sdk.trainers.process_group import join_processes
    from artis_sdk.trainers.simulator.model import ChatEncoder, load_base
    from artis_sdk.trainers.simulator.settings import SFTSettings
    from artis_sdk.trainers.simulator.steps import first_passes
    from artis_sdk.trainers.simulator.trainer import SimulatorTrainer, trainer_arguments
    from artis_sdk.trainers.tree_attention import choose_form

    torch.set_num_threads(given["threads"])
    torch.manual_seed(0)
    rows = Dataset.from_file(str(Path(given["out"]) / "tokens" / "train.arrow"))
    settings = SFTSettings(epochs=1, batch=given["batch"], tokens_per_pass=given["tokens"], seed=0)
    processes = join_processes(settings, cpu=True).processes
    model, tokenizer = load_base(given["base"], "float32")
    draws = sum(row[0] for row in rows["draws"])
    arguments = trainer_arguments(
        Path(given["out"]) / given["trainer"], settings, draws=draws, processes=1, judged=False,
        validated=False, checkpointing=False, cpu=True,
    )  # fmt: skip
    arguments.save_strategy = "no"
    lora = LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM")
    told = ""
    trainer: Any
    if given["trainer"] == "trl":
        arguments.per_device_train_batch_size = given["micro_batch"]
        arguments.gradient_accumulation_steps = given["batch"] // given["micro_batch"]
        numbers = [n for n, row in enumerate(rows["draws"]) for _ in range(row[0])]
        data = rows.select(numbers).select_columns(["input_ids", "labels"])
        trainer = SFTTrainer(
            model=model, args=arguments, train_dataset=data, processing_class=tokenizer, peft_config=lora
        )
    else:
        form = choose_form(model)
        assert form == "tree"
        form = "alone" if given["trainer"] == "head" else form
        sizes = first_passes(rows, settings, form, processes)
        told = plan_memory(
            model, sizes, precision="fp32", rank=settings.rank, checkpointing=False, cpu=True
        ).sentence
        trainer = SimulatorTrainer(
            model=model, tokenizer=tokenizer, encoder=ChatEncoder(tokenizer, given["base"]), train=rows,
            validation=None, validation_cases=[], answer_tokens=8, form=form, settings=settings,
            args=arguments, peft_config=lora,
        )  # fmt: skip
    began, before = time.monotonic(), _cpu()
    trainer.train()
    taken, wall = _cpu() - before, time.monotonic() - began
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    return {
        "trainer": given["trainer"], "rows": draws, "steps": len(losses), "cpu_s": taken, "wall_s": wall,
        "peak_gib": _peak(), "losses": losses, "told": told.partition("about ")[2].partition(",")[0],
        "tokens": sum(len(ids) for ids in rows["input_ids"]) / len(rows),
    }  # fmt: skip


def prepare(given: dict[str, Any]) -> dict[str, Any]:
    """Make a log into tokens; gives what it took."""
    from artis_sdk.trainers.dataset.prepare import DataSettings
    from artis_sdk.trainers.simulator.settings import SFTSettings

    began, before = time.monotonic(), _cpu()
    data = DataSettings(validation=0.05, test=0.05)
    _write_tokens(Path(given["base"]), Path(given["log"]), Path(given["out"]), data, SFTSettings())
    report = json.loads((Path(given["out"]) / "tokens.json").read_bytes())["splits"]
    return {
        "rows": sum(split["rows"] for split in report.values()), "cpu_s": _cpu() - before,
        "wall_s": time.monotonic() - began, "mean_tokens": report["train"]["mean_tokens"],
        "peak_gib": _peak(),
    }  # fmt: skip


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def in_child(work: str, threads: int, **given: Any) -> dict[str, Any]:
    """Run `train` or `prepare` in a process of its own."""
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "TOKENIZERS_PARALLELISM": "false"}
    command = [sys.executable, __file__, "--child", work, json.dumps({**given, "threads": threads})]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        raise SystemExit(done.stderr)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", choices=("17m", "smollm2"), default="17m")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rows", type=int, default=64, help="Rows that are trained on.")
    parser.add_argument("--batch", type=int, default=64, help="Rows of a step.")
    parser.add_argument("--micro-batch", type=int, default=8, help="Rows a forward pass of plain TRL.")
    parser.add_argument("--tokens", type=int, default=4096, help="--tokens-per-pass")
    parser.add_argument("--trainers", nargs="+", default=["trl", "head", "tree"])
    parser.add_argument("--short", action="store_true", help="Rows of one call on the state that it names.")
    parser.add_argument("--prepare", type=int, metavar="ROWS")
    given = parser.parse_args()
    with TemporaryDirectory() as folder:
        base, out = make_model(given.model, Path(folder)), Path(folder) / "run"
        if given.prepare is not None:
            from dataset import make_parquet

            log = Path(folder) / "log.parquet"
            make_parquet(log, given.prepare)
            print(json.dumps(in_child("prepare", given.threads, base=str(base), log=str(log), out=str(out))))
            return
        make_rows(base, out, given.rows, short=given.short)
        losses: list[list[float]] = []
        for trainer in given.trainers:
            found = in_child(
                "train", given.threads, base=str(base), out=str(out), trainer=trainer, batch=given.batch,
                micro_batch=given.micro_batch, tokens=given.tokens,
            )  # fmt: skip
            losses.append(found["losses"])
            print(
                f"{trainer:4}  {found['rows'] / found['cpu_s']:6.2f} rows per CPU s  "
                f"{found['cpu_s'] / found['steps']:6.1f} CPU s a step  {found['wall_s']:6.1f} s in all  peak "
                f"{found['peak_gib']:.2f} GiB  ({found['tokens']:.0f} tokens a row)"
                + (f"  told {found['told']}" if found["told"] else ""),
                flush=True,
            )
        apart = max((abs(a - b) for one in losses for a, b in zip(one, losses[0], strict=True)), default=0.0)
        print(f"losses {[round(loss, 4) for loss in losses[0]]}, at most {apart:.1e} apart")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        work = {"train": train, "prepare": prepare}[sys.argv[2]]
        print(json.dumps(work(json.loads(sys.argv[3]))))
    else:
        main()
