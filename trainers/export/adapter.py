"""Export of an adapter: merged weights, a GGUF file, a GGUF LoRA file. vLLM and transformers load the peft
folder itself."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, Final, Literal

from artis_sdk.errors import MissingExtraError, TrainingError
from artis_sdk.simulators.trained import FILE, Trained
from artis_sdk.trainers.export.gguf import WeightType, export_gguf, export_lora

Form = Literal["merged", "gguf", "gguf-lora"]
_BESIDE: Final = (FILE, "card.json")


def export(
    source: str | Path,
    target: str | Path,
    form: Form,
    *,
    weights: WeightType = "f16",
    base: str | None = None,
) -> Path:
    """Write an adapter in another form.

    Args:
        source: folder of the adapter, or of the run with `adapter/`.
        target: folder for `merged`, file for the others; it appears when it is complete.
        form: `merged` weights for any engine of Hugging Face folders; `gguf`, the same for llama.cpp;
            `gguf-lora`, the adapter alone, for llama.cpp beside a GGUF file of the base.
        weights: type of the matrices of `gguf`.
        base: path of the base model, if it has moved.

    Raises:
        TrainingError: the adapter or its base is not found, or the disk is full.
        ConfigurationError: the base has an architecture without GGUF export.
        MissingExtraError: a library is not installed.
    """
    folder, target = _adapter(Path(source)), Path(target)
    if target.exists():
        raise TrainingError(f"{target} exists already: choose another --out")
    name = base or _base(folder)
    partial = target.with_name(f".{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if form == "gguf-lora":
            return export_lora(folder, local(name), target)
        _merge(folder, name, partial)
        if form == "merged":
            partial.rename(target)
            return target
        return export_gguf(partial, target, weights=weights)
    except OSError as error:
        raise TrainingError(f"{target} cannot be written: {error}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def local(base: str) -> Path:
    """The folder of a base model, on disk or in the hub's cache.

    Raises:
        TrainingError: it is in neither.
    """
    if Path(base).is_dir():
        return Path(base)
    try:
        from transformers.utils import cached_file
    except ImportError as error:
        raise MissingExtraError("exporting an adapter", "train") from error
    try:
        return Path(cached_file(base, "config.json")).parent
    except OSError as error:
        first = str(error).strip().splitlines()[0]
        raise TrainingError(f"the base model {base!r} is not found: {first}; pass --base") from error


def _adapter(source: Path) -> Path:
    for folder in (source, source / "adapter"):
        if (folder / "adapter_config.json").is_file():
            return folder
    raise TrainingError(f"{source} holds no adapter: pass a folder that artis train simulator wrote")


def _base(folder: Path) -> str:
    return Trained.read(folder).base


def _merge(folder: Path, base: str, target: Path) -> None:
    """The base with the adapter added into its weights, as a Hugging Face folder."""
    try:
        from peft import PeftModel
        from transformers import AutoModelForCausalLM, AutoTokenizer
    except ImportError as error:
        raise MissingExtraError("exporting an adapter", "train") from error
    model: Any = AutoModelForCausalLM.from_pretrained(local(base), dtype="auto")
    merged = PeftModel.from_pretrained(model, str(folder)).merge_and_unload()
    merged.save_pretrained(str(target))
    AutoTokenizer.from_pretrained(local(base)).save_pretrained(str(target))
    for name in _BESIDE:
        if (folder / name).is_file():
            shutil.copyfile(folder / name, target / name)
