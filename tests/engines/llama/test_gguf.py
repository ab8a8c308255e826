"""GGUF export: llama.cpp computes from our file what transformers computes from the folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from helpers import tiny_model

from artis_sdk.backends.llama_cpp.header import read_header
from artis_sdk.errors import ConfigurationError
from artis_sdk.trainers.export.gguf import export_gguf, export_lora

np = pytest.importorskip("numpy")
llama_cpp = pytest.importorskip("llama_cpp")
transformers = pytest.importorskip("transformers")
torch = pytest.importorskip("torch")
pytestmark = pytest.mark.engine

TEXT = '<|im_start|>user\nHello 東京🙂 don\'t 12345 {"a": [1,2]}  \n\n x<|im_end|>\n<tool_call>naïve'


def logits_of_file(path: Path, ids: list[int], lora: Path | None = None) -> Any:
    llm = llama_cpp.Llama(
        str(path), n_ctx=512, logits_all=True, n_threads=1, verbose=False,
        lora_path=None if lora is None else str(lora),
    )  # fmt: skip
    llm.eval(ids)
    return llm.scores[: len(ids)]


def logits_of_folder(path: Path, ids: list[int], lora: Path | None = None) -> Any:
    model = transformers.AutoModelForCausalLM.from_pretrained(path)
    if lora is not None:
        from peft import PeftModel

        model = PeftModel.from_pretrained(model, str(lora))
    with torch.no_grad():
        return model(torch.tensor([ids])).logits[0].float().numpy()


def agree(one: Any, other: Any, within: float = 0.02) -> bool:
    """Equal up to the half precision of llama.cpp's keys and values."""
    return bool(np.abs(one - other).max() < within * np.abs(other).max())


def ids_of_folder(path: Path) -> list[int]:
    ids: list[int] = transformers.AutoTokenizer.from_pretrained(path)(TEXT)["input_ids"]
    return ids


@pytest.mark.parametrize("tied", [False, True])
def test_qwen3_gives_the_same_tokens_and_logits(tied: bool) -> None:
    shape = tiny_model.Shape(tied=tied)
    folder, file = tiny_model.hf_model(shape), tiny_model.gguf_model(shape)
    ids = ids_of_folder(folder)
    vocabulary = llama_cpp.Llama(str(file), vocab_only=True, verbose=False)
    assert vocabulary.tokenize(TEXT.encode(), add_bos=False, special=True) == ids
    assert agree(logits_of_file(file, ids), logits_of_folder(folder, ids))
    assert read_header(file).chat_template == tiny_model.TEMPLATE


def test_an_adapter_gives_the_same_logits() -> None:
    folder, file = tiny_model.hf_model(), tiny_model.gguf_model()
    ids = ids_of_folder(folder)
    adapted = logits_of_folder(folder, ids, tiny_model.lora_adapter())
    assert agree(logits_of_file(file, ids, tiny_model.gguf_adapter()), adapted)
    assert not agree(logits_of_file(file, ids), adapted)
    assert read_header(tiny_model.gguf_adapter()).kind == "adapter"


def llama_folder(path: Path, **config: Any) -> Path:
    """A Llama-shaped folder with the tiny model's tokenizer."""
    settings = transformers.LlamaConfig(
        vocab_size=512, hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, initializer_range=0.2, max_position_embeddings=4096, **config,
    )  # fmt: skip
    torch.manual_seed(0)
    transformers.LlamaForCausalLM(settings).save_pretrained(path)
    tiny_model.make_tokenizer(512).save_pretrained(path)
    return path


LLAMA3_ROPE = {
    "rope_type": "llama3", "rope_theta": 10000.0, "factor": 8.0, "low_freq_factor": 1.0,
    "high_freq_factor": 4.0, "original_max_position_embeddings": 64,
}  # fmt: skip


@pytest.mark.parametrize("rope", [None, LLAMA3_ROPE], ids=["plain", "llama3"])
def test_llama_is_permuted_and_scaled(rope: dict[str, Any] | None, tmp_path: Path) -> None:
    folder = llama_folder(tmp_path / "hf", **({} if rope is None else {"rope_parameters": rope}))
    file = export_gguf(folder, tmp_path / "model.gguf", weights="f32")
    ids = ids_of_folder(folder) * 3
    assert agree(logits_of_file(file, ids), logits_of_folder(folder, ids))


def test_llama_adapters_are_permuted_too(tmp_path: Path) -> None:
    folder = llama_folder(tmp_path / "hf")
    tiny_model._write_adapter(tmp_path / "lora", folder, 1, 4, 0.5)
    file = export_gguf(folder, tmp_path / "model.gguf", weights="f32")
    lora = export_lora(tmp_path / "lora", folder, tmp_path / "lora.gguf")
    ids = ids_of_folder(folder)
    assert agree(logits_of_file(file, ids, lora), logits_of_folder(folder, ids, tmp_path / "lora"))


@pytest.mark.parametrize(("weights", "within"), [("f16", 0.02), ("bf16", 0.1), ("q8_0", 0.1)])
def test_narrower_weights_are_close(weights: Any, within: float) -> None:
    folder, file = tiny_model.hf_model(), tiny_model.gguf_model(weights=weights)
    ids = ids_of_folder(folder)
    assert agree(logits_of_file(file, ids), logits_of_folder(folder, ids), within)
    assert file.stat().st_size < 0.75 * tiny_model.gguf_model().stat().st_size


def test_shards_and_bfloat16_folders(tmp_path: Path) -> None:
    folder = tiny_model.hf_model()
    model = transformers.AutoModelForCausalLM.from_pretrained(folder).to(torch.bfloat16)
    model.save_pretrained(tmp_path / "hf", max_shard_size="200KB")
    transformers.AutoTokenizer.from_pretrained(folder).save_pretrained(tmp_path / "hf")
    assert len(list((tmp_path / "hf").glob("*.safetensors"))) > 1
    file = export_gguf(tmp_path / "hf", tmp_path / "model.gguf", weights="f32")
    ids = ids_of_folder(folder)
    exact = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "hf", dtype=torch.float32)
    with torch.no_grad():
        expected = exact(torch.tensor([ids])).logits[0].numpy()
    assert agree(logits_of_file(file, ids), expected)


# --- what cannot be converted -----------------------------------------------------------------


def changed(source: Path, target: Path, file: str, **values: Any) -> Path:
    """A copy of a folder with some settings of one JSON file changed."""
    target.mkdir()
    for path in source.iterdir():
        (target / path.name).write_bytes(path.read_bytes())
    settings = json.loads((target / file).read_text())
    (target / file).write_text(json.dumps({**settings, **values}))
    return target


@pytest.mark.parametrize(
    ("file", "values", "why"),
    [
        ("config.json", {"architectures": ["GemmaForCausalLM"]}, "GemmaForCausalLM is not converted"),
        ("config.json", {"rope_parameters": {"rope_type": "longrope"}}, "longrope"),
        ("tokenizer.json", {"pre_tokenizer": {"type": "Whitespace"}}, "no such pre-tokenizer"),
        ("tokenizer.json", {"model": {"type": "Unigram"}}, "not a byte-level BPE"),
    ],
)
def test_models_that_are_refused(file: str, values: dict[str, Any], why: str, tmp_path: Path) -> None:
    folder = changed(tiny_model.hf_model(), tmp_path / "hf", file, **values)
    with pytest.raises(ConfigurationError, match=why):
        export_gguf(folder, tmp_path / "model.gguf")
    assert not list(tmp_path.glob("model.gguf*"))


@pytest.mark.parametrize("setting", [{"use_dora": True}, {"peft_type": "IA3"}, {"rank_pattern": {"q": 4}}])
def test_adapters_that_are_refused(setting: dict[str, Any], tmp_path: Path) -> None:
    folder = changed(tiny_model.lora_adapter(), tmp_path / "lora", "adapter_config.json", **setting)
    with pytest.raises(ConfigurationError):
        export_lora(folder, tiny_model.hf_model(), tmp_path / "lora.gguf")


def test_rank_stabilized_adapters_keep_their_scale(tmp_path: Path) -> None:
    folder = changed(tiny_model.lora_adapter(), tmp_path / "lora", "adapter_config.json", use_rslora=True)
    lora = export_lora(folder, tiny_model.hf_model(), tmp_path / "lora.gguf")
    ids = ids_of_folder(tiny_model.hf_model())
    expected = logits_of_folder(tiny_model.hf_model(), ids, folder)
    assert agree(logits_of_file(tiny_model.gguf_model(), ids, lora), expected)


def test_a_folder_without_weights(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"config\.json does not exist"):
        export_gguf(tmp_path, tmp_path / "model.gguf")
