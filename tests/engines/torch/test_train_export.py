"""Every way out of an adapter, loaded by its own engine: the same tokens with the same log-probabilities
as transformers and peft give."""

from __future__ import annotations

import json
import os
import shutil
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from helpers.vllm import ENGINE_ARGS, THEIR_WARNINGS

pytestmark = [pytest.mark.engine, *map(pytest.mark.filterwarnings, THEIR_WARNINGS)]
torch: Any = pytest.importorskip("torch")

from helpers.tiny_model import gguf_model, hf_model, lora_adapter  # noqa: E402

from artis_sdk.backends.llama_cpp.backend import LlamaCppBackend  # noqa: E402
from artis_sdk.backends.vllm.backend import VLLMBackend  # noqa: E402
from artis_sdk.errors import TrainingError  # noqa: E402
from artis_sdk.prompts import Prompts  # noqa: E402
from artis_sdk.records import Message, Request  # noqa: E402
from artis_sdk.simulators import LLMSimulator  # noqa: E402
from artis_sdk.simulators.trained import Trained  # noqa: E402
from artis_sdk.trainers.dataset.training_rows import FORM  # noqa: E402
from artis_sdk.trainers.export.adapter import export  # noqa: E402

TOKENS = 12
TOLERANCE = 5e-3  # of a log-probability: other kernels, float32 everywhere
ASKED = (Message(role="system", content="Simulate."), Message(role="user", content="transfer 5 to ada"))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training run's folder with an adapter that changes what the model says."""
    out = tmp_path_factory.mktemp("run")
    shutil.copytree(lora_adapter(std=2.0), out / "adapter")
    templates = {name: Prompts().text(name) for name in ("simulator_system", "simulator_user")}
    Trained(base=str(hf_model()), form=FORM, templates=templates).write(out / "adapter")
    (out / "adapter" / "card.json").write_text("{}")
    return out


@pytest.fixture(scope="module")
def reference(run: Path) -> dict[str, Any]:
    """The prompt's ids, and the greedy tokens of base and adapter with their log-probabilities."""
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer: Any = AutoTokenizer.from_pretrained(hf_model())
    messages = [{"role": m.role, "content": m.content} for m in ASKED]
    ids = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=False)
    base = AutoModelForCausalLM.from_pretrained(hf_model())
    found = {"base": greedy(base, ids)}
    found["adapter"] = greedy(PeftModel.from_pretrained(base, str(run / "adapter")), ids)
    assert [token for token, _ in found["base"]] != [token for token, _ in found["adapter"]]
    return {"ids": ids, **found}


def greedy(model: Any, ids: list[int]) -> list[tuple[int, float]]:
    chosen: list[tuple[int, float]] = []
    with torch.no_grad():
        for _ in range(TOKENS):
            known = [*ids, *(token for token, _ in chosen)]
            scores = torch.log_softmax(model(input_ids=torch.tensor([known])).logits[0, -1].float(), -1)
            token = int(scores.argmax())
            chosen.append((token, float(scores[token])))
    return chosen


async def said(backend: Any, adapter: str | None) -> list[tuple[int, float]]:
    request = Request(messages=ASKED, temperature=0.0, max_tokens=TOKENS, logprobs=True, adapter=adapter)
    completion = await backend.complete(request)
    return [(each.id, each.logprob) for each in completion.logprobs]


def assert_same(found: list[tuple[int, float]], wanted: list[tuple[int, float]]) -> None:
    assert [token for token, _ in found] == [token for token, _ in wanted]
    assert [score for _, score in found] == pytest.approx([score for _, score in wanted], abs=TOLERANCE)


async def test_the_adapter_as_it_is_in_vllm(run: Path, reference: dict[str, Any]) -> None:
    adapters = {"simulator": run / "adapter"}
    async with aclosing(VLLMBackend(str(hf_model()), adapters=adapters, engine_args=ENGINE_ARGS)) as backend:
        assert_same(await said(backend, None), reference["base"])
        assert_same(await said(backend, "simulator"), reference["adapter"])


@pytest.fixture(scope="module")
def merged(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export(run, tmp_path_factory.mktemp("exported") / "merged", "merged")


def test_merged_weights_in_transformers(merged: Path, reference: dict[str, Any]) -> None:
    from transformers import AutoModelForCausalLM

    assert_same(greedy(AutoModelForCausalLM.from_pretrained(merged), reference["ids"]), reference["adapter"])
    assert {"artis_simulator.json", "card.json", "tokenizer.json"} <= {p.name for p in merged.iterdir()}


async def test_merged_weights_in_vllm(merged: Path, reference: dict[str, Any]) -> None:
    async with aclosing(VLLMBackend(str(merged), engine_args=ENGINE_ARGS)) as backend:
        assert_same(await said(backend, None), reference["adapter"])


async def test_a_gguf_file_in_llama_cpp(tmp_path: Path, run: Path, reference: dict[str, Any]) -> None:
    file = export(run / "adapter", tmp_path / "merged.gguf", "gguf", weights="f32")
    async with aclosing(LlamaCppBackend(file, n_threads=1)) as backend:
        assert_same(await said(backend, None), reference["adapter"])
    assert os.listdir(tmp_path) == ["merged.gguf"]


async def test_a_gguf_lora_file_in_llama_cpp(tmp_path: Path, run: Path, reference: dict[str, Any]) -> None:
    file = export(run, tmp_path / "lora.gguf", "gguf-lora")
    async with aclosing(LlamaCppBackend(gguf_model(), adapters={"simulator": file}, n_threads=1)) as backend:
        assert_same(await said(backend, None), reference["base"])
        assert_same(await said(backend, "simulator"), reference["adapter"])
        model = LLMSimulator.trained(run / "adapter", backend, adapter="simulator", max_tokens=8)
        assert model.form == FORM


def test_what_cannot_be_exported_is_said(tmp_path: Path, run: Path) -> None:
    with pytest.raises(TrainingError, match="holds no adapter"):
        export(tmp_path, tmp_path / "out", "merged")
    (tmp_path / "there").mkdir()
    with pytest.raises(TrainingError, match="exists already"):
        export(run, tmp_path / "there", "merged")
    moved = shutil.copytree(run / "adapter", tmp_path / "moved")
    named = json.loads((moved / "artis_simulator.json").read_bytes())
    (moved / "artis_simulator.json").write_text(json.dumps({**named, "base": "/gone/away"}))
    with pytest.raises(TrainingError, match="pass --base"):
        export(moved, tmp_path / "out", "merged")
    assert export(moved, tmp_path / "out.gguf", "gguf-lora", base=str(hf_model())).is_file()
