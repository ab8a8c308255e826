"""A GGUF file as the base of a training: a Hugging Face folder with the same weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from artis_sdk.backends.llama_cpp.header import read_header
from artis_sdk.errors import MissingExtraError, TrainingError
from artis_sdk.trainers.export.architectures import Arch
from artis_sdk.trainers.whole_folder import whole_folder

_LLAMA3: Final = {
    "rope_type": "llama3",
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}
_LLAMA3_FACTORS: Final = (8.0, 32.0)  # of Llama 3.1, and of 3.2

ARCHITECTURES: Final = ("gemma3", "llama", "qwen2", "qwen3")
"""Names in the file of the architectures that training and exports know."""


def base_from_gguf(gguf: Path, out: Path) -> Path:
    """Write the model of a GGUF file as a folder that `train_simulator` takes as its base.

    Weights are float32. Those of a quantized file are what llama.cpp computes with, so an adapter that is
    trained on the folder and exported fits the file; they are not the model's weights before quantization.

    Args:
        gguf: the file, of one of `ARCHITECTURES`.
        out: new folder: weights, configuration, tokenizer, chat template.

    Returns:
        `out`.

    Raises:
        ConfigurationError: no such file, or it is not a whole GGUF file.
        TrainingError: its architecture is another one, its rotary positions are scaled otherwise than Llama
            3's, or `out` is there or cannot be written.
        MissingExtraError: a library is not installed.
    """
    header = read_header(gguf)
    if header.kind != "model" or header.architecture not in ARCHITECTURES:
        raise TrainingError(
            f"{gguf} holds {header.kind} weights of the architecture {header.architecture!r}; a base can be "
            f"made of a model that is one of {', '.join(ARCHITECTURES)}"
        )
    if out.exists():
        raise TrainingError(f"{out} is there already: choose another --out")
    out.parent.mkdir(parents=True, exist_ok=True)
    with whole_folder(out) as partial:
        _write(gguf, header.chat_template, partial)
    return out


def _write(gguf: Path, chat_template: str | None, folder: Path) -> None:
    try:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer
    except ModuleNotFoundError as error:
        raise MissingExtraError("a base from a GGUF file", "train") from error
    where: dict[str, Any] = {"gguf_file": gguf.name}
    loaded: Any = AutoModelForCausalLM.from_pretrained(gguf.parent, dtype=torch.float32, **where)
    tokenizer: Any = AutoTokenizer.from_pretrained(gguf.parent, **where)
    config, weights = loaded.config, loaded.state_dict()
    # transformers does not read a head's size from the file, and takes the architecture's usual one.
    keys = next(tensor for name, tensor in weights.items() if name.endswith("self_attn.k_proj.weight"))
    config.head_dim = keys.shape[0] // config.num_key_value_heads
    if config.model_type == "gemma3_text":
        config.query_pre_attn_scalar = config.head_dim
    _set_rotary(config, gguf)
    if hasattr(config, "quantization_config"):  # it says that the weights are those of a GGUF file
        del config.quantization_config
    # What was read from a GGUF file refuses to be saved: the same architecture, made anew, does not.
    plain: Any = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    plain.load_state_dict(weights)
    plain.generation_config = loaded.generation_config
    plain.save_pretrained(folder)
    tokenizer.chat_template = tokenizer.chat_template or chat_template
    tokenizer.save_pretrained(folder)


def _set_rotary(config: Any, gguf: Path) -> None:
    """Set how rotary positions are scaled, which transformers does not read from a file."""
    import numpy
    from gguf import GGUFReader

    reader = GGUFReader(gguf)
    kind = reader.get_field(f"{read_header(gguf).architecture}.rope.scaling.type")
    factors: Any = next((t.data for t in reader.tensors if t.name == "rope_freqs.weight"), None)
    if factors is None and (kind is None or kind.contents() == "none"):
        return
    for factor in _LLAMA3_FACTORS if factors is not None else ():
        rope = {**_LLAMA3, "factor": factor, "rope_theta": config.rope_parameters["rope_theta"]}
        known = Arch("llama", {**config.to_dict(), "rope_parameters": rope}).rope_factors()
        if known is not None and numpy.allclose(known, factors, rtol=1e-4):
            config.rope_parameters = rope
            return
    raise TrainingError(
        f"{gguf} scales rotary positions in a way that is not read from it here "
        f"({'rope_freqs' if kind is None else kind.contents()}): train on the model's own folder"
    )
