"""Small models with random weights, made on the spot: real files for real engines.

A model is a Qwen3-shaped Hugging Face folder with its own byte-level BPE tokenizer and a chat
template that renders tools in the Hermes way. Folders are cached outside the tree, under
`$ARTIS_TEST_CACHE` or the system's temporary folder, keyed by this file and the arguments.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from artis_sdk.trainers.export.gguf import WeightType, export_gguf, export_lora

# The pre-tokenizer of Qwen2 and Qwen3, which llama.cpp knows as `qwen2`.
SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
    r"|\s+(?!\S)|\s+"
)
SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
MARKS = ("<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>", "<think>", "</think>")

TEMPLATE = """\
{%- if tools %}
{{- '<|im_start|>system\\n' }}
{%- if messages[0].role == 'system' %}{{- messages[0].content + '\\n\\n' }}{%- endif %}
{{- '# Tools\\n\\nYou may call one or more functions. They are, within <tools></tools> tags:\\n<tools>' }}
{%- for tool in tools %}{{- '\\n' }}{{- tool | tojson }}{%- endfor %}
{{- '\\n</tools>\\n\\nFor each call return a json object within <tool_call></tool_call> tags:\\n' }}
{{- '<tool_call>\\n{"name": <function-name>, "arguments": <args-json-object>}\\n</tool_call><|im_end|>\\n' }}
{%- elif messages[0].role == 'system' %}
{{- '<|im_start|>system\\n' + messages[0].content + '<|im_end|>\\n' }}
{%- endif %}
{%- for message in messages %}
{%- if message.role == 'user' or (message.role == 'system' and not loop.first) %}
{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}
{%- elif message.role == 'assistant' %}
{{- '<|im_start|>assistant\\n' + (message.content or '') }}
{%- for call in message.tool_calls or [] %}
{%- set function = call.function or call %}
{{- '\\n' if not loop.first or message.content else '' }}
{{- '<tool_call>\\n{"name": "' + function.name + '", "arguments": ' }}
{{- function.arguments if function.arguments is string else function.arguments | tojson }}
{{- '}\\n</tool_call>' }}
{%- endfor %}
{{- '<|im_end|>\\n' }}
{%- elif message.role == 'tool' %}
{%- if loop.first or messages[loop.index0 - 1].role != 'tool' %}{{- '<|im_start|>user' }}{%- endif %}
{{- '\\n<tool_response>\\n' + message.content + '\\n</tool_response>' }}
{%- if loop.last or messages[loop.index0 + 1].role != 'tool' %}{{- '<|im_end|>\\n' }}{%- endif %}
{%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}
"""

CORPUS = (
    'An agent\'s calls change the world. {"name": "transfer", "arguments": {"amount": 12.5, "to": "ada"}}',
    '{"ok": true, "value": {"balance": 100, "currency": "EUR"}} {"ok": false, "error": "not found"}',
    "The user asks for a booking; the tool answers with a reservation id or with a failure type.",
    '{"type": "object", "properties": {"city": {"type": "string", "description": "The name of the city"}}}',
    "def get_weather(city: str, days: int = 1) -> dict: return the forecast of the next days",
    "You are a helpful assistant. Think first, then call a function, then say what was done and why.",
    "correct incorrect explanation suggestion recommendation rationale state history outcome success",
    "Straße, naïve, 東京, 🙂 and café are words with more than one byte a letter.",
)


@dataclass(frozen=True)
class Shape:
    """Sizes of a model. Weights are drawn with standard deviation `std`, wide enough for peaked logits.

    Special tokens have a zero row in an untied output matrix, so that a text hardly ever ends by itself.
    """

    vocab: int = 512
    hidden: int = 64
    intermediate: int = 128
    layers: int = 2
    heads: int = 4
    kv_heads: int = 2
    head_dim: int = 32
    context: int = 4096
    tied: bool = False
    std: float = 0.2
    seed: int = 0
    dtype: str = "float32"
    corpus: tuple[str, ...] = CORPUS
    """What the tokenizer is trained on."""


TINY = Shape()


def cache_root() -> Path:
    """The folder that made models are kept in."""
    return Path(os.environ.get("ARTIS_TEST_CACHE") or Path(tempfile.gettempdir()) / "artis-sdk-models")


def cached(key: object, suffix: str, make: Callable[[Path], object]) -> Path:
    """What `make` writes, made once a key; safe when several processes ask at the same time."""
    digest = hashlib.sha256(Path(__file__).read_bytes() + repr(key).encode()).hexdigest()[:16]
    target = cache_root() / f"{digest}{suffix}"
    if target.exists():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix="making-", dir=target.parent)) / target.name
    make(scratch)
    try:
        scratch.rename(target)
    except OSError:  # another process was first with a folder of the same content
        if not target.exists():
            raise
    shutil.rmtree(scratch.parent)
    return target


def hf_model(shape: Shape = TINY) -> Path:
    """A Hugging Face folder: safetensors, config, tokenizer, chat template."""
    return cached(("hf", shape), "-hf", lambda path: _write_model(path, shape))


def lora_adapter(shape: Shape = TINY, *, seed: int = 1, rank: int = 8, std: float = 1.0) -> Path:
    """A peft adapter folder for `hf_model(shape)`, with both factors random so that it changes answers."""

    def make(path: Path) -> None:
        _write_adapter(path, hf_model(shape), seed, rank, std)

    return cached(("lora", shape, seed, rank, std), "-lora", make)


def gguf_model(shape: Shape = TINY, weights: WeightType = "f32") -> Path:
    """The same model as a GGUF file."""
    return cached(
        ("gguf", shape, weights), ".gguf", lambda path: export_gguf(hf_model(shape), path, weights=weights)
    )


def gguf_adapter(shape: Shape = TINY, *, seed: int = 1, rank: int = 8, std: float = 1.0) -> Path:
    """The same adapter as a GGUF file."""

    def make(path: Path) -> None:
        export_lora(lora_adapter(shape, seed=seed, rank=rank, std=std), hf_model(shape), path)

    return cached(("gguf-lora", shape, seed, rank, std), "-lora.gguf", make)


def _write_model(path: Path, shape: Shape) -> None:
    import torch
    from transformers import AutoModelForCausalLM, Qwen3Config

    tokenizer = make_tokenizer(shape.vocab, shape.corpus)
    sizes = asdict(shape)
    config = Qwen3Config(
        vocab_size=shape.vocab,
        hidden_size=sizes["hidden"],
        intermediate_size=sizes["intermediate"],
        num_hidden_layers=sizes["layers"],
        num_attention_heads=sizes["heads"],
        num_key_value_heads=sizes["kv_heads"],
        head_dim=sizes["head_dim"],
        max_position_embeddings=shape.context,
        tie_word_embeddings=shape.tied,
        initializer_range=shape.std,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    auto: Any = AutoModelForCausalLM
    with torch.random.fork_rng():
        torch.manual_seed(shape.seed)
        model = auto.from_config(config).to(getattr(torch, shape.dtype))
    if not shape.tied:
        with torch.no_grad():
            model.lm_head.weight[tokenizer.all_special_ids] = 0
    model.save_pretrained(path)
    tokenizer.save_pretrained(path)


def make_tokenizer(vocab: int, corpus: Sequence[str] = CORPUS) -> Any:
    """A byte-level BPE tokenizer of `vocab` ids with the chat template; unused ids are filled up."""
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
    room = vocab - len(SPECIAL) - len(MARKS)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    bpe.train_from_iterator(
        list(corpus) * 4,
        trainers.BpeTrainer(vocab_size=room, initial_alphabet=alphabet, show_progress=False),
    )
    bpe.add_special_tokens([AddedToken(text, special=True, normalized=False) for text in SPECIAL])
    bpe.add_tokens([AddedToken(text, special=False, normalized=False) for text in MARKS])
    filler = [f"<unused{i}>" for i in range(bpe.get_vocab_size(), vocab)]
    bpe.add_tokens([AddedToken(text, special=False, normalized=False) for text in filler])
    fast: Any = PreTrainedTokenizerFast
    return fast(
        tokenizer_object=bpe,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        additional_special_tokens=["<|im_start|>"],
        chat_template=TEMPLATE,
        clean_up_tokenization_spaces=False,
    )


def _write_adapter(path: Path, base: Path, seed: int, rank: int, std: float) -> None:
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(base)
    config = LoraConfig(r=rank, lora_alpha=2 * rank, target_modules="all-linear", task_type="CAUSAL_LM")
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        wrapped = get_peft_model(model, config)
        for name, weights in wrapped.named_parameters():
            if "lora_" in name:
                torch.nn.init.normal_(weights, std=std / rank)
    wrapped.save_pretrained(str(path))
