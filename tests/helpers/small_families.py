"""Models of a few thousand random weights, of several families, in double precision."""

from __future__ import annotations

from typing import Any

VOCABULARY = 97
SIZES: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 8,
    "max_position_embeddings": 128,
    "initializer_range": 0.3,
    "pad_token_id": 0,
}
FAMILIES = ("Llama", "Qwen2", "Qwen3", "Gemma3Text")


def small_model(family: str) -> Any:
    """A causal language model; one of Gemma's has a layer that sees the last six tokens only."""
    import torch
    import transformers

    more = {"sliding_window": 6, "layer_types": ["sliding_attention", "full_attention"]}
    config = getattr(transformers, f"{family}Config")(**SIZES, **(more if "Gemma3" in family else {}))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return transformers.AutoModelForCausalLM.from_config(config, dtype=torch.float64)
