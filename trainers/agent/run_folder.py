"""The folder of an agent's training run."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel

from artis_sdk.errors import TrainingError
from artis_sdk.records.calls import FROZEN
from artis_sdk.trainers.agent.advantages import group_advantages
from artis_sdk.trainers.agent.formats import FormatName
from artis_sdk.trainers.agent.plot import plot
from artis_sdk.trainers.agent.rewards import Rewards
from artis_sdk.trainers.agent.rollout import Rollout
from artis_sdk.trainers.card import sha256, versions
from artis_sdk.trainers.whole_folder import whole_folder
from artis_sdk.view.markdown import table

RUN: Final = "run.json"
FORM: Final = "artis_agent.json"
ROLLOUTS: Final = "rollouts.jsonl"
METRICS: Final = "metrics.jsonl"
CURVE: Final = "curve.svg"


class AgentForm(BaseModel):
    """The form of an agent's training, and so of its prompts."""

    model_config = FROZEN

    base: str
    """Path or hub id."""
    lora: bool
    format: FormatName
    prompt: str | None
    think: bool

    @classmethod
    def read(cls, folder: str | Path) -> AgentForm:
        """Read it from an agent's folder.

        Raises:
            TrainingError: the folder holds no agent.
        """
        path = Path(folder) / FORM
        try:
            return cls.model_validate_json(path.read_bytes())
        except FileNotFoundError as error:
            raise TrainingError(f"{folder} holds no agent that artis train agent wrote") from error

    def write(self, folder: Path) -> None:
        """Write it into an agent's folder."""
        (folder / FORM).write_text(self.model_dump_json(indent=2) + "\n", encoding="utf-8")


def begin(out: Path, mine: Mapping[str, Any], *, resume: bool) -> None:
    """Make a run's folder, or check that it holds the same run.

    Raises:
        TrainingError: the folder holds another run, or no run to resume.
    """
    path = out / RUN
    if path.exists():
        if not resume:
            raise TrainingError(f"{out} holds a run already: pass --resume to continue it, or another --out")
        there = json.loads(path.read_bytes())
        changed = sorted(name for name in mine if there.get(name) != mine[name])
        if changed:
            raise TrainingError(
                f"{out} holds a run with another {', '.join(changed)}: a run is resumed with the settings "
                "that it began with"
            )
        return
    if resume:
        raise TrainingError(f"{out} holds no run to resume")
    if out.exists() and any(out.iterdir()):
        raise TrainingError(f"{out} is not empty and holds no run: pass another --out")
    try:
        out.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(mine, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise TrainingError(f"{out} cannot be written: {error.strerror}") from error


class RolloutLog:
    """Every rollout of a run as a line of JSON, for people and programs.

    Args:
        path: the file; lines of an interrupted run from `step` on are dropped.
        step: step from which the run continues.
        rewards, group, scale: the same as in training.
    """

    def __init__(self, path: Path, step: int, *, rewards: Rewards, group: int, scale: bool) -> None:
        self._path = path
        self._rewards = rewards
        self._group = group
        self._scale = scale
        if path.exists():
            *lines, _ = path.read_bytes().split(b"\n")  # without what an interruption cut off
            kept = [line + b"\n" for line in lines if json.loads(line)["step"] < step]
            path.write_bytes(b"".join(kept))

    def add(
        self, step: int, rollouts: Sequence[Rollout], scores: Sequence[Mapping[str, float | None]]
    ) -> None:
        """Write the rollouts of a step, group by group."""
        totals = [self._rewards.total(score) for score in scores]
        advantages = group_advantages(totals, self._group, scale=self._scale)
        with self._path.open("a", encoding="utf-8") as file:
            for rollout, score, total, advantage in zip(rollouts, scores, totals, advantages, strict=True):
                line = {
                    "step": step,
                    "task": rollout.task.id,
                    "reward": total,
                    "advantage": advantage,
                    "rewards": score,
                    "end": rollout.end,
                    "answer": rollout.answer,
                    "turns": [turn.text for turn in rollout.turns],
                    "calls": [
                        {"tool": s.call.tool, "arguments": s.call.arguments, "outcome": s.outcome.type}
                        for s in rollout.steps
                    ],
                    "generated": rollout.tape.written,
                    "tokens": len(rollout.tape.ids),
                    "seconds": round(rollout.seconds, 3),
                    "error": rollout.error,
                }
                file.write(json.dumps(line, ensure_ascii=False) + "\n")


def write_agent(out: Path, trainer: Any, form: AgentForm, card: Mapping[str, Any]) -> Path:
    """Write the trained agent with its form and card, all of it or nothing.

    Raises:
        TrainingError: the agent cannot be written.
    """
    agent = out / "agent"
    with whole_folder(agent) as partial:
        trainer.accelerator.unwrap_model(trainer.model).save_pretrained(str(partial))
        trainer.processing_class.save_pretrained(str(partial))
        form.write(partial)
        files = {path.name: sha256([path]) for path in sorted(partial.iterdir()) if path.is_file()}
        whole = {
            "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            **card,
            "files": files,
            "versions": versions(),
        }
        (partial / "card.json").write_text(json.dumps(whole, indent=2) + "\n", encoding="utf-8")
        (partial / "README.md").write_text(markdown(whole), encoding="utf-8")
    return agent


def write_metrics(out: Path, history: Sequence[Mapping[str, Any]]) -> None:
    """The measures by step, and their curves."""
    lines = [json.dumps(entry) for entry in history]
    (out / METRICS).write_text("\n".join([*lines, ""]), encoding="utf-8")
    said = f"{out.name}, {time.strftime('%Y-%m-%d', time.gmtime())}, artis train agent"
    (out / CURVE).write_text(plot({out.name: history}, said), encoding="utf-8")


def markdown(card: Mapping[str, Any]) -> str:
    """The card for a reader."""
    held_out = card["held_out"]
    lines = [
        f"# Agent trained with tools in the rollout: {card['base']['name']}",
        "",
        "GRPO on rollouts of thoughts, tool calls, their outputs and answers. `AgentBackend(folder)` prompts "
        "it in the form it was trained in.",
        "",
        f"## Held-out tasks ({held_out['tasks']}), greedily, in the world `{held_out['world']}`",
        "",
    ]
    before, after = held_out["before"], held_out["after"]
    measures = [
        (name.replace("_", " "), f"{before.get(name, float('nan')):.4g}", f"{value:.4g}")
        for name, value in after.items()
    ]
    lines.append(table(("", "before", "after"), measures))
    if held_out["gap"] is not None:
        lines += [
            "",
            f"Success in the world it was trained in (`{held_out['training_world']}`) less success here: "
            f"{held_out['gap']:+.4g}.",
        ]
    lines += ["", "## Training", ""]
    lines += [f"- {name.replace('_', ' ')}: {value}" for name, value in card["training"].items()]
    lines += ["", "Made with " + ", ".join(f"{k} {v}" for k, v in card["versions"].items()) + "."]
    return "\n".join(lines) + "\n"
