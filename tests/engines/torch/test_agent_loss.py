"""One step's gradient through TRL against GRPO's formula, written out by hand, with masks and without."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.engine
torch: Any = pytest.importorskip("torch")

from helpers.agent import PROMPT, a_task  # noqa: E402
from helpers.tiny_model import Shape, hf_model  # noqa: E402

from artis_sdk.trainers.agent.advantages import group_advantages  # noqa: E402
from artis_sdk.trainers.agent.formats import make_format  # noqa: E402
from artis_sdk.trainers.agent.rewards import Rewards  # noqa: E402
from artis_sdk.trainers.agent.rollout import AgentTask, Rollout, RolloutLimits  # noqa: E402
from artis_sdk.trainers.agent.scoring import divided  # noqa: E402
from artis_sdk.trainers.agent.settings import AgentSettings  # noqa: E402
from artis_sdk.trainers.agent.tape import Tape  # noqa: E402
from artis_sdk.trainers.agent.turns import read_tags  # noqa: E402
from artis_sdk.trainers.agent.worlds import SandboxWorlds  # noqa: E402
from artis_sdk.trainers.simulator.model import load_base  # noqa: E402
from artis_sdk.trainers.tree_attention import choose_form  # noqa: E402

torch.set_num_threads(1)
SMALL = Shape(hidden=32, intermediate=64, layers=1, heads=2, kv_heads=1, head_dim=16, std=0.05)
PROMPT_IDS = (11, 12, 13)
# Ids and masks of a group of four; rewards 2, 0, 1, 1.
GROUP = (
    ([20, 21, 22, 23, 24, 25], [1, 1, 0, 0, 1, 1], "yes"),
    ([30, 31, 32], [1, 0, 1], "no"),
    ([40, 41, 42, 43], [1, 1, 1, 1], "half"),
    ([50, 51, 52, 53, 54], [1, 0, 0, 0, 1], "half"),
)
WORTH = {"yes": 1.0, "no": 0.0, "half": 0.5}


def worth(rollout: Rollout) -> float:
    return WORTH[rollout.answer or ""]


def tapes() -> list[Rollout]:
    made = []
    for ids, mask, said in GROUP:
        tape = Tape(PROMPT_IDS)
        for id, one in zip(ids, mask, strict=True):
            if one:
                tape.generated([id], [-1.0])
            else:
                tape.given([id])
        rollout = Rollout(a_task("go", check=worth), tape, [read_tags(f"<answer>{said}</answer>", {})])
        rollout.end, rollout.required = "answer", frozenset({"answer"})
        made.append(rollout)
    return made


def trainer(folder: Path, runner: asyncio.Runner, **more: Any) -> Any:
    from datasets import Dataset

    from artis_sdk.trainers.agent.grpo import AgentGRPO, grpo_arguments

    given = {"group": 4, "tasks_per_step": 1, "steps": 1, "lora": False, **more}
    settings = AgentSettings(limits=RolloutLimits(tokens=64), temperature=0.7, **given)
    rewards = Rewards({"answer": 2.0})
    model, tokenizer = load_base(str(hf_model(SMALL)), "float32")
    form = make_format("tags", tokenizer, prompt=PROMPT, think=False)

    class Fixed(AgentGRPO):
        """Its rollouts are given."""

        def roll_out(
            self, tasks: Sequence[tuple[AgentTask, int]], worlds: Any, *, temperature: float
        ) -> list[Rollout]:
            return tapes()

    task = a_task("go", check=worth)
    return Fixed(
        model=model,
        tokenizer=tokenizer,
        tasks={task.id: task},
        data=Dataset.from_dict({"prompt": [task.id]}),
        form=choose_form(model),
        format=form,
        codec=form.codec,
        worlds=SandboxWorlds(),
        rewards=rewards,
        settings=settings,
        args=grpo_arguments(folder, settings, rewards, processes=1, checkpointing=False, cpu=True),
        runner=runner,
        on_rollouts=lambda *told: None,
    )


def reference(model: Any, settings: AgentSettings, before: Any) -> Any:
    """The paper's objective (section 2.2) at the model that sampled, in double precision, token by token.

    -1/G sum_i 1/|o_i| sum_t [ ratio_t A_i - beta KL_t ], over the tokens that the model generated, where the
    ratio to the sampling model is one in value and not in gradient, and
    KL_t = exp(ref - log p) - (ref - log p) - 1.
    """
    double, ref = model.double(), before.double()
    advantages = group_advantages([2.0 * WORTH[said] for _, _, said in GROUP], 4)
    total = torch.zeros((), dtype=torch.float64)
    for (ids, mask, _), advantage in zip(GROUP, advantages, strict=True):
        whole = torch.tensor([[*PROMPT_IDS, *ids]])
        logits = double(input_ids=whole).logits[0] / settings.temperature
        with torch.no_grad():
            old = ref(input_ids=whole).logits[0] / settings.temperature
        counted = mask if settings.mask_outputs else [1] * len(ids)
        rollout = torch.zeros((), dtype=torch.float64)
        for t, (id, one) in enumerate(zip(ids, counted, strict=True)):
            place = len(PROMPT_IDS) + t - 1
            logp = logits[place, id] - torch.logsumexp(logits[place], 0)
            was = old[place, id] - torch.logsumexp(old[place], 0)
            kl = torch.exp(was - logp) - (was - logp) - 1
            rollout = rollout + one * (torch.exp(logp - logp.detach()) * advantage - settings.kl * kl)
        total = total - rollout / sum(counted)
    return total / len(GROUP)


def gradients(made: Any) -> tuple[float, dict[str, Any]]:
    """Loss and gradients of a step, as the trainer computes them."""
    made.model.zero_grad()
    made.current_gradient_accumulation_steps = 1
    loss = made.training_step(made.model, [{"prompt": "go"} for _ in range(4)])
    return loss.item(), {name: p.grad.clone() for name, p in made.model.named_parameters()}


@pytest.mark.parametrize(
    ("mask_outputs", "kl", "tokens"),
    [(True, 0.0, 4096), (True, 0.1, 11), (False, 0.0, 11), (False, 0.1, 4096)],
)
def test_the_gradient_is_that_of_the_formula(
    tmp_path: Path, mask_outputs: bool, kl: float, tokens: int
) -> None:
    settings = AgentSettings(mask_outputs=mask_outputs, kl=kl, temperature=0.7)
    with asyncio.Runner() as runner:
        made = trainer(tmp_path, runner, mask_outputs=mask_outputs, kl=kl, tokens_per_pass=tokens)
        with torch.no_grad():  # away from the model that training began with, so that the KL has a gradient
            generator = torch.Generator().manual_seed(1)
            for weights in made.model.parameters():
                weights.add_(torch.randn(weights.shape, generator=generator) * 0.02)
        loss, found = gradients(made)
        assert len(made._metrics["train"]["entropy"]) == (1 if tokens == 4096 else 3)  # passes
    made.model.zero_grad()
    before, _ = load_base(str(hf_model(SMALL)), "float32")
    expected = reference(made.model, settings, before)
    expected.backward()
    assert loss == pytest.approx(expected.item(), abs=1e-5)
    norm = 0.0
    for name, weights in made.model.named_parameters():
        assert torch.allclose(found[name].double(), weights.grad, rtol=1e-3, atol=1e-6), name
        norm += float(weights.grad.norm()) ** 2
    assert math.sqrt(norm) > 1e-2


def test_masks_change_the_gradient(tmp_path: Path) -> None:
    """Or the test above could not tell them apart."""
    model, _ = load_base(str(hf_model(SMALL)), "float32")
    losses = [
        reference(model, AgentSettings(mask_outputs=on, temperature=0.7), model) for on in (True, False)
    ]
    gradients = [torch.autograd.grad(loss, list(model.parameters()), retain_graph=True) for loss in losses]
    apart = sum(float((a - b).norm()) ** 2 for a, b in zip(*gradients, strict=True))
    assert math.sqrt(apart) > 1e-2


def test_trl_comes_to_our_advantages_and_takes_our_ids(tmp_path: Path) -> None:
    with asyncio.Runner() as runner:
        made = trainer(tmp_path, runner)
        made.model.train()
        batch = made._generate_and_score_completions([{"prompt": "go"} for _ in range(4)])
    ours = group_advantages([2.0 * WORTH[said] for _, _, said in GROUP], 4)
    assert batch["advantages"].tolist() == pytest.approx(ours, abs=1e-5)
    for row, (ids, mask, _) in enumerate(GROUP):
        real = batch["completion_mask"][row].bool()
        assert batch["completion_ids"][row][real].tolist() == ids
        assert batch["tool_mask"][row][real].tolist() == mask
        assert batch["prompt_ids"][row].tolist() == list(PROMPT_IDS)
    logged = made._metrics["train"]
    assert logged["rewards/answer/mean"] == [pytest.approx(0.5)]
    assert logged["response_length"] == [pytest.approx(sum(sum(mask) for _, mask, _ in GROUP) / 4)]


def test_rollouts_that_share_prompts_score_as_in_trl(tmp_path: Path) -> None:
    """Two prompts of other lengths, three completions each: log-probabilities, entropies and gradients."""
    from trl import GRPOTrainer

    generator = torch.Generator().manual_seed(0)
    prompts = [torch.randint(5, 400, (size,), generator=generator).tolist() for size in (9, 5)]
    completions = [
        torch.randint(5, 400, (size,), generator=generator).tolist() for size in (3, 6, 1, 4, 5, 6)
    ]
    ids, mask = torch.zeros(2, 6, 15, dtype=torch.long)
    for n, completion in enumerate(completions):
        prompt = prompts[n % 2]
        ids[n, 9 - len(prompt) : 9 + len(completion)] = torch.tensor(prompt + completion)
        mask[n, 9 - len(prompt) : 9 + len(completion)] = 1
    with asyncio.Runner() as runner:
        made = trainer(tmp_path, runner)
    weights = list(made.model.parameters())
    found = []
    for score in (
        made._get_per_token_logps_and_entropies,
        partial(GRPOTrainer._get_per_token_logps_and_entropies, made),
    ):
        for size, tokens in ((None, 4096), (4, 20)):  # ours go by the tokens
            made._settings = AgentSettings(tokens_per_pass=tokens)
            log_probs, entropies, _ = score(made.model, ids, mask, 6, size, True)
            gradients = torch.autograd.grad((log_probs * mask[:, 9:]).sum(), weights)
            found.append((log_probs * mask[:, 9:], entropies * mask[:, 9:], gradients))
    for log_probs, entropies, gradients in found[:3]:
        assert torch.allclose(log_probs, found[3][0], atol=1e-5)
        assert torch.allclose(entropies, found[3][1], atol=1e-5)
        for one, other in zip(gradients, found[3][2], strict=True):
            assert torch.allclose(one, other, rtol=1e-3, atol=1e-5)
    assert float(sum(one.norm() for one in found[0][2])) > 1.0


@pytest.mark.parametrize("loss", ["bnpo", "dr_grpo", "dapo"])
def test_passes_of_few_tokens_have_the_gradient_of_one(tmp_path: Path, loss: str) -> None:
    found = []
    with asyncio.Runner() as runner:
        for tokens in (4096, 1):
            made = trainer(tmp_path / str(tokens), runner, loss=loss, tokens_per_pass=tokens)
            found.append(gradients(made))
    assert found[1][0] == pytest.approx(found[0][0], abs=1e-6)
    for name, gradient in found[0][1].items():
        assert torch.allclose(found[1][1][name], gradient, rtol=1e-3, atol=1e-6), name
    assert max(float(gradient.norm()) for gradient in found[0][1].values()) > 1e-3


def test_parts_are_divided_until_there_are_enough() -> None:
    assert divided([[3, 1, 2], [0]], 2) == [[3, 1, 2], [0]]
    assert divided([[3, 1, 2], [0]], 4) == [[3], [1], [2], [0]]
