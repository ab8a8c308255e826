"""The pocket model before it has learned anything: its tokenizer and its sizes. Needs the train extra."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from artis_sdk.backends.tool_formats.hermes import CLOSE, OPEN
from artis_sdk.pocket.chat import END, START, TEMPLATE

# The pre-tokenizer of Qwen2, which llama.cpp knows by name: each digit is a token.
SPLIT: Final = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
    r"|\s+(?!\S)|\s+"
)
PAD: Final = "<|endoftext|>"
VOCABULARY: Final = 1024
CONTEXT: Final = 4096
SIZES: Final[dict[str, Any]] = {
    "hidden_size": 192,
    "intermediate_size": 512,
    "num_hidden_layers": 6,
    "num_attention_heads": 6,
    "num_key_value_heads": 6,
    "head_dim": 32,
    "max_position_embeddings": CONTEXT,
    "tie_word_embeddings": False,
}
"""3.0 million parameters, Llama-shaped."""


def make_tokenizer(texts: Iterable[str], vocabulary: int = VOCABULARY) -> Any:
    """A byte-level BPE tokenizer with `vocabulary` ids, trained on some texts."""
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(SPLIT), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    bpe.decoder = decoders.ByteLevel()
    special, marks = (PAD, START, END), (OPEN, CLOSE)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    bpe.train_from_iterator(
        texts,
        trainers.BpeTrainer(
            vocab_size=vocabulary - len(special) - len(marks), initial_alphabet=alphabet, show_progress=False
        ),
    )
    bpe.add_special_tokens([AddedToken(text, special=True, normalized=False) for text in special])
    bpe.add_tokens([AddedToken(text, special=False, normalized=False) for text in marks])
    fast: Any = PreTrainedTokenizerFast
    return fast(
        tokenizer_object=bpe,
        eos_token=END,
        pad_token=PAD,
        additional_special_tokens=[START],
        chat_template=TEMPLATE,
        clean_up_tokenization_spaces=False,
        model_max_length=CONTEXT,
    )


def make_model(tokenizer: Any, seed: int) -> Any:
    """The untrained model."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from artis_sdk.trainers.pocket.start import begin

    torch.manual_seed(seed)
    config = LlamaConfig(
        **SIZES,
        vocab_size=len(tokenizer),
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    llama: Any = LlamaForCausalLM
    model = llama(config)
    begin(model, seed)
    return model


def save(model: Any, tokenizer: Any, folder: Path) -> None:
    """Write a Hugging Face folder, weights in half precision."""
    import copy

    import torch

    half = copy.deepcopy(model).to(torch.float16)
    half.config.dtype = "float16"
    half.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
