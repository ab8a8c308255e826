"""`python -m artis_sdk.trainers.pocket.ship`: the weights of a run as the package carries them, with a card.

Each weight is carried once, as GGUF; this module checks that it restores the safetensors byte for byte.
Needs the train extra. Takes a folder with `base/` (of `artis_sdk.trainers.pocket.train`), one folder a
simulator adapter (the `--out` of `artis train simulator`), and `persistent/` (of
`artis_sdk.trainers.pocket.persistent`).
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from typing import Any, Final

from artis_sdk.pocket.unpack import safetensors
from artis_sdk.pocket.weights import ADAPTERS, ALL, PERSISTENT, ROOT, UNPACKED, head_dim
from artis_sdk.simulators.trained import Trained
from artis_sdk.trainers.card import sha256, versions
from artis_sdk.trainers.export.adapter import export
from artis_sdk.trainers.export.gguf import export_gguf
from artis_sdk.view.screen import Screen
from artis_sdk.view.text import plain

BASE: Final = "artis_sdk.pocket"
"""The base in the shipped adapters' configuration, independent of its path."""
MOST: Final = 12 * 2**20  # bytes, all files together


def ship(run: Path, target: Path = ROOT) -> dict[str, Any]:
    """Write the package's weights.

    Args:
        run: folder with `base/model`, `base/run.json`, `persistent/run.json`, and `<adapter>/adapter` for
            each adapter.
        target: folder of the weights, overwritten.

    Returns:
        The card.

    Raises:
        SystemExit: the files are too large, or the GGUF does not restore the safetensors.
    """
    partial = target.with_name(f"{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    model = run / "base" / "model"
    shutil.copytree(model, partial / "base", ignore=shutil.ignore_patterns("*.safetensors"))
    export_gguf(model, partial / "pocket.gguf", weights="f16")
    card: dict[str, Any] = {"base": json.loads((run / "base" / "run.json").read_bytes())}
    for name in ALL:
        trained = run / name / "adapter"
        export(trained, partial / f"{name}.gguf", "gguf-lora", base=str(model))
        _settings(trained, partial / name)
    card["adapters"] = {name: _simulator(run / name / "adapter", partial / name) for name in ADAPTERS}
    card[PERSISTENT] = json.loads((run / PERSISTENT / "run.json").read_bytes())
    files = sorted(path for path in partial.rglob("*") if path.is_file())
    card["bytes"] = sum(path.stat().st_size for path in files)
    if card["bytes"] > MOST:
        raise SystemExit(f"the weights are {card['bytes']:,} bytes, more than {MOST:,}")
    card["files"] = {str(path.relative_to(partial)): sha256([path]) for path in files}
    card["unpacked"] = {path: _same(run, path, partial / gguf) for path, gguf in UNPACKED.items()}
    card["versions"] = versions()
    (partial / "card.json").write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")
    shutil.rmtree(target, ignore_errors=True)
    partial.rename(target)
    return card


def _same(run: Path, path: str, gguf: Path) -> str:
    """The digest of a file of the run, which its GGUF file must restore."""
    name, file = path.split("/")
    source = run / name / ("model" if name == "base" else "adapter") / file
    if safetensors(gguf, head_dim=head_dim(gguf.parent)) != source.read_bytes():
        raise SystemExit(f"{source} does not come back from {gguf.name}: see artis_sdk.pocket.unpack")
    return sha256([source])


def _settings(source: Path, target: Path) -> None:
    """Copy an adapter's settings, without paths of the training machine."""
    target.mkdir()
    config = json.loads((source / "adapter_config.json").read_bytes())
    config["base_model_name_or_path"] = BASE
    (target / "adapter_config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def _simulator(source: Path, target: Path) -> dict[str, Any]:
    """Copy a simulator's form, and return its measures."""
    Trained.read(source).model_copy(update={"base": BASE}).write(target)
    card = json.loads((source / "card.json").read_bytes())
    return {
        "training": card["training"],
        "held_out": card["held_out"],
        "rebalance": card["data"]["rebalance"]["explained"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--target", type=Path, default=ROOT)
    given = parser.parse_args()
    card = ship(given.run, given.target)
    Screen().print(plain(f"{card['bytes']:,} bytes in {given.target}"), soft_wrap=True)


if __name__ == "__main__":
    main()
