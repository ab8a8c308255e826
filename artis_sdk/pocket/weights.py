"""Where the shipped weights are: the pocket model for llama.cpp, and for vLLM and the trainers."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from artis_sdk.errors import ConfigurationError

ADAPTERS: Final = ("failure_driven", "normal")
"""The simulator's two LoRA adapters over one base."""
ROOT: Final = Path(__file__).parent / "model"


def gguf() -> Path:
    """The base as a GGUF file, half precision."""
    return _there(ROOT / "pocket.gguf")


def gguf_adapter(name: str) -> Path:
    """An adapter as a GGUF file."""
    return _there(ROOT / f"{name}.gguf")


def folder() -> Path:
    """The base as a Hugging Face folder: safetensors, tokenizer, chat template."""
    return _there(ROOT / "base")


def adapter(name: str) -> Path:
    """An adapter as a peft folder, with the form and the templates that it was trained in."""
    return _there(ROOT / name)


def _there(path: Path) -> Path:
    if not path.exists():
        raise ConfigurationError(
            f"{path} is not there: this is no whole installation of artis-sdk; the weights are made by "
            "python -m artis_sdk.trainers.pocket.train and python -m artis_sdk.trainers.pocket.ship"
        )
    return path
