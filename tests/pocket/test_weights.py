"""The pocket model's files: each weight is shipped once, and comes back as it was where others need it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest

from artis_sdk.backends.llama_cpp.header import read_tensors
from artis_sdk.errors import ConfigurationError
from artis_sdk.pocket import weights
from artis_sdk.trainers.pocket.ship import MOST, ship

CARD: dict[str, Any] = json.loads((weights.ROOT / "card.json").read_bytes())


def digest(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest()


def files(root: Path) -> dict[str, str]:
    return {str(p.relative_to(root)): digest(p) for p in root.rglob("*") if p.is_file()}


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where this process keeps unpacked folders."""
    there = partial(huggingface_hub.cached_assets_path, assets_dir=tmp_path / "assets")
    monkeypatch.setattr(huggingface_hub, "cached_assets_path", there)
    return tmp_path / "assets"


def test_the_files_are_those_that_the_figures_belong_to() -> None:
    shipped = files(weights.ROOT)
    del shipped["card.json"]
    assert shipped == CARD["files"]
    assert sum((weights.ROOT / name).stat().st_size for name in shipped) == CARD["bytes"] < MOST
    assert CARD["unpacked"].keys() == weights.UNPACKED.keys()
    assert not shipped.keys() & CARD["unpacked"].keys(), "a weight is shipped twice"


def test_the_folders_hold_what_the_weights_were_made_of(cache: Path) -> None:
    before = files(weights.ROOT)
    found = {"base": weights.folder(), **{name: weights.adapter(name) for name in weights.ALL}}
    card = {**CARD["files"], **CARD["unpacked"]}
    for name, folder in found.items():
        assert cache in folder.parents
        there = {f"{name}/{file}": value for file, value in files(folder).items()}
        assert there == {path: value for path, value in card.items() if path.startswith(f"{name}/")}
    assert files(weights.ROOT) == before, "the package itself may be read-only"


def test_a_file_that_was_cut_off_is_made_again(cache: Path) -> None:
    model = weights.folder() / "model.safetensors"
    whole = model.read_bytes()
    model.write_bytes(whole[:1000])
    (model.parent / "config.json").unlink()
    assert weights.folder() == model.parent
    assert model.read_bytes() == whole
    assert (model.parent / "config.json").exists()


def test_damaged_weights_are_not_unpacked(tmp_path: Path, cache: Path) -> None:
    root = tmp_path / "model"
    shutil.copytree(weights.ROOT, root)
    data = bytearray((root / "pocket.gguf").read_bytes())
    data[-1000] ^= 1
    (root / "pocket.gguf").write_bytes(data)
    with pytest.raises(ConfigurationError, match=r"base/model\.safetensors .* is damaged: install"):
        weights.folder(root)
    (root / "pocket.gguf").write_bytes(data[:1000])
    with pytest.raises(ConfigurationError, match="not a complete GGUF file"):
        weights.folder(root)
    assert not list(cache.rglob("*.safetensors"))


def test_a_cache_that_cannot_be_written_is_said(cache: Path) -> None:
    cache.write_text("a file where the folder should be")
    with pytest.raises(ConfigurationError, match="set HF_HOME to a folder that can be written"):
        weights.folder()


PROGRAM = "from artis_sdk.pocket import weights; print(weights.folder()); print(weights.adapter('normal'))"


@pytest.mark.slow
def test_processes_that_unpack_at_once_end_with_the_same_folders(tmp_path: Path) -> None:
    environment = {**os.environ, "HF_HOME": str(tmp_path)}
    environment.pop("HF_ASSETS_CACHE", None)
    made = [
        subprocess.Popen([sys.executable, "-c", PROGRAM], env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    told = [one.communicate(timeout=60)[0] for one in made]
    assert [one.returncode for one in made] == [0] * 4
    assert len(set(told)) == 1
    base, normal = (files(Path(line)) for line in told[0].splitlines())
    assert base["model.safetensors"] == CARD["unpacked"]["base/model.safetensors"]
    assert normal["adapter_model.safetensors"] == CARD["unpacked"]["normal/adapter_model.safetensors"]
    assert not list(tmp_path.rglob("*.partial"))


ON_LLAMA_CPP = """
import sys
sys.modules["huggingface_hub"] = sys.modules["gguf"] = None  # not installed
from artis_sdk.backends import ScriptedBackend
from artis_sdk.pocket import play, weights
weights.gguf(), [weights.gguf_adapter(name) for name in weights.ALL]
[play.simulator(name, ScriptedBackend([])) for name in play.SIMULATORS]
try:
    weights.folder()
except Exception as error:
    print(type(error).__name__, error)
"""


@pytest.mark.slow
def test_llama_cpp_needs_nothing_unpacked(tmp_path: Path) -> None:
    environment = {**os.environ, "HF_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", ON_LLAMA_CPP],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.startswith("MissingExtraError")
    assert "artis-sdk[vllm]" in done.stdout
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_what_a_run_made_is_shipped_as_it_was(tmp_path: Path, cache: Path) -> None:
    """From the folders to GGUF and back: the bytes of both are the shipped ones."""
    pytest.importorskip("gguf")
    run = tmp_path / "run"
    shutil.copytree(weights.folder(), run / "base" / "model")
    (run / "base" / "run.json").write_text(json.dumps(CARD["base"]))
    for name in weights.ADAPTERS:
        shutil.copytree(weights.adapter(name), run / name / "adapter")
        measures = CARD["adapters"][name]
        own = {**measures, "data": {"rebalance": {"explained": measures["rebalance"]}}}
        (run / name / "adapter" / "card.json").write_text(json.dumps(own))
    shutil.copytree(weights.adapter(weights.PERSISTENT), run / weights.PERSISTENT / "adapter")
    (run / weights.PERSISTENT / "run.json").write_text(json.dumps(CARD[weights.PERSISTENT]))
    card = ship(run, tmp_path / "shipped")
    assert {**card, "versions": None} == {**CARD, "versions": None}
    shipped = files(tmp_path / "shipped")
    del shipped["card.json"]
    assert shipped == CARD["files"]
    for name in ("base", *weights.ALL):
        weight = next((run / name).rglob("*.safetensors"))
        whole = weight.read_bytes()
        weight.write_bytes(whole.replace(b'"format":"pt"', b'"format":"tp"'))
        with pytest.raises(SystemExit, match=f"{weight} does not come back"):
            ship(run, tmp_path / "other")
        weight.write_bytes(whole)


def test_a_tensor_is_where_the_table_says() -> None:
    infos = read_tensors(weights.gguf())
    assert len(infos) == 57
    assert {info.type for info in infos} == {0, 1}
    last = max(infos, key=lambda info: info.offset)
    assert last.offset % 32 == 0
    assert last.offset < weights.gguf().stat().st_size
