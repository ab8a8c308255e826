"""Whole training runs: killed and resumed, with a full disk, on two processes; bad bases and folders."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.engine
pytest.importorskip("torch")

from helpers.tiny_model import Shape, hf_model  # noqa: E402
from helpers.train import bank_log  # noqa: E402
from helpers.train_child import DATA, SETTINGS, run  # noqa: E402

from artis_sdk.errors import TrainingError  # noqa: E402
from artis_sdk.logs import export_parquet  # noqa: E402
from artis_sdk.trainers.simulator.train import TrainedAdapter  # noqa: E402
from artis_sdk.trainers.simulator.trainer import TrainingProgress  # noqa: E402

SMALL = Shape(hidden=32, intermediate=64, layers=1, heads=2, kv_heads=1, head_dim=16)
CHILD = ("-m", "helpers.train_child")  # of Python, or of torchrun
STEPS = 6


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("log") / "calls.parquet"
    export_parquet(bank_log(40, failures=0.3), path)
    return path


@pytest.fixture(scope="module")
def base() -> str:
    return str(hf_model(SMALL))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, log: Path, base: str) -> TrainedAdapter:
    """A run that nothing disturbed."""
    return run(log, Path(base), tmp_path_factory.mktemp("whole") / "out")


def losses(history: list[dict[str, Any]]) -> list[float]:
    return [entry["loss"] for entry in history if "loss" in entry]


def child(*before: str, **given: Any) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable,
        *before,
        *CHILD,
        json.dumps({k: str(v) if isinstance(v, Path) else v for k, v in given.items()}),
    ]
    return subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)


def test_a_run_leaves_an_adapter_with_its_card(whole: TrainedAdapter, log: Path) -> None:
    assert len(losses(whole.history)) == STEPS
    names = {path.name for path in whole.adapter.iterdir()}
    assert names >= {
        "adapter_config.json",
        "adapter_model.safetensors",
        "artis_simulator.json",
        "card.json",
        "README.md",
    }
    card = json.loads((whole.adapter / "card.json").read_bytes())
    assert card["training"]["steps"] == STEPS
    assert card["files"].keys() == {
        "adapter_config.json",
        "adapter_model.safetensors",
        "artis_simulator.json",
    }
    assert card["data"]["log"] == str(log)
    assert card["data"]["tokens"]["train"]["rows"] == card["data"]["splits"]["train"]["chosen"]
    assert card["held_out"]["after"]["rows"] == 2
    for split in ("validation", "test"):
        assert sum(stratum["asked"] for stratum in card["exam"][split]) == 2
        rows = sum(stratum["rows"] for stratum in card["exam"][split])
        assert rows == card["data"]["splits"][split]["chosen"] > 2
    assert card["data"]["tokens"]["test"]["rows"] == 2  # no others are made into tokens
    assert {"torch", "transformers", "trl", "peft", "artis-sdk"} <= card["versions"].keys()
    text = (whole.adapter / "README.md").read_text()
    assert "| failure recall |" in text or "| exact match |" in text
    assert "| asked in validation |" in text
    assert (whole.adapter.parent / "data" / "distribution.svg").exists()
    evaluated = [entry for entry in whole.history if "eval_failure_recall" in entry]
    assert len(evaluated) == STEPS


@pytest.mark.parametrize("kill", [5, "checkpoint"])
def test_a_killed_run_goes_on_to_the_same_loss_curve(
    tmp_path: Path, log: Path, base: str, whole: TrainedAdapter, kill: int | str
) -> None:
    """Killed in the second epoch, and at its beginning in the middle of a checkpoint."""
    out = tmp_path / "out"
    died = child(log=log, base=base, out=out, kill=kill)
    assert died.returncode == -signal.SIGKILL, died.stderr
    assert (out / "checkpoints" / "checkpoint-4").exists()  # whole only if nothing killed its writing
    with pytest.raises(TrainingError, match="--resume"):
        run(log, Path(base), out)
    stages: list[str] = []
    resumed = run(log, Path(base), out, resume=True, on_stage=stages.append)
    assert f"resuming from checkpoint-{4 if kill == 5 else 3}" in stages
    assert any(f"were prepared from {log}; rows logged since" in stage for stage in stages)
    assert losses(resumed.history) == pytest.approx(losses(whole.history), abs=1e-6)
    assert resumed.card["held_out"] == whole.card["held_out"]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """A small disk of its own and how it becomes full; where none may be mounted, files become limited."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(folder)]
    mounted = shutil.which("mount") is not None and subprocess.run(mount, capture_output=True).returncode == 0
    yield folder / "out", {"fill": folder / "filler"} if mounted else {}
    if mounted:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_in_the_middle_of_a_checkpoint_loses_nothing(
    disk: tuple[Path, dict[str, Any]], log: Path, base: str, whole: TrainedAdapter
) -> None:
    out, how = disk
    failed = child(log=log, base=base, out=out, full=3, **how)
    assert failed.returncode == 2, failed.stderr
    assert "checkpoint 3 could not be written" in failed.stderr
    assert "checkpoint-2 is whole: make room, then run the same command with --resume" in failed.stderr
    assert not (out / "checkpoints" / "checkpoint-3").exists()
    for filler in how.values():
        assert filler.stat().st_size > 0
        filler.unlink()
    resumed = run(log, Path(base), out, resume=True)
    assert losses(resumed.history) == pytest.approx(losses(whole.history), abs=1e-6)


def test_too_small_a_disk_is_said_before_training(
    tmp_path: Path, log: Path, base: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(TrainingError, match=r"MiB free, and training writes about .* MiB"):
        run(log, Path(base), tmp_path / "out")


def labels(out: Path) -> list[int]:
    """Number of labels in a run's first step, of each of two processes."""
    from datasets import Dataset

    from artis_sdk.trainers.simulator.steps import DrawOrder, Steps

    rows = Dataset.from_file(str(out / "tokens" / "train.arrow"))
    order = DrawOrder(rows["draws"], SETTINGS.seed).epoch(0)
    more: dict[str, Any] = {"batch": SETTINGS.batch, "tokens": SETTINGS.tokens_per_pass, "form": "tree"}
    first = [Steps(rows, order, process=process, processes=2, **more)[0] for process in range(2)]
    return [sum(len(one.labels) for one in step["passes"]) for step in first]


def test_two_processes_train_as_one_and_one_resumes(
    tmp_path: Path, log: Path, base: str, whole: TrainedAdapter
) -> None:
    """The first is killed in the second epoch, whose order the one must find again. Shares are dealt by
    tokens, so that the two have different numbers of labels."""
    accelerate = (
        *("-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2"),
        *("--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no"),
    )
    out = tmp_path / "out"
    died = child(*accelerate, log=log, base=base, out=out, kill=5)
    assert died.returncode != 0
    assert (out / "checkpoints" / "checkpoint-4" / "rng_state_1.pth").exists(), died.stderr
    assert len(set(labels(out))) == 2
    done = run(log, Path(base), out, resume=True)
    assert done.card["training"]["processes"] == 1
    assert losses(done.history) == pytest.approx(losses(whole.history), abs=2e-4)
    evaluated = [[e["eval_loss"] for e in run.history if "eval_loss" in e] for run in (done, whole)]
    assert evaluated[0] == pytest.approx(evaluated[1], abs=2e-4)


# --- what cannot be trained -------------------------------------------------------------------


def _bert(folder: Path) -> None:
    from transformers import BertConfig, BertModel

    BertModel(
        BertConfig(hidden_size=16, num_hidden_layers=1, num_attention_heads=1, intermediate_size=16)
    ).save_pretrained(folder)


def _t5(folder: Path) -> None:
    folder.mkdir()
    (folder / "config.json").write_text(
        json.dumps(
            {"model_type": "t5", "architectures": ["T5ForConditionalGeneration"], "is_encoder_decoder": True}
        )
    )


def _unknown(folder: Path) -> None:
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"model_type": "no-such-thing"}))


def _without_template(folder: Path) -> None:
    shutil.copytree(hf_model(SMALL), folder)
    (folder / "chat_template.jinja").unlink()


def _without_weights(folder: Path) -> None:
    shutil.copytree(hf_model(SMALL), folder)
    (folder / "model.safetensors").unlink()


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (_bert, "is not a causal language model: it is BertModel"),
        (_t5, "is not a causal language model: it is T5ForConditionalGeneration"),
        (_unknown, "cannot be read"),
        (lambda folder: None, "cannot be read"),
        (_without_template, "has no chat template"),
        (_without_weights, "cannot be loaded"),
    ],
)
def test_a_base_that_cannot_be_trained_is_said(
    tmp_path: Path, log: Path, make: Callable[[Path], None], says: str
) -> None:
    make(tmp_path / "base")
    with pytest.raises(TrainingError, match=says):
        run(log, tmp_path / "base", tmp_path / "out")


def test_a_folder_that_is_in_use_or_has_another_run_is_refused(
    tmp_path: Path, log: Path, base: str, whole: TrainedAdapter
) -> None:
    (tmp_path / "mine").write_text("x")
    with pytest.raises(TrainingError, match="is not empty"):
        run(log, Path(base), tmp_path)
    with pytest.raises(TrainingError, match="holds no run to resume"):
        run(log, Path(base), tmp_path / "new", resume=True)
    with pytest.raises(TrainingError, match=r"another rank \(16\): a run"):
        run(
            log,
            Path(base),
            whole.adapter.parent,
            resume=True,
            settings=SETTINGS.model_copy(update={"rank": 3}),
        )
    with pytest.raises(TrainingError, match=r"another test \(0\.2\): a run"):
        run(log, Path(base), whole.adapter.parent, resume=True, data=DATA.model_copy(update={"test": 0.3}))


def test_a_step_that_cannot_be_shared_is_said() -> None:
    with pytest.raises(TrainingError, match="set --batch to at least 3"):
        SETTINGS.model_copy(update={"batch": 2}).check_shares(3)


@pytest.mark.parametrize(
    ("variable", "name"), [("ACCELERATE_USE_FSDP", "FSDP"), ("ACCELERATE_USE_DEEPSPEED", "DeepSpeed")]
)
def test_weights_that_are_divided_are_refused_before_the_run(
    tmp_path: Path, log: Path, base: str, monkeypatch: pytest.MonkeyPatch, variable: str, name: str
) -> None:
    monkeypatch.setenv(variable, "true")
    with pytest.raises(TrainingError, match=f"{name} divides the weights"):
        run(log, Path(base), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_rows_that_do_not_fit_are_said(tmp_path: Path, log: Path, base: str) -> None:
    settings = SETTINGS.model_copy(update={"max_length": 40})
    with pytest.raises(TrainingError, match="raise --max-length"):
        run(log, Path(base), tmp_path / "out", settings=settings)


def test_one_long_answer_takes_no_room_from_the_other_rows(tmp_path: Path, base: str) -> None:
    """A tool that once returned 200 kB: its row is left out and told, the others train as without it."""
    records = list(bank_log(40, failures=0.3))
    of_tool = [n for n, one in enumerate(records) if one.call.tool == "get_account"]
    tell: list[tuple[int, int]] = []
    forms, left = list[dict[str, Any]](), list[dict[str, int]]()

    def watch(at: TrainingProgress) -> None:
        if at.answered is not None:
            tell.append(at.answered)

    for name, long in (("without", []), ("with", of_tool)):
        for n in long:
            outcome = records[n].outcome.model_copy(update={"value": "much " * 40_000})
            records[n] = records[n].model_copy(update={"outcome": outcome, "history": ()})
        export_parquet(records, tmp_path / f"{name}.parquet")
        done = run(
            tmp_path / f"{name}.parquet",
            Path(base),
            tmp_path / name,
            on_progress=watch,
        )
        forms.append(json.loads((done.adapter / "artis_simulator.json").read_text())["form"])
        left.append(done.card["data"]["tokens"]["train"]["too_long"])
    assert forms[1]["max_characters"] > forms[0]["max_characters"] / 2
    assert left[0] == {}
    assert list(left[1]) == ["get_account"]
    assert f"get_account {left[1]['get_account']} rows" in (tmp_path / "with/adapter/README.md").read_text()
    assert (0, 2) in tell


def test_nothing_is_left_of_a_run_that_failed_before_its_first_step(
    tmp_path: Path, log: Path, base: str
) -> None:
    out = tmp_path / "out"
    few = tmp_path / "few.parquet"
    export_parquet(bank_log(1, failures=0.3), few)
    with pytest.raises(TrainingError, match="1 session cannot be split"):
        run(few, Path(base), out)
    assert list(out.iterdir()) == []
    _without_weights(tmp_path / "hollow")
    with pytest.raises(TrainingError, match="cannot be loaded"):
        run(log, tmp_path / "hollow", out)
    assert list(out.iterdir()) == []
    assert run(log, Path(base), out).adapter.exists()  # the same folder takes the run that can be


def test_the_command_trains_and_says_so(tmp_path: Path, log: Path, base: str) -> None:
    from helpers.train_child import SHORT

    for name, text in SHORT.items():
        (tmp_path / f"{name}.j2").write_text(text)
    arguments = ["train", "simulator", str(log), "--base", base, "--out", str(tmp_path / "out"), "--prompts"]
    arguments += [str(tmp_path), "--focus", "--look-up"]
    arguments += ["--target", "32", "--batch", "16", "--epochs", "1", "--judged", "2"]
    arguments += ["--validation", "0.2", "--test", "0.2", "--cpu", "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "artis_sdk.cli", *arguments],
        capture_output=True, text=True, timeout=280, check=False, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    printed = json.loads(done.stdout)
    adapter = Path(printed["adapter"])
    assert adapter.is_dir()
    form = json.loads((adapter / "artis_simulator.json").read_text())["form"]
    assert (form["focus"], form["look_up"]) == (True, True)
    assert printed["training"]["steps"] == 2
    again = subprocess.run(
        [sys.executable, "-m", "artis_sdk.cli", *arguments, "--rank", "0"],
        capture_output=True, text=True, timeout=280, check=False,
    )  # fmt: skip
    assert again.returncode == 2
    assert "--rank" in json.loads(again.stdout)["message"]
