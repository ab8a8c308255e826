"""A GGUF file becomes a base: the same logits, tokens and chat template, and a training runs on it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.engine
torch: Any = pytest.importorskip("torch")

from helpers.tiny_model import TINY, gguf_adapter, gguf_model, hf_model  # noqa: E402
from typer.testing import CliRunner  # noqa: E402

from artis_sdk.cli.app import app  # noqa: E402
from artis_sdk.errors import TrainingError  # noqa: E402
from artis_sdk.pocket import weights as pocket  # noqa: E402
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


def test_a_llama_with_a_vocabulary_of_its_own(tmp_path: Path) -> None:
    same(base_from_gguf(pocket.gguf(), tmp_path / "base"), pocket.folder(), 1e-3)


def test_what_is_no_model_or_there_already_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="adapter weights"):
        base_from_gguf(gguf_adapter(), tmp_path / "base")
    (tmp_path / "base").mkdir()
    with pytest.raises(TrainingError, match="there already"):
        base_from_gguf(gguf_model(), tmp_path / "base")
