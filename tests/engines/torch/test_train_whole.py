"""From a log to a gated simulator, as a team does it: train, measure before and after, trust, rehearse."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.engine
torch: Any = pytest.importorskip("torch")

from contextlib import aclosing  # noqa: E402

from helpers.tiny_model import Shape, hf_model  # noqa: E402
from helpers.train import bank_log  # noqa: E402
from typer.testing import CliRunner  # noqa: E402

from artis_sdk.backends.llama_cpp.backend import LlamaCppBackend  # noqa: E402
from artis_sdk.backends.scripted import ScriptedBackend  # noqa: E402
from artis_sdk.cli.app import app  # noqa: E402
from artis_sdk.evals.fidelity.measurement import measure  # noqa: E402
from artis_sdk.evals.fidelity.records import Fidelity  # noqa: E402
from artis_sdk.evals.fidelity.trust import TrustRules, judge  # noqa: E402
from artis_sdk.logs import CallLog, read_parquet  # noqa: E402
from artis_sdk.loop.strategies import Sequential  # noqa: E402
from artis_sdk.pocket import Bank, pocket_tools  # noqa: E402
from artis_sdk.prompts import Prompts  # noqa: E402
from artis_sdk.records import CallRecord, Provenance, ToolCall  # noqa: E402
from artis_sdk.session import Session  # noqa: E402
from artis_sdk.simulators import LLMSimulator  # noqa: E402
from artis_sdk.trainers.dataset.training_rows import FORM, RowMaker  # noqa: E402
from artis_sdk.trainers.export.gguf import export_gguf  # noqa: E402

SECONDS = 360  # on two cores, of all tests of training together
TEMPLATES = {"simulator_system": "Simulate.", "simulator_user": "{{ history }}\n{{ action }}"}
ASKED = ToolCall(id="c", tool="get_rate", arguments={"source": "EUR", "target": "JPY"})


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a bank's rates were asked for: 16 pairs, of which 7 have no rate."""
    path = tmp_path_factory.mktemp("log") / "calls.db"
    with CallLog(path) as log:
        for record in bank_log(450, calls=2, size=2, only=frozenset({"get_rate"})):
            log.append(record)
    return path


def base(log: Path) -> Path:
    """A small model with random weights, and a tokenizer that knows such texts."""
    maker = RowMaker(FORM.model_copy(update={"focus": True}), Prompts(TEMPLATES))
    with CallLog(log, create=False) as opened:
        rows = [maker.row(record) for record, _ in zip(opened.records(), range(60), strict=False)]
    corpus = tuple(text for row in rows for text in (row.messages[-1].content, row.answer))
    return hf_model(
        Shape(
            hidden=64, intermediate=128, heads=2, kv_heads=1, head_dim=32, tied=True, std=0.2, corpus=corpus
        )
    )


async def fidelity(run: Path, model: Path, held_out: list[CallRecord]) -> Fidelity:
    async with aclosing(LlamaCppBackend(model, n_threads=1, n_ctx=8192)) as backend:
        simulator = LLMSimulator.trained(run / "adapter", backend, max_tokens=48)
        return await measure(simulator, held_out, name=model.name, similarity=None)


async def test_a_log_becomes_a_simulator_that_predicts_failures_and_is_trusted(
    tmp_path: Path, log: Path
) -> None:
    torch.set_num_threads(1)
    began = time.monotonic()
    for name, text in TEMPLATES.items():
        (tmp_path / f"{name}.j2").write_text(text)
    run = tmp_path / "run"
    options = ["--prompts", str(tmp_path), "--focus", "--epochs", "3", "--batch", "16"]
    options += ["--learning-rate", "5e-3", "--validation", "0.1", "--test", "0.2", "--judged", "30", "--cpu"]
    trained = CliRunner().invoke(
        app,
        ["train", "simulator", str(log), "--base", str(base(log)), "--out", str(run), *options],
        catch_exceptions=False,
    )
    said = " ".join(trained.output.split())
    assert "step" in said
    assert "validation loss" in said  # progress
    assert "next: artis eval simulator" in said
    card = json.loads((run / "adapter" / "card.json").read_bytes())
    losses = card["training"]["first_loss"], card["training"]["last_loss"]
    assert losses[1] < losses[0] / 4

    held_out = list(read_parquet(run / "data" / "test.parquet"))[:100]
    exported = CliRunner().invoke(
        app, ["train", "export", str(run), "--out", str(run / "model.gguf"), "--to", "gguf"],
        catch_exceptions=False,
    )  # fmt: skip
    assert exported.exit_code == 0
    export_gguf(base(log), run / "base.gguf", weights="f32")
    before = await fidelity(run, run / "base.gguf", held_out)
    after = await fidelity(run, run / "model.gguf", held_out)
    for was, now in (
        (before.overall.exact, after.overall.exact),
        (before.overall.failure_recall, after.overall.failure_recall),
        (before.overall.failure_precision, after.overall.failure_precision),
    ):
        print(f"before {was.value}, after {now.value}")
        assert (was.value or 0.0) < 0.05
        assert now.value is not None
        assert now.value > 0.4

    trust = judge(after, TrustRules(min_rows=20, failure_recall=0.5, fidelity=0.3, faithful="exact"))
    assert trust.of("get_rate").verdict == "trusted"
    async with aclosing(LlamaCppBackend(run / "model.gguf", n_threads=1, n_ctx=8192)) as backend:
        simulator = LLMSimulator.trained(run / "adapter", backend, max_tokens=48)
        agent = ScriptedBackend([ASKED, "there is none"])
        more: dict[str, Any] = {
            "strategy": Sequential(1),
            "evaluate": False,
            "summarize": False,
            "trust": trust,
        }
        async with Session(
            agent=agent, tools=pocket_tools(Bank()), simulator=simulator, journal=tmp_path / "j.db", **more
        ) as session:
            plan = await session.rehearse("What is a euro in yen?")
    (step,) = plan.attempts[0].steps
    assert step.outcome.provenance is Provenance.SIMULATED
    assert (step.outcome.ok, step.outcome.failure_type) == (False, "WrongCurrency")
    assert time.monotonic() - began < SECONDS
