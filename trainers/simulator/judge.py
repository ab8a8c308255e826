"""Scores of a model in training on held-out calls, such as failure recall, by generation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from artis_sdk.evals.fidelity.records import Prediction
from artis_sdk.logs.codec import loads, read_outcome
from artis_sdk.records import Outcome, ToolCall
from artis_sdk.records.outcome_type import outcome_type
from artis_sdk.simulators.answers import UnreadableAnswer, typed_entries, typed_outcome
from artis_sdk.trainers.simulator.exam import Stratum, draw_exam, strata
from artis_sdk.trainers.simulator.model import ChatEncoder


class Judged(NamedTuple):
    """Counts over held-out rows; those of several processes add up."""

    rows: int = 0
    failures: int = 0
    """Number of rows whose real outcome is a failure."""
    recalled: int = 0
    """Number of these predicted as a failure of the same type."""
    predicted: int = 0
    """Number of rows predicted to fail."""
    precise: int = 0
    """Number of these that fail with the predicted type."""
    exact: int = 0
    """Number of rows predicted with the real type and content."""
    exact_failures: int = 0
    unreadable: int = 0
    """Number of unreadable answers: wrong, and no prediction of any type."""

    def plus(self, one: Prediction) -> Judged:
        """The counts with one more row."""
        return Judged(
            self.rows + 1,
            self.failures + one.fails,
            self.recalled + (one.fails and one.right_type),
            self.predicted + one.predicted_failure,
            self.precise + (one.predicted_failure and one.right_type),
            self.exact + one.exact,
            self.exact_failures + (one.exact and one.fails),
            self.unreadable + (one.predicted is None),
        )

    def metrics(self) -> dict[str, float]:
        """Shares, 0 to 1; a share of nothing is left out."""
        shares = {
            "failure_recall": (self.recalled, self.failures),
            "failure_precision": (self.precise, self.predicted),
            "exact_match": (self.exact, self.rows),
            "exact_match_failures": (self.exact_failures, self.failures),
            "exact_match_successes": (self.exact - self.exact_failures, self.rows - self.failures),
            "unreadable": (self.unreadable, self.rows),
        }
        return {name: part / whole for name, (part, whole) in shares.items() if whole}


@dataclass(frozen=True, slots=True)
class ValidationCase:
    """A held-out row, ready for a model."""

    prompt: list[int]
    """Token ids of the prompt."""
    call: ToolCall
    real: Outcome
    type: str
    """Type of the real outcome."""

    @property
    def stratum(self) -> Stratum:
        """The stratum of the row."""
        return Stratum(self.call.tool, self.type)

    def marked(self, text: str) -> Prediction:
        """A model's prediction beside the real outcome."""
        predicted = read(text)
        return Prediction(
            id="",
            session="",
            call=self.call,
            real=self.real,
            real_type=self.type,
            predicted=predicted,
            predicted_type=None if predicted is None else outcome_type(predicted, self.call),
        )


def validation_cases(rows: Any, limit: int, *, seed: int) -> list[ValidationCase]:
    """Rows for a model, drawn by `exam.draw_exam`.

    Args:
        rows: data set of a split's tokens.
        limit: maximum number of rows.
        seed: seed of the draw.
    """
    return [_case(rows[n]) for n in draw_exam(strata(rows), limit, seed=seed)]


def _case(row: dict[str, Any]) -> ValidationCase:
    prompt = row["input_ids"][: row["labels"].count(-100)]
    call = ToolCall.model_validate(loads(row["call"]))
    return ValidationCase(prompt, call, read_outcome(row["outcome"]), row["type"])


def judge(
    model: Any,
    encoder: ChatEncoder,
    tokenizer: Any,
    asked: Sequence[ValidationCase],
    *,
    max_new_tokens: int,
    batch: int,
    on_answered: Callable[[int, int], None],
) -> Judged:
    """Let a model answer rows greedily, and count its right answers.

    Args:
        model: model of transformers, on its device.
        encoder, tokenizer: encoder and tokenizer of its base.
        asked: the rows.
        max_new_tokens: maximum tokens of an answer; a longer one is unreadable.
        batch: rows per forward pass.
        on_answered: callback for the rows answered so far, and all.
    """
    judged = Judged()
    order = sorted(range(len(asked)), key=lambda n: len(asked[n].prompt))
    on_answered(0, len(order))
    for start in range(0, len(order), batch):
        group = [asked[n] for n in order[start : start + batch]]
        texts = generate(model, encoder, tokenizer, [e.prompt for e in group], max_new_tokens=max_new_tokens)
        for case, text in zip(group, texts, strict=True):
            judged = judged.plus(case.marked(text))
        on_answered(judged.rows, len(order))
    return judged


def generate(
    model: Any, encoder: ChatEncoder, tokenizer: Any, prompts: Sequence[list[int]], *, max_new_tokens: int
) -> list[str]:
    """Greedy answers to some prompts, padded on the left."""
    import torch

    width = max(map(len, prompts))
    pad = tokenizer.pad_token_id
    ids = torch.tensor([[pad] * (width - len(prompt)) + prompt for prompt in prompts], device=model.device)
    mask = torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in prompts], device=model.device)
    ends = [tokenizer.eos_token_id, *encoder.token_ids([encoder.answer("")])[0][:1]]
    training = model.training
    model.eval()
    with torch.no_grad():
        made = model.generate(
            input_ids=ids,
            attention_mask=mask,
            max_new_tokens=max_new_tokens,
            do_sample=False,
            pad_token_id=pad,
            eos_token_id=sorted({end for end in ends if end is not None}),
        )
    model.train(training)
    return [encoder.text(row[width:].tolist()) for row in made]


def read(text: str) -> Outcome | None:
    """An answer as an outcome; None if it is unreadable."""
    try:
        (entry,) = typed_entries(text, 1)
        return typed_outcome(entry, None, text)
    except UnreadableAnswer:
        return None
