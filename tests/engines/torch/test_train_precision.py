"""Number types and attention: passed to the base, and refused before the run where the device lacks them."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

pytestmark = pytest.mark.engine
torch = pytest.importorskip("torch")

from helpers.tiny_model import Shape, hf_model  # noqa: E402
from helpers.train_child import SETTINGS, run  # noqa: E402
from pydantic import ValidationError  # noqa: E402
from typer.testing import CliRunner  # noqa: E402

from artis_sdk.cli.app import app  # noqa: E402
from artis_sdk.errors import MissingExtraError, TrainingError  # noqa: E402
from artis_sdk.trainers.agent import AgentSettings, AgentTrainer  # noqa: E402
from artis_sdk.trainers.agent.examples.lookup import lookup_tasks  # noqa: E402
from artis_sdk.trainers.precision import choose_precision, weights_type  # noqa: E402
from artis_sdk.trainers.simulator.model import load_base  # noqa: E402
from artis_sdk.trainers.simulator.settings import SFTSettings  # noqa: E402
from artis_sdk.trainers.whole_trainer import shared_arguments  # noqa: E402

SMALL = Shape(hidden=32, intermediate=64, layers=1, heads=2, kv_heads=1, head_dim=16)


def test_the_processor_has_fp32_and_bf16(tmp_path: Path) -> None:
    assert choose_precision("auto", cpu=True) == choose_precision("fp32", cpu=True) == "fp32"
    assert choose_precision("bf16", cpu=True) == "bf16"
    with pytest.raises(TrainingError, match="fp16 needs a CUDA GPU"):
        choose_precision("fp16", cpu=True)
    for precision, expected in (("auto", False), ("fp32", False), ("bf16", True)):
        settings = SFTSettings(precision=precision)  # type: ignore[arg-type]
        assert (
            shared_arguments(tmp_path, settings, processes=1, checkpointing=False, cpu=True)["bf16"]
            is expected
        )


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
def test_a_gpu_has_fp16(tmp_path: Path) -> None:
    given = shared_arguments(
        tmp_path, SFTSettings(precision="fp16"), processes=1, checkpointing=False, cpu=False
    )
    assert (given["fp16"], given["bf16"]) == (True, False)


def test_weights_that_are_trained_are_not_fp16() -> None:
    assert weights_type("fp16", lora=True) == "float16"
    assert weights_type("fp16", lora=False) == weights_type("fp32", lora=True) == "float32"
    assert weights_type("bf16", lora=False) == "bfloat16"


def test_attention_and_type_reach_the_base() -> None:
    base = str(hf_model(SMALL))
    for attention in ("eager", "sdpa"):
        model, _ = load_base(base, "bfloat16", attention)
        assert model.config._attn_implementation == attention
        assert model.dtype == torch.bfloat16
    for unknown in ("flash_attention_2", "fastest"):  # not installed here, not known
        with pytest.raises(TrainingError, match=f"cannot be loaded.*{unknown}"):
            load_base(base, "float32", unknown)


@pytest.mark.parametrize("given", [{"precision": "fp16"}, {"attn_implementation": "flash_attention_2"}])
def test_what_the_device_cannot_is_said_before_the_run(tmp_path: Path, given: dict[str, str]) -> None:
    base, out = hf_model(SMALL), tmp_path / "out"
    with pytest.raises(TrainingError, match="needs a CUDA GPU"):
        run(tmp_path / "none.db", base, out, settings=SETTINGS.model_copy(update=given))
    with pytest.raises(TrainingError, match="needs a CUDA GPU"):
        AgentTrainer(base, out, lookup_tasks(2), settings=AgentSettings(**given), cpu=True).train()  # type: ignore[arg-type]
    option = [f"--{name.replace('_', '-')}={value}" for name, value in given.items()]
    for command in (["simulator", str(tmp_path / "none.db")], ["agent"]):
        done = CliRunner().invoke(
            app, ["train", *command, "--base", str(base), "--out", str(out), "--cpu", *option]
        )
        assert done.exit_code != 0
        assert "needs a CUDA GPU" in str(done.exception) + done.output
    assert not out.exists()


def test_four_bits_need_their_library_and_an_adapter(tmp_path: Path) -> None:
    if find_spec("bitsandbytes") is None:
        with pytest.raises(MissingExtraError, match="four-bit"):
            load_base(str(hf_model(SMALL)), "float32", four_bit=True)
    with pytest.raises(TrainingError, match="--four-bit needs a CUDA GPU"):
        run(
            tmp_path / "none.db",
            hf_model(SMALL),
            tmp_path,
            settings=SETTINGS.model_copy(update={"four_bit": True}),
        )
    with pytest.raises(ValidationError, match="not trained"):
        AgentSettings(four_bit=True, lora=False)
