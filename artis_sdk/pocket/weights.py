"""Paths of the shipped weights: GGUF files for llama.cpp; Hugging Face folders for vLLM and the trainers.

The package carries every weight once, as GGUF. The folders are made from it on first use, in
Hugging Face's cache (`HF_HOME`), never in the package: it may be read-only.
"""

from __future__ import annotations

import json
import os
import tempfile
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from artis_sdk.errors import ConfigurationError, MissingExtraError
from artis_sdk.pocket.unpack import safetensors

ADAPTERS: Final = ("failure_driven", "normal")
"""The simulator's two LoRA adapters over one base."""
PERSISTENT: Final = "persistent"
"""The adapter of an agent that goes on after a refusal; judge and advisor use it, too."""
ALL: Final = (*ADAPTERS, PERSISTENT)
ROOT: Final = Path(__file__).parent / "model"
UNPACKED: Final = {
    "base/model.safetensors": "pocket.gguf",
    **{f"{name}/adapter_model.safetensors": f"{name}.gguf" for name in ALL},
}
"""Files of the folders, and the shipped file that each is made from."""


def gguf() -> Path:
    """The base as a GGUF file, half precision."""
    return _there(ROOT / "pocket.gguf")


def gguf_adapter(name: str) -> Path:
    """An adapter as a GGUF file."""
    return _there(ROOT / f"{name}.gguf")


def form(name: str) -> Path:
    """A folder with the form and the templates that an adapter was trained in, without its weights."""
    return _there(ROOT / name)


def folder(root: Path = ROOT) -> Path:
    """The base as a Hugging Face folder: safetensors, tokenizer, chat template.

    Args:
        root: the shipped files, or others that `artis_sdk.trainers.pocket.ship` wrote.

    Raises:
        ConfigurationError: a file is missing or damaged, or the cache cannot be written.
        MissingExtraError: no library is installed that reads such folders.
    """
    return _unpacked(root, "base")


def adapter(name: str) -> Path:
    """An adapter as a peft folder, with the form and the templates that it was trained in.

    Raises:
        ConfigurationError, MissingExtraError: as `folder`.
    """
    return _unpacked(ROOT, name)


def head_dim(root: Path) -> int:
    """Rows of one attention head of the base."""
    config: dict[str, Any] = json.loads(_there(root / "base" / "config.json").read_bytes())
    return int(config["head_dim"])


def _unpacked(root: Path, name: str) -> Path:
    """A folder in the cache, with every file as the card says; two processes may make it concurrently."""
    card: dict[str, Any] = json.loads(_there(root / "card.json").read_bytes())
    digests: dict[str, str] = {**card["files"], **card["unpacked"]}
    wanted = {path: digest for path, digest in digests.items() if path.startswith(f"{name}/")}
    version = _digest("".join(wanted.values()).encode())[:16]
    target = _cache(f"{name}-{version}")
    for path, digest in wanted.items():
        file = target / Path(path).name
        if not file.is_file() or _digest(file.read_bytes()) != digest:
            content = _content(root, path)
            if _digest(content) != digest:
                raise ConfigurationError(f"{path} of the pocket model is damaged: install artis-sdk again")
            _write(file, content)
    return target


def _digest(content: bytes) -> str:
    return sha256(content).hexdigest()


def _content(root: Path, path: str) -> bytes:
    if path in UNPACKED:
        return safetensors(_there(root / UNPACKED[path]), head_dim=head_dim(root))
    return _there(root / path).read_bytes()


def _write(path: Path, data: bytes) -> None:
    """Write a file, whole or not at all."""
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".partial", delete=False) as partial:
            partial.write(data)
        os.replace(partial.name, path)
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written ({error}): {_ELSEWHERE}") from error


def _cache(name: str) -> Path:
    try:
        from huggingface_hub import cached_assets_path
    except ImportError as error:
        feature = "the pocket model outside of llama.cpp (here on vLLM; for the trainers: the extra train)"
        raise MissingExtraError(feature, "vllm") from error
    try:
        return Path(cached_assets_path("artis_sdk", "pocket", name))
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"the pocket model has no cache ({error}): {_ELSEWHERE}") from error


_ELSEWHERE: Final = "set HF_HOME to a folder that can be written"


def _there(path: Path) -> Path:
    if not path.exists():
        raise ConfigurationError(
            f"{path} is missing: this installation of artis-sdk is incomplete; the weights are made by "
            "python -m artis_sdk.trainers.pocket.train and python -m artis_sdk.trainers.pocket.ship"
        )
    return path
