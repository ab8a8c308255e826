"""The pocket model's recipe: begun from the shipped weights, stopped at any time, it goes on where it was."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.engine
torch: Any = pytest.importorskip("torch")

from safetensors.torch import load_file  # noqa: E402

from artis_sdk.pocket import weights  # noqa: E402
from artis_sdk.trainers.pocket import persistent, train  # noqa: E402

SHIPPED: int = json.loads((weights.ROOT / "card.json").read_bytes())["base"]["steps"]


def run(folder: Path) -> train.Run:
    return train.Run(folder, steps=SHIPPED + 3, seed=0, begin=weights.ROOT)


def learned(folder: Path) -> dict[str, Any]:
    return dict(torch.load(folder / "state.pt", weights_only=True)["model"])


def test_it_begins_with_the_shipped_weights(tmp_path: Path) -> None:
    begun = run(tmp_path)
    shipped = load_file(weights.folder() / "model.safetensors")
    assert begun.step == SHIPPED
    found = begun.model.state_dict()
    assert found.keys() == shipped.keys()
    assert all(torch.equal(found[name], shipped[name].float()) for name in shipped)


def test_a_run_that_broke_off_ends_with_the_same_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train, "TOKENS", 1024)
    monkeypatch.setattr(train, "SAVE_EVERY", 0.0)
    run(tmp_path / "whole").train()
    learn, steps = train.learn, 0

    def breaking(*given: Any) -> float:
        nonlocal steps
        steps += 1
        if steps == 3:
            raise KeyboardInterrupt
        return learn(*given)

    monkeypatch.setattr(train, "learn", breaking)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "broken").train()
    monkeypatch.setattr(train, "learn", learn)
    resumed = train.Run(tmp_path / "broken", steps=SHIPPED + 3, seed=0)  # its folder holds all it needs
    assert resumed.step == SHIPPED + 2
    assert resumed.tokenizer.get_vocab() == run(tmp_path / "whole").tokenizer.get_vocab()
    resumed.train()
    whole, broken = learned(tmp_path / "whole"), learned(tmp_path / "broken")
    shipped = load_file(weights.folder() / "model.safetensors")
    assert all(torch.equal(whole[name], broken[name]) for name in whole)
    assert any(not torch.equal(whole[name], shipped[name].float()) for name in whole)


def test_the_persistent_agent_learns(tmp_path: Path) -> None:
    """Some steps of its recipe: the loss falls, the base stays, and the adapter is one that peft reads."""
    from peft import PeftConfig

    first = persistent.train(tmp_path / "first", steps=1)
    told = persistent.train(tmp_path / "run", steps=8)
    assert told["loss"] < first["loss"]
    config = PeftConfig.from_pretrained(str(tmp_path / "run" / "adapter"))
    assert config.r == persistent.RANK
    weights_file = load_file(tmp_path / "run" / "adapter" / "adapter_model.safetensors")
    assert all("lora_" in name for name in weights_file)
    assert all(tensor.abs().max() > 0 for tensor in weights_file.values()), "lora_B begins with zeros"
    assert json.loads((tmp_path / "run" / "run.json").read_bytes()) == told
