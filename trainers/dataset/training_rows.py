"""Training rows (equation 7): the prompt that `LLMSimulator` sends for a logged call, and its answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from artis_sdk.errors import TrainingError
from artis_sdk.prompts import Prompts, encode
from artis_sdk.records import CallRecord, History, Message, Provenance, State, ToolCall
from artis_sdk.records.outcome_type import outcome_type
from artis_sdk.simulators.answers import typed_answer
from artis_sdk.simulators.cut import Cut
from artis_sdk.simulators.form import Prompter, PromptForm

TRAINABLE: Final = frozenset({Provenance.REAL, Provenance.SANDBOXED})
"""Provenances of real code: production, and the sandbox, which is marked."""

_KNOWN: Final = TRAINABLE | {Provenance.FORCED}

FORM: Final = PromptForm(documents="called", one_call=True, typed=True)
"""A log has the called tool, but not the agent's other tools: a trained simulator sees the document of the
called tool, one call per request."""


Thoughts = Callable[[ToolCall, State, History], str]
"""Function that writes a simulator's thought before a call's outcome, from the call, the initial state and
the steps since, without the outcome."""


class TrainingRow(NamedTuple):
    """One training example."""

    id: str
    """Id of the record."""
    tool: str
    type: str
    """See `outcome_type`: `success`, or the failure type."""
    messages: tuple[Message, ...]
    answer: str
    """The expected text of the model: a typed answer of one entry."""
    cut: Cut | None = None
    """Record of the cuts in the prompt, if the form cuts."""


class RowMaker:
    """Turns records into rows.

    Args:
        form: form of the prompts; `documents`, `one_call` and `typed` are as in `FORM`.
        prompts: templates that replace ours.
        thoughts: function that writes the thought before the outcome, for a form with thoughts.

    Raises:
        TrainingError: the form cannot be trained from a log.
    """

    def __init__(
        self, form: PromptForm = FORM, prompts: Prompts | None = None, thoughts: Thoughts | None = None
    ) -> None:
        if form.thought != (thoughts is not None):
            raise TrainingError("a log holds no thoughts: a form with thoughts needs a function for them")
        if (form.documents, form.one_call, form.typed) != (FORM.documents, FORM.one_call, FORM.typed):
            raise TrainingError("rows show the called tool's documents, one call each, with a typed answer")
        if form.modes or form.source:
            raise TrainingError(
                "a log holds no source: a form with modes or source is for untrained simulators"
            )
        self.form = form
        self.prompts = prompts or Prompts()
        self._thoughts = thoughts
        self._prompters: dict[str, Prompter] = {}

    def row(self, record: CallRecord) -> TrainingRow:
        """The row of one record.

        Raises:
            TrainingError: its outcome, or one in its history, does not come from real code.
        """
        check(record)
        document = encode([record.spec.document()])
        prompter = self._prompters.get(document)
        if prompter is None:
            prompter = Prompter(self.prompts, {record.call.tool: record.spec}, self.form, typed=True)
            self._prompters[document] = prompter
        history = reached(record.history)
        prompt = prompter.prompt([record.call], record.state, history)
        kind = outcome_type(record.outcome, record.call)
        thought = None if self._thoughts is None else self._thoughts(record.call, record.state, history)
        answer = typed_answer([record.outcome], thought)
        return TrainingRow(record.id, record.call.tool, kind, prompt.messages, answer, prompt.cut)


def check(record: CallRecord) -> None:
    """Refuse a record that may not train.

    Raises:
        TrainingError: its outcome, or one in its history, does not come from real code.
    """
    if record.outcome.provenance not in TRAINABLE:
        kind = record.outcome.provenance.value
        raise TrainingError(f"record {record.id} ({record.call.tool}): a {kind} outcome never trains")
    for step in record.history:
        if step.outcome.provenance not in _KNOWN:
            raise TrainingError(
                f"record {record.id} ({record.call.tool}): its history holds a "
                f"{step.outcome.provenance.value} outcome, which never trains"
            )


def reached(history: History) -> History:
    """The steps that reached a world. Calls refused by the SDK itself changed nothing, and are not in a
    simulator's history."""
    return tuple(step for step in history if step.outcome.provenance is not Provenance.FORCED)
