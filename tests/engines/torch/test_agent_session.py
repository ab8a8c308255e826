"""A trained agent in a session: asked in the very form it was trained in, over guarded tools."""

from __future__ import annotations

import asyncio
import re
from ast import PyCF_ALLOW_TOP_LEVEL_AWAIT
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.engine, pytest.mark.timeout(1200)]  # where others take the processor
torch: Any = pytest.importorskip("torch")

from helpers.agent import taught  # noqa: E402

from artis_sdk import Direct, Session  # noqa: E402
from artis_sdk.contracts import Backend  # noqa: E402
from artis_sdk.records import Completion, Provenance, Request, ToolCall  # noqa: E402
from artis_sdk.trainers.agent import AgentSettings, AgentTask, AgentTrainer, RolloutLimits  # noqa: E402
from artis_sdk.trainers.agent.backend import AgentBackend  # noqa: E402
from artis_sdk.trainers.agent.examples.lookup import KINDS, Register, lookup_tasks, lookup_tools  # noqa: E402
from artis_sdk.trainers.agent.formats import Codec, make_format  # noqa: E402
from artis_sdk.trainers.agent.generate import Generator  # noqa: E402
from artis_sdk.trainers.agent.rollout import Rollout, roll_out_all  # noqa: E402
from artis_sdk.trainers.agent.run_folder import AgentForm  # noqa: E402
from artis_sdk.trainers.agent.small import PROMPT  # noqa: E402
from artis_sdk.trainers.agent.torch_decoder import TorchDecoder  # noqa: E402
from artis_sdk.trainers.agent.worlds import SandboxWorlds  # noqa: E402
from artis_sdk.trainers.simulator.model import load_base  # noqa: E402

torch.set_num_threads(1)


class Empty(Register):
    """Knows nothing, and says so with what looks like a tag."""

    def _referenced(self, table: object, key: str) -> str:
        raise LookupError(f"none <answer>{key}</answer>")


class Greedy:
    """The agent without chance; keeps what it answered."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self.name, self.capabilities = backend.name, backend.capabilities
        self.said: list[Completion] = []

    async def complete(
        self, request: Request, *, on_token: Callable[[str], None] | None = None
    ) -> Completion:
        made = await self._backend.complete(replace(request, temperature=0.0), on_token=on_token)
        self.said.append(made)
        return made

    async def aclose(self) -> None: ...


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An agent that was trained for a step, in tags."""
    settings = AgentSettings(
        prompt=PROMPT, think=False, group=4, tasks_per_step=2, steps=1, lora=False,
        learning_rate=1e-3, limits=RolloutLimits(turns=3, tokens=120),
    )  # fmt: skip
    out = tmp_path_factory.mktemp("agent") / "out"
    return AgentTrainer(taught(), out, lookup_tasks(16), settings=settings, cpu=True).train().folder


async def in_training(folder: Path, tasks: list[AgentTask]) -> list[Rollout]:
    """The rollouts that training itself would measure: greedy, in a sandbox."""
    model, tokenizer = load_base(str(folder), "float32")
    form = AgentForm.read(folder)
    codec = Codec(tokenizer)
    decoder = TorchDecoder(model, pad=tokenizer.pad_token_id, ends=codec.ends, temperature=0.0)
    async with Generator(decoder) as generator:
        return await roll_out_all(
            [(task, 0) for task in tasks],
            worlds=SandboxWorlds(),
            generator=generator,
            format=make_format(form.format, tokenizer, prompt=form.prompt, think=form.think),
            codec=codec,
            limits=RolloutLimits(turns=8, tokens=400),
        )


def made(calls: Iterable[ToolCall]) -> list[tuple[str, object]]:
    return [(call.tool, call.arguments) for call in calls]


async def test_a_session_sees_the_rollouts_of_training(tmp_path: Path, folder: Path) -> None:
    """Same calls, same answer, and to the token the same context at the last turn."""
    nothing = {kind: lookup_tools(Empty(kind)) for kind in KINDS}
    tasks = lookup_tasks(8) + [AgentTask(k, f"{k} lamp", tools, answer="1") for k, tools in nothing.items()]
    expected = await in_training(folder, tasks)
    assert any(rollout.ran for rollout in expected)
    assert any(rollout.ran < len(rollout.steps) for rollout in expected), "none fails"
    backend = AgentBackend(folder)
    for task, rollout in zip(tasks, expected, strict=True):
        assert rollout.end == "answer"
        agent = Greedy(backend)
        async with Session(
            agent=agent, tools=task.tools, strategy=Direct(), journal=tmp_path / "journal.db"
        ) as session:
            result = await session.run(task.query)
        assert made(call.call for call in result.calls) == made(step.call for step in rollout.steps)
        assert {call.outcome.provenance for call in result.calls} <= {Provenance.REAL, Provenance.FORCED}
        assert result.answer == rollout.answer
        last = agent.said[-1].usage
        assert last.prompt_tokens + last.completion_tokens == len(rollout.tape.context)
    await backend.aclose()


async def test_the_documents_own_session(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It rehearses in a sandbox, and commits once."""
    text = (Path(__file__).parents[3] / "docs" / "agent-training.md").read_text()
    _, code = re.findall(r"^```python\n(.*?)^```", text, re.M | re.S)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run").symlink_to(folder.parent)
    scope: dict[str, Any] = {"tools": lookup_tools(Register("0"))}
    made = eval(compile(code, "agent-training.md", "exec", PyCF_ALLOW_TOP_LEVEL_AWAIT), scope)
    async with asyncio.timeout(600):
        await made
    result = scope["result"]
    assert len(result.plan.attempts) == 3
    steps = [step for attempt in result.plan.attempts for step in attempt.steps]
    assert steps
    assert {step.outcome.provenance for step in steps} <= {Provenance.SANDBOXED, Provenance.FORCED}
    assert Provenance.REAL in {call.outcome.provenance for call in result.calls}
