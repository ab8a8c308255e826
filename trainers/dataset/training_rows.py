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
"""Outcomes of real code: what production gave back, and what it gave in the sandbox, marked so."""

_KNOWN: Final = TRAINABLE | {Provenance.FORCED}

FORM: Final = PromptForm(documents="called", one_call=True, typed=True)
"""A log knows the tool that was called, not which others the agent had: a trained simulator is shown
the documents of the tool that it stands for, one call at a time."""


Thoughts = Callable[[ToolCall, State, History], str]
"""What a simulator is to think before it says a call's outcome, which the function is not given: from the
call, the initial state, and the steps since."""


class TrainingRow(NamedTuple):
    """One training example."""

    id: str
    """Of the record."""
    tool: str
    type: str
    """See `outcome_type`: `success`, or the failure type."""
    messages: tuple[Message, ...]
    answer: str
    """What the model is to say: a typed answer of one entry."""
    cut: Cut | None = None
    """What was cut from the prompt, if the form cuts."""


class RowMaker:
    """Turns records into rows.

    Args:
        form: what prompts show; `documents`, `one_call` and `typed` are as in `FORM`.
        prompts: templates to use instead of ours.
        thoughts: what an answer is to say before the outcome, for a form with thoughts.

    Raises:
        TrainingError: the form cannot be trained from a log.
    """

    def __init__(
        self, form: PromptForm = FORM, prompts: Prompts | None = None, thoughts: Thoughts | None = None
    ) -> None:
        if form.thought != (thoughts is not None):
            raise TrainingError("a log holds no thoughts: a form with thoughts goes with a function for them")
        if (form.documents, form.one_call, form.typed) != (FORM.documents, FORM.one_call, FORM.typed):
            raise TrainingError("rows show the called tool's documents, one call each, with a typed answer")
        self.form = form
        self.prompts = prompts or Prompts()
        self._thoughts = thoughts
        self._prompters: dict[str, Prompter] = {}

    def row(self, record: CallRecord) -> TrainingRow:
        """The row of one record.

        Raises:
            TrainingError: its outcome, or one in its history, is no outcome of real code.
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
        TrainingError: its outcome, or one in its history, is no outcome of real code.
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
    """The steps that reached a world. What the SDK itself refused changed nothing, and a simulator's
    history does not hold it."""
    return tuple(step for step in history if step.outcome.provenance is not Provenance.FORCED)
