"""The card beside an adapter: its data, its training and its measures, as JSON and as Markdown."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from artis_sdk.view.markdown import table

CARD: Final = "card.json"
_PACKAGES: Final = ("artis-sdk", "torch", "transformers", "trl", "peft", "accelerate", "datasets")
_MEASURES: Final = (
    "rows", "failure_recall", "failure_precision", "exact_match", "exact_match_failures",
    "exact_match_successes", "unreadable",
)  # fmt: skip


def write_card(folder: Path, card: dict[str, Any]) -> None:
    """Write `card.json` and `README.md` into an adapter's folder.

    Args:
        folder: folder of the adapter.
        card: `base`, `data`, `training`, `held_out`, `exam` and `created`; files and versions are added
            here.
    """
    weights = sorted(path for path in folder.iterdir() if path.suffix in (".safetensors", ".json"))
    files = {path.name: sha256([path]) for path in weights if path.name != CARD}
    whole = {**card, "files": files, "versions": versions()}
    text = json.dumps(whole, indent=2, ensure_ascii=False) + "\n"
    (folder / CARD).write_text(text, encoding="utf-8")
    (folder / "README.md").write_text(markdown(whole), encoding="utf-8")


def versions() -> dict[str, str]:
    """Versions of the software that made the adapter."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def sha256(paths: Iterable[Path]) -> str:
    """SHA-256 of the bytes of some files, one after the other."""
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def base_of(base: str, config: Any) -> dict[str, Any]:
    """The identity of a base model.

    Args:
        base: path of a folder, or hub id.
        config: configuration by transformers.
    """
    known: dict[str, Any] = {"name": base, "architecture": (config.architectures or [None])[0]}
    folder = Path(base)
    if folder.is_dir():
        files = [path for path in sorted(folder.iterdir()) if path.name in ("config.json", "tokenizer.json")]
        known["config_and_tokenizer_sha256"] = sha256(files)
        known["weights"] = {path.name: path.stat().st_size for path in sorted(folder.glob("*.safetensors"))}
    elif getattr(config, "_commit_hash", None):
        known["commit"] = config._commit_hash
    return known


def markdown(card: dict[str, Any]) -> str:
    """The card for a reader."""
    data, training, held_out = card["data"], card["training"], card["held_out"]
    lines = [
        f"# Tool simulator: LoRA adapter for {card['base']['name']}",
        "",
        "Predicts what the logged tools return: successes, and failures with their type and message. "
        "Load it with `LLMSimulator.trained(folder, backend, adapter=...)`, which prompts it in the "
        "form of its training.",
        "",
        "## Held-out measures",
        "",
        "On test sessions that training and early stopping have not seen, answers generated greedily and "
        "without a schema to hold them. Half of the rows are failures where there are enough, so these are "
        "no averages over the log: `artis eval simulator` reports those, with confidence intervals and a "
        "verdict a tool. They are drawn by tool and type of outcome, listed below.",
        "",
    ]
    before, after = held_out["before"], held_out["after"]
    measures = [
        (name.replace("_", " "), _number(before.get(name)), _number(after[name]))
        for name in _MEASURES
        if name in after
    ]
    lines += [table(("", "before", "after"), measures), "", *_exam(card["exam"]), "", "## Data", ""]
    splits = [
        (split, *(f"{sizes[name]:,}" for name in ("rows", "sessions", "chosen", "failures")))
        for split, sizes in data["splits"].items()
    ]
    lines.append(table(("split", "rows", "sessions", "used", "failures"), splits))
    lines += ["", *(f"- {sentence}" for sentence in explained(data)), "", "## Training", ""]
    lines += [f"- {name.replace('_', ' ')}: {_number(value)}" for name, value in training.items()]
    lines += ["", "## Base and files", ""]
    lines += [f"- {name.replace('_', ' ')}: `{value}`" for name, value in card["base"].items()]
    lines += [f"- {name}: sha256 `{digest}`" for name, digest in card["files"].items()]
    lines += ["", "Made with " + ", ".join(f"{k} {v}" for k, v in card["versions"].items()) + "."]
    return "\n".join(lines) + "\n"


def _exam(exam: dict[str, list[dict[str, Any]]]) -> list[str]:
    """The rows asked of each tool and type of outcome, by split."""
    parts = {split: {(e["tool"], e["type"]): e for e in entries} for split, entries in exam.items()}
    names = sorted({name for part in parts.values() for name in part})
    shown = [
        (
            *name,
            *(
                f"{part[name]['asked']:,} of {part[name]['rows']:,}" if name in part else "–"
                for part in parts.values()
            ),
        )
        for name in names
    ]
    return [table(("tool", "outcome", *(f"asked in {split}" for split in parts)), shown)]


def explained(data: dict[str, Any]) -> list[str]:
    """Notes on the data, one sentence each."""
    duplicates, sizes = data["duplicates"], data["tokens"]["train"]
    said = [
        f"Log: {data['log']}; sessions are split by seed {data['bounds']['seed']}, none into two splits.",
        f"Held-out rows whose call is also in another split, left out: {duplicates['test']:,} of test, "
        f"{duplicates['validation']:,} of validation. Repeats within training, kept: "
        f"{duplicates['within_train']:,}.",
        *data["rebalance"]["explained"],
        f"State or history was cut in {_share(sizes['cut'], sizes['rows'])} of the training rows; in "
        f"{_share(sizes['lost'], sizes['rows'])} data that the action names had no room.",
    ]
    if sizes["too_long"]:
        tools = ", ".join(f"{tool} {rows:,}" for tool, rows in sorted(sizes["too_long"].items()))
        said.append(f"Left out, longer than --max-length even so, with all of their draws: {tools} rows.")
    for split in ("validation", "test"):
        held = data["tokens"].get(split, {})
        same = held.get("same_prompt_in_train", 0)
        if same:
            said.append(
                f"{same:,} of {held['rows']:,} rows of {split} have a prompt that training has too: what "
                "tells them apart was cut, or the form does not show it."
            )
    for why, count in data["left_out"].items():
        said.append(f"Left out, {why}: {count:,} rows.")
    if data["corrupt"]["rows"]:
        said.append(f"Left out, damaged: {data['corrupt']['rows']:,} rows.")
    return said


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else "none"


def _number(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    return "–" if value is None else f"{value:,}" if isinstance(value, int) else str(value)
