"""The shipped GGUF files as safetensors, for vLLM and the trainers: byte for byte the original files.

The package carries every weight once, as llama.cpp reads it. `trainers.export.gguf` loses nothing of this
model: matrices stay float16, vectors become float32, and rows of queries and keys change places.
"""

from __future__ import annotations

import json
import struct
from math import prod
from pathlib import Path
from typing import Any, Final

from artis_sdk.backends.llama_cpp.header import TensorInfo, read_tensors

_MODULES: Final = {
    "output": "lm_head",
    "token_embd": "model.embed_tokens",
    "output_norm": "model.norm",
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
"""GGUF's name of a module -> Hugging Face's, in its layer or in the model."""
_FACTORS: Final = {"lora_a": "lora_A", "lora_b": "lora_B"}
_DTYPES: Final = {0: ("F32", 4), 1: ("F16", 2)}  # ggml's number of a type -> safetensors' name, bytes


def safetensors(gguf: Path, *, head_dim: int) -> bytes:
    """The content of a safetensors file.

    Args:
        gguf: the base, or a LoRA adapter, of a Llama-shaped model in half precision.
        head_dim: rows of one attention head.

    Raises:
        ConfigurationError: no such file, or it is not a whole GGUF file.
    """
    data = gguf.read_bytes()
    stored = {_name(info.name): _stored(info, data, head_dim) for info in read_tensors(gguf)}
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name in sorted(stored):
        dtype, shape, content = stored[name]
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [end, end + len(content)]}
        end += len(content)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + b"".join(stored[name][2] for name in sorted(stored))


def _name(gguf: str) -> str:
    """Such as `blk.0.attn_q.weight` or `blk.0.attn_q.weight.lora_a`."""
    match gguf.split("."):
        case [module, "weight"]:
            return f"{_MODULES[module]}.weight"
        case ["blk", layer, module, "weight"]:
            return f"model.layers.{layer}.{_MODULES[module]}.weight"
        case ["blk", layer, module, "weight", factor]:
            found = f"model.layers.{layer}.{_MODULES[module]}.{_FACTORS[factor]}.weight"
            return f"base_model.model.{found}"
    raise ValueError(f"{gguf} is not a tensor of the pocket model")


def _stored(info: TensorInfo, data: bytes, head_dim: int) -> tuple[str, list[int], bytes]:
    """Data type, shape and content of a tensor as safetensors have them."""
    dtype, width = _DTYPES[info.type]
    content = data[info.offset : info.offset + width * prod(info.shape)]
    if len(info.shape) == 1:
        values = struct.unpack(f"<{info.shape[0]}f", content)
        return "F16", list(info.shape), struct.pack(f"<{len(values)}e", *values)
    if ("attn_q" in info.name or "attn_k" in info.name) and not info.name.endswith("lora_a"):
        content = _halves(content, info.shape[0], head_dim)
    return dtype, list(info.shape), content


def _halves(content: bytes, rows: int, head_dim: int) -> bytes:
    """The rows of each head from pairs (ggml's rotary embedding) back to halves (Hugging Face's)."""
    size = len(content) // rows
    row = [content[n * size : (n + 1) * size] for n in range(rows)]
    heads = (row[n : n + head_dim] for n in range(0, rows, head_dim))
    return b"".join(b"".join(head[0::2] + head[1::2]) for head in heads)
