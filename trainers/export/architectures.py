"""GGUF names of Hugging Face architectures, and the metadata of their files."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from artis_sdk.errors import ConfigurationError

if TYPE_CHECKING:
    import gguf
    import numpy as np
    from numpy.typing import NDArray

# Hugging Face class -> GGUF architecture.
ARCHITECTURES = {"Qwen3ForCausalLM": "qwen3", "Qwen2ForCausalLM": "qwen2", "LlamaForCausalLM": "llama"}


@dataclass(frozen=True)
class Arch:
    """An architecture with the sizes of its tensors."""

    name: str
    """Name in GGUF."""
    config: dict[str, Any]
    """The folder's config.json."""

    @classmethod
    def of(cls, config: dict[str, Any]) -> Arch:
        """The architecture of a folder. Raises ConfigurationError for one that is not converted here."""
        found = (config.get("architectures") or ["none"])[0]
        if found not in ARCHITECTURES:
            known = ", ".join(ARCHITECTURES)
            raise ConfigurationError(
                f"{found} is not converted here, only {known}: use llama.cpp's convert_hf_to_gguf.py"
            )
        return cls(ARCHITECTURES[found], config)

    @property
    def layers(self) -> int:
        return int(self.config["num_hidden_layers"])

    @property
    def head_dim(self) -> int:
        heads = int(self.config["num_attention_heads"])
        return int(self.config.get("head_dim") or self.config["hidden_size"] // heads)

    def tensor_name(self, name: str) -> str:
        """GGUF's name of a module such as `model.layers.0.self_attn.q_proj`, without `.weight`."""
        import gguf

        arch = {v: k for k, v in gguf.MODEL_ARCH_NAMES.items()}[self.name]
        found = gguf.get_tensor_name_map(arch, self.layers).get_name(name)
        if found is None:
            raise ConfigurationError(f"{name} has no counterpart in a GGUF file of architecture {self.name}")
        return found

    def arrange(self, module: str, weights: NDArray[np.float32]) -> NDArray[np.float32]:
        """Llama's query and key rows, from halves (Hugging Face) to pairs (ggml's rotary embedding).

        Args:
            module: Hugging Face name of the module.
            weights: (rows, ...), the rows being the module's outputs.
        """
        if self.name != "llama" or not module.endswith(("q_proj", "k_proj")):
            return weights
        rows, rest = weights.shape[0], weights.shape[1:]
        halves = weights.reshape(rows // self.head_dim, 2, self.head_dim // 2, *rest)
        return halves.swapaxes(1, 2).reshape(weights.shape)

    def describe(self, writer: gguf.GGUFWriter) -> None:
        """Write sizes, norms and rotary settings."""
        config = self.config
        writer.add_context_length(config["max_position_embeddings"])
        writer.add_embedding_length(config["hidden_size"])
        writer.add_block_count(self.layers)
        writer.add_feed_forward_length(config["intermediate_size"])
        writer.add_head_count(config["num_attention_heads"])
        writer.add_head_count_kv(config.get("num_key_value_heads") or config["num_attention_heads"])
        writer.add_key_length(self.head_dim)
        writer.add_value_length(self.head_dim)
        writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
        writer.add_vocab_size(config["vocab_size"])
        writer.add_rope_dimension_count(self.head_dim)
        self._describe_rope(writer)

    def _rope(self) -> dict[str, Any]:
        """The rotary settings; transformers 5 and 4 keep them in different places."""
        rope = dict(self.config.get("rope_parameters") or self.config.get("rope_scaling") or {})
        rope.setdefault("rope_theta", self.config.get("rope_theta", 10000.0))
        rope.setdefault("rope_type", rope.get("type", "default"))
        return rope

    def _describe_rope(self, writer: gguf.GGUFWriter) -> None:
        import gguf

        rope = self._rope()
        writer.add_rope_freq_base(float(rope["rope_theta"]))
        if rope["rope_type"] in ("linear", "yarn"):
            kind = gguf.RopeScalingType.LINEAR if rope["rope_type"] == "linear" else gguf.RopeScalingType.YARN
            writer.add_rope_scaling_type(kind)
            writer.add_rope_scaling_factor(float(rope["factor"]))
            if "original_max_position_embeddings" in rope:
                writer.add_rope_scaling_orig_ctx_len(rope["original_max_position_embeddings"])
        elif rope["rope_type"] not in ("default", "llama3"):
            raise ConfigurationError(f"rotary scaling {rope['rope_type']!r} is not converted here")

    def rope_factors(self) -> NDArray[np.float32] | None:
        """Llama 3.1's divisors of the rotary frequencies, (head_dim / 2), or None without them.

        Long wavelengths are divided by `factor`, short ones are kept, those between change smoothly.
        """
        import numpy as np

        rope = self._rope()
        if rope["rope_type"] != "llama3":
            return None
        low, high, original = (
            rope["low_freq_factor"],
            rope["high_freq_factor"],
            rope["original_max_position_embeddings"],
        )
        exponents = np.arange(0, self.head_dim, 2, dtype=np.float64) / self.head_dim
        wavelengths = 2 * math.pi * rope["rope_theta"] ** exponents
        smooth = np.clip((original / wavelengths - low) / (high - low), 0.0, 1.0)
        return np.asarray(1 / ((1 - smooth) / rope["factor"] + smooth), dtype=np.float32)
