"""A GGUF file becomes a base: the same logits, tokens and chat template, and a training runs on it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.engine
torch: Any = pytest.importorskip("torch")

from helpers.tiny_model import TINY, gguf_adapter, gguf_model, hf_model, make_tokenizer  # noqa: E402
from helpers.train import bank_log  # noqa: E402
from helpers.train_child import run  # noqa: E402
from typer.testing import CliRunner  # noqa: E402

from artis_sdk.cli.app import app  # noqa: E402
from artis_sdk.errors import TrainingError  # noqa: E402
from artis_sdk.logs import export_parquet  # noqa: E402
from artis_sdk.pocket import weights as pocket  # noqa: E402
from artis_sdk.trainers.export.architectures import Arch  # noqa: E402
from artis_sdk.trainers.export.gguf import export_gguf  # noqa: E402
from artis_sdk.trainers.gguf_base import base_from_gguf  # noqa: E402

TEXTS = ("The user asks for a booking; 東京, 12.5 and café.", '{"name": "transfer", "amount": -3}')


def loaded(folder: Path) -> tuple[Any, Any]:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    return model, AutoTokenizer.from_pretrained(folder)


def same(one: Path, other: Path, within: float) -> None:
    (model, tokenizer), (original, its_tokenizer) = loaded(one), loaded(other)
    for text in TEXTS:
        ids = its_tokenizer(text, add_special_tokens=False)["input_ids"]
        assert tokenizer(text, add_special_tokens=False)["input_ids"] == ids
        with torch.no_grad():
            logits, expected = (one(torch.tensor([ids])).logits for one in (model, original))
        assert (logits - expected).abs().max() < within
    messages = [{"role": "user", "content": "hello"}]
    said = [one.apply_chat_template(messages, tokenize=False) for one in (tokenizer, its_tokenizer)]
    assert said[0] == said[1]


def test_a_base_has_the_weights_the_tokens_and_the_template_of_its_file(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["train", "base", str(gguf_model()), "--out", str(tmp_path / "base")])
    assert done.exit_code == 0, done.output
    same(tmp_path / "base", hf_model(TINY), 1e-3)


def test_a_training_runs_on_a_base(tmp_path: Path) -> None:
    export_parquet(bank_log(40, failures=0.3), tmp_path / "calls.parquet")
    folder = base_from_gguf(gguf_model(), tmp_path / "base")
    assert "quantization_config" not in json.loads((folder / "config.json").read_text())
    assert run(tmp_path / "calls.parquet", folder, tmp_path / "out").adapter.exists()


def test_a_llama_with_a_vocabulary_of_its_own(tmp_path: Path) -> None:
    same(base_from_gguf(pocket.gguf(), tmp_path / "base"), pocket.folder(), 1e-3)


SIZES: dict[str, Any] = {
    "vocab_size": 512,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 32,
    "max_position_embeddings": 256,
    "initializer_range": 0.2,
    "tie_word_embeddings": False,
}
LLAMA3 = {
    "rope_type": "llama3",
    "rope_theta": 500000.0,
    "factor": 32.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}


def random_folder(folder: Path, family: str, **more: Any) -> Path:
    """A Hugging Face folder of random weights, biases and norms included."""
    import transformers

    config = getattr(transformers, f"{family}Config")(**{**SIZES, **more})
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = transformers.AutoModelForCausalLM.from_config(config)
        for weights in model.parameters():
            if weights.ndim == 1:
                torch.nn.init.uniform_(weights, -0.5, 0.5)
    model.save_pretrained(folder)
    make_tokenizer(512).save_pretrained(folder)
    return folder


@pytest.mark.parametrize(
    ("family", "more"),
    [
        ("Qwen2", {"head_dim": 16}),
        ("Qwen3", {}),
        ("Llama", {}),
        ("Llama", {"rope_parameters": LLAMA3}),
    ],
)
def test_each_architecture_comes_back_as_it_was(tmp_path: Path, family: str, more: dict[str, Any]) -> None:
    original = random_folder(tmp_path / "original", family, **more)
    file = export_gguf(original, tmp_path / "model.gguf", weights="f32")
    same(base_from_gguf(file, tmp_path / "base"), original, 1e-3)


def test_gemma3_comes_back_as_it_was(tmp_path: Path) -> None:
    """Written as llama.cpp's converter writes it: norms plus one, a SentencePiece vocabulary."""
    more = {"head_dim": 32, "query_pre_attn_scalar": 32, "sliding_window": 8, "tie_word_embeddings": True}
    original = random_folder(tmp_path / "original", "Gemma3Text", num_hidden_layers=7, **more)
    file = gemma_file(original, tmp_path / "model.gguf")
    ids = torch.randint(0, 512, (1, 40), generator=torch.Generator().manual_seed(0))
    model, _ = loaded(original)
    made, tokenizer = loaded(base_from_gguf(file, tmp_path / "base"))
    assert made.config.layer_types.count("full_attention") == 1
    with torch.no_grad():
        assert (made(ids).logits - model(ids).logits).abs().max() < 1e-3
    assert tokenizer.convert_ids_to_tokens([2, 300]) == ["<bos>", "w300"]


def gemma_file(folder: Path, path: Path) -> Path:
    import gguf
    from safetensors.torch import load_file

    config = json.loads((folder / "config.json").read_text())
    config["rope_parameters"] = config["rope_parameters"]["full_attention"]
    writer, arch = gguf.GGUFWriter(path, "gemma3"), Arch("gemma3", config)
    arch.describe(writer)
    writer.add_sliding_window(config["sliding_window"])
    special = ["<pad>", "<eos>", "<bos>", "<unk>"]
    writer.add_tokenizer_model("llama")
    writer.add_token_list([*special, *(f"w{n}" for n in range(4, 512))])
    writer.add_token_scores([-float(n) for n in range(512)])
    writer.add_token_types([int(gguf.TokenType.CONTROL)] * 4 + [int(gguf.TokenType.NORMAL)] * 508)
    for number, write in enumerate(
        (writer.add_pad_token_id, writer.add_eos_token_id, writer.add_bos_token_id)
    ):
        write(number)
    for name, tensor in load_file(folder / "model.safetensors").items():
        module, _, suffix = name.rpartition(".")
        shifted = tensor + 1 if "norm" in module else tensor
        writer.add_tensor(f"{arch.tensor_name(module)}.{suffix}", shifted.float().numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def test_rotary_scaling_that_is_not_read_is_refused(tmp_path: Path) -> None:
    scaled = {"rope_parameters": {"rope_type": "linear", "rope_theta": 10000.0, "factor": 2.0}}
    original = random_folder(tmp_path / "original", "Qwen3", **scaled)
    file = export_gguf(original, tmp_path / "model.gguf", weights="f32")
    with pytest.raises(TrainingError, match=r"scales rotary positions .* \(linear\)"):
        base_from_gguf(file, tmp_path / "base")
    assert not (tmp_path / "base").exists()


def test_what_is_no_model_or_there_already_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="adapter weights"):
        base_from_gguf(gguf_adapter(), tmp_path / "base")
    (tmp_path / "base").mkdir()
    with pytest.raises(TrainingError, match="there already"):
        base_from_gguf(gguf_model(), tmp_path / "base")
