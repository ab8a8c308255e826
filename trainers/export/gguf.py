"""A Hugging Face model folder, or a peft LoRA adapter folder, to a GGUF file for llama.cpp."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from artis_sdk.errors import ConfigurationError, MissingExtraError
from artis_sdk.trainers.export.architectures import Arch
from artis_sdk.trainers.export.tensors import StoredTensor, stored_tensors
from artis_sdk.trainers.export.tokenizer import write_tokenizer

if TYPE_CHECKING:
    import gguf
    import numpy as np
    from numpy.typing import NDArray

WeightType = Literal["f32", "f16", "bf16", "q8_0"]


def export_gguf(model: str | Path, target: str | Path, *, weights: WeightType = "f16") -> Path:
    """Convert a Qwen2-, Qwen3- or Llama-shaped folder with a byte-level BPE tokenizer.

    Args:
        model: folder with config.json, safetensors and tokenizer.json.
        target: the file to write; it appears only when it is complete.
        weights: type of the matrices; vectors stay float32.

    Raises:
        ConfigurationError: an architecture, tokenizer or file that cannot be converted.
        MissingExtraError: without the `gguf` package.
    """
    gguf = _gguf()
    folder, target = Path(model), Path(target)
    arch = Arch.of(_read_json(folder / "config.json"))
    stored = stored_tensors(folder, "model")
    if arch.config.get("tie_word_embeddings"):
        stored.pop("lm_head.weight", None)
    kinds = {
        "f32": (gguf.GGMLQuantizationType.F32, gguf.LlamaFileType.ALL_F32),
        "f16": (gguf.GGMLQuantizationType.F16, gguf.LlamaFileType.MOSTLY_F16),
        "bf16": (gguf.GGMLQuantizationType.BF16, gguf.LlamaFileType.MOSTLY_BF16),
        "q8_0": (gguf.GGMLQuantizationType.Q8_0, gguf.LlamaFileType.MOSTLY_Q8_0),
    }
    matrix, file_type = kinds[weights]
    with _Writing(target, arch) as writing:
        writer = writing.writer
        writer.add_name(folder.name)
        writer.add_file_type(file_type)
        arch.describe(writer)
        write_tokenizer(writer, folder, arch.config["vocab_size"])
        for name, tensor in stored.items():
            module, _, suffix = name.rpartition(".")
            kind = matrix if len(tensor.shape) > 1 else gguf.GGMLQuantizationType.F32
            writing.add(f"{arch.tensor_name(module)}.{suffix}", kind, tensor, module)
        factors = arch.rope_factors()
        if factors is not None:
            writing.add("rope_freqs.weight", gguf.GGMLQuantizationType.F32, factors)
        writing.write()
    return target


def export_lora(adapter: str | Path, model: str | Path, target: str | Path) -> Path:
    """Convert a peft LoRA adapter; llama.cpp then loads it beside the GGUF file of its base.

    Args:
        adapter: folder with adapter_config.json and adapter_model.safetensors.
        model: the Hugging Face folder of its base.
        target: the file to write; it appears only when it is complete.

    Raises:
        ConfigurationError: the adapter is not a plain LoRA adapter, or does not fit the base.
        MissingExtraError: without the `gguf` package.
    """
    gguf = _gguf()
    folder, target = Path(adapter), Path(target)
    arch = Arch.of(_read_json(Path(model) / "config.json"))
    config = _read_json(folder / "adapter_config.json")
    alpha = _alpha(config, folder)
    pairs = _lora_pairs(folder)
    with _Writing(target, arch) as writing:
        writer = writing.writer
        writer.add_type("adapter")
        writer.add_string("adapter.type", "lora")
        writer.add_float32("adapter.lora.alpha", alpha)
        for module, (low, high) in pairs.items():
            name = f"{arch.tensor_name(module)}.weight"
            writing.add(f"{name}.lora_a", gguf.GGMLQuantizationType.F32, low)
            writing.add(f"{name}.lora_b", gguf.GGMLQuantizationType.F32, high, module)
        writing.write()
    return target


class _Writing:
    """A GGUF file being written beside its place: first all names, then one tensor at a time."""

    def __init__(self, target: Path, arch: Arch) -> None:
        self._arch = arch
        self._target = target
        self._partial = target.with_name(f"{target.name}.{os.getpid()}.partial")
        self.writer = _gguf().GGUFWriter(self._partial, arch.name)
        self._tensors: list[tuple[Any, StoredTensor | NDArray[np.float32], str]] = []

    def __enter__(self) -> _Writing:
        return self

    def add(
        self,
        name: str,
        kind: gguf.GGMLQuantizationType,
        tensor: StoredTensor | NDArray[np.float32],
        module: str = "",
    ) -> None:
        import gguf
        import numpy as np

        quantized = kind not in (gguf.GGMLQuantizationType.F32, gguf.GGMLQuantizationType.F16)
        block, block_bytes = gguf.GGML_QUANT_SIZES[kind]
        if tensor.shape[-1] % block:  # a row without a whole number of blocks stays half precision
            kind, quantized, block, block_bytes = gguf.GGMLQuantizationType.F16, False, 1, 2
        row_bytes = tensor.shape[-1] // block * block_bytes
        size = row_bytes
        for rows in tensor.shape[:-1]:
            size *= rows
        shape = (*tensor.shape[:-1], row_bytes) if quantized else tensor.shape
        dtype = np.dtype(np.uint8 if quantized else np.float32)
        self.writer.add_tensor_info(name, shape, dtype, size, raw_dtype=kind)
        self._tensors.append((kind, tensor, module))

    def write(self) -> None:
        import gguf
        import numpy as np

        self._target.parent.mkdir(parents=True, exist_ok=True)
        self.writer.write_header_to_file()
        self.writer.write_kv_data_to_file()
        self.writer.write_ti_data_to_file()
        for kind, tensor, module in self._tensors:
            loaded = tensor.load() if isinstance(tensor, StoredTensor) else tensor
            arranged = np.ascontiguousarray(self._arch.arrange(module, loaded))
            self.writer.write_tensor_data(gguf.quants.quantize(arranged, kind))
        self.writer.close()
        self._partial.rename(self._target)

    def __exit__(self, *error: object) -> None:
        self.writer.close()
        self._partial.unlink(missing_ok=True)


def _gguf() -> Any:
    try:
        import gguf
    except ImportError as error:
        raise MissingExtraError("writing GGUF files", "train") from error
    return gguf


def _read_json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise ConfigurationError(f"{path} does not exist")
    loaded: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return loaded


def _alpha(config: dict[str, Any], folder: Path) -> float:
    """llama.cpp scales by alpha / rank, which rank-stabilized LoRA (alpha / sqrt(rank)) is written as."""
    if config.get("peft_type") != "LORA":
        raise ConfigurationError(f"{folder} is not a LoRA adapter but {config.get('peft_type')}")
    for setting in ("use_dora", "modules_to_save", "rank_pattern", "alpha_pattern", "fan_in_fan_out"):
        if config.get(setting):
            raise ConfigurationError(f"{folder}: an adapter with {setting} has no form in GGUF")
    alpha, rank = float(config["lora_alpha"]), int(config["r"])
    return alpha * rank**0.5 if config.get("use_rslora") else alpha


def _lora_pairs(folder: Path) -> dict[str, tuple[StoredTensor, StoredTensor]]:
    """The two factors of each adapted module, A (rank, inputs) and B (outputs, rank)."""
    stored = stored_tensors(folder, "adapter_model")
    pairs: dict[str, tuple[StoredTensor, StoredTensor]] = {}
    for name, tensor in stored.items():
        module, found, _ = name.removeprefix("base_model.model.").partition(".lora_A.weight")
        if found:
            pairs[module] = (tensor, stored[name.replace(".lora_A.", ".lora_B.")])
    if 2 * len(pairs) != len(stored):
        raise ConfigurationError(f"{folder} holds tensors that are not pairs of LoRA factors")
    return pairs
