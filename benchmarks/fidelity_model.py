"""A model trained from a log, for `fidelity.py --model`: adapters on the base of `fidelity_base.py`.

All of it is what a team does: `train_simulator` on a log, a GGUF file, llama.cpp.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from artis_sdk.backends.llama_cpp import LlamaCppBackend
from artis_sdk.logs import export_jsonl
from artis_sdk.prompts import Prompts
from artis_sdk.records import CallRecord
from artis_sdk.trainers.dataset import training_rows as rows_
from artis_sdk.trainers.dataset.prepare import DataSettings
from artis_sdk.trainers.dataset.rebalance import NORMAL
from artis_sdk.trainers.export.adapter import export
from artis_sdk.trainers.simulator.settings import SFTSettings
from artis_sdk.trainers.simulator.train import train_simulator

TEMPLATES = {
    "simulator_system": "simulator",
    "simulator_user": "{{ init_config }}\n{{ history }}\n{{ action }}\n{{ looked_up }}",
}
CHARACTERS = 1400  # of a prompt's data
LONGEST = 640  # tokens of a row
FORM = rows_.FORM.model_copy(update={"focus": True, "look_up": True, "max_characters": CHARACTERS})


def maker() -> rows_.RowMaker:
    """Of the prompts that base and adapters are trained on."""
    return rows_.RowMaker(FORM, Prompts(TEMPLATES))


def train(base: Path, rows: Iterable[CallRecord], folder: Path, epochs: int, rate: float, seed: int) -> Path:
    """Train an adapter on rows just as they are; gives the adapter's folder."""
    if (folder / "run" / "adapter").exists():
        return folder / "run" / "adapter"
    folder.mkdir(parents=True, exist_ok=True)
    numbered = (row.model_copy(update={"id": f"{row.id}-{n}"}) for n, row in enumerate(rows))
    export_jsonl(numbered, folder / "log.jsonl")
    done = train_simulator(
        folder / "log.jsonl",
        base,
        folder / "run",
        data=DataSettings(rebalance=NORMAL, validation=0.05, test=0.05, seed=seed),
        settings=SFTSettings(
            epochs=epochs, batch=16, rank=64, alpha=128, learning_rate=rate,
            max_length=LONGEST, max_characters=CHARACTERS, focus=True, look_up=True,
            evaluations=2, patience=4, judged=24, seed=seed,
        ),
        prompts=Prompts(TEMPLATES),
        cpu=True,
        on_stage=lambda text: print(f"  {folder.name}: {text}", flush=True),
    )  # fmt: skip
    held_out = {name: round(value, 3) for name, value in done.card["held_out"]["after"].items()}
    print(f"  {folder.name}: {done.card['training']['seconds']:.0f} s, {json.dumps(held_out)}", flush=True)
    return done.adapter


def backend(adapter: Path, folder: Path) -> LlamaCppBackend:
    """The trained model behind llama.cpp."""
    file = folder / "merged.gguf"
    if not file.exists():
        export(adapter, file, "gguf", weights="f32")
    return LlamaCppBackend(file, n_threads=1, n_ctx=8 * 1024)
