"""A byte-level BPE tokenizer (tokenizer.json) and its chat template, as a GGUF file holds them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from artis_sdk.errors import ConfigurationError

if TYPE_CHECKING:
    import gguf

_WORDS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|"
_REST = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
# What a tokenizer splits at -> llama.cpp's name of its own implementation of that split.
PRE_TOKENIZERS = {
    f"split:{_WORDS}\\p{{N}}{_REST}": "qwen2",
    f"split:{_WORDS}\\p{{N}}{{1,3}}{_REST}": "llama-bpe",
    "bytes": "gpt-2",
    "digits,bytes": "smollm",
}


def write_tokenizer(writer: gguf.GGUFWriter, folder: Path, vocab_size: int) -> None:
    """Write vocabulary, merges, special tokens and chat template.

    Args:
        folder: folder with tokenizer.json and tokenizer_config.json, and chat_template.jinja if there is one.
        vocab_size: rows of the embedding; ids without a token are marked as unused.

    Raises:
        ConfigurationError: the tokenizer is of a kind that is not converted here.
    """
    path = folder / "tokenizer.json"
    if not path.is_file():
        raise ConfigurationError(f"{path} does not exist: only fast tokenizers are converted")
    spec = json.loads(path.read_text(encoding="utf-8"))
    settings = _settings(folder)
    if spec["model"].get("type") != "BPE" or spec["model"].get("byte_fallback"):
        raise ConfigurationError(f"{path} is not a byte-level BPE tokenizer, the only kind converted here")
    ids = _write_vocabulary(writer, spec, vocab_size)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(_pre_tokenizer(spec["pre_tokenizer"], path))
    writer.add_token_merges([m if isinstance(m, str) else " ".join(m) for m in spec["model"]["merges"]])
    _write_special(writer, spec, settings, ids)
    template = _chat_template(folder, settings)
    if template:
        writer.add_chat_template(template)


def _settings(folder: Path) -> dict[str, Any]:
    path = folder / "tokenizer_config.json"
    loaded: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return loaded


def _write_vocabulary(writer: gguf.GGUFWriter, spec: dict[str, Any], size: int) -> dict[str, int]:
    import gguf

    ids: dict[str, int] = dict(spec["model"]["vocab"])
    tokens = [f"[PAD{i}]" for i in range(size)]
    types = [int(gguf.TokenType.UNUSED)] * size
    for text, number in ids.items():
        tokens[number], types[number] = text, gguf.TokenType.NORMAL
    for added in spec["added_tokens"]:
        kind = gguf.TokenType.CONTROL if added["special"] else gguf.TokenType.USER_DEFINED
        ids[added["content"]] = added["id"]
        tokens[added["id"]], types[added["id"]] = added["content"], kind
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    return ids


def _pre_tokenizer(spec: dict[str, Any] | None, path: Path) -> str:
    parts = (spec or {}).get("pretokenizers") or [spec or {}]
    signature: list[str] = []
    for part in parts:
        match part:
            case {"type": "Split", "pattern": {"Regex": regex}, "behavior": "Isolated"}:
                signature.append(f"split:{regex}")
            case {"type": "Digits", "individual_digits": True}:
                signature.append("digits")
            case {"type": "ByteLevel", "use_regex": True, "add_prefix_space": False}:
                signature.append("bytes")
            case {"type": "ByteLevel", "use_regex": False, "add_prefix_space": False}:
                pass  # only maps bytes to letters, as every GGUF tokenizer of this kind does
            case _:
                signature.append(json.dumps(part))
    name = PRE_TOKENIZERS.get(",".join(signature))
    if name is None:
        raise ConfigurationError(
            f"{path}: llama.cpp has no such pre-tokenizer, or it is not known here: {','.join(signature)}"
        )
    return name


def _write_special(
    writer: gguf.GGUFWriter, spec: dict[str, Any], settings: dict[str, Any], ids: dict[str, int]
) -> None:
    for name, write in (
        ("bos_token", writer.add_bos_token_id),
        ("eos_token", writer.add_eos_token_id),
        ("pad_token", writer.add_pad_token_id),
    ):
        token = settings.get(name)
        text = token.get("content") if isinstance(token, dict) else token
        if text in ids:
            write(ids[text])
    processor = json.dumps(spec.get("post_processor") or {})
    bos = settings.get("bos_token")
    text = bos.get("content") if isinstance(bos, dict) else bos
    prepended = text is not None and f'"SpecialToken": {{"id": {json.dumps(text)}' in processor
    writer.add_add_bos_token(bool(settings.get("add_bos_token", prepended)))


def _chat_template(folder: Path, settings: dict[str, Any]) -> str | None:
    path = folder / "chat_template.jinja"
    if path.is_file():
        return path.read_text(encoding="utf-8")
    template = settings.get("chat_template")
    if isinstance(template, list):  # several by name, as older releases of transformers wrote them
        by_name = {entry["name"]: entry["template"] for entry in template}
        return by_name.get("tool_use") or by_name.get("default")
    return template
