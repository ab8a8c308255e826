"""Rows as token ids in Arrow files, which training maps into memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Final

from artis_sdk.errors import TrainingError
from artis_sdk.logs.codec import dumps, outcome_fields
from artis_sdk.prompts import Prompts, call_view, encode, encode_step
from artis_sdk.records import CallRecord
from artis_sdk.simulators.form import PromptForm
from artis_sdk.simulators.look_up import LookUp
from artis_sdk.trainers.dataset.training_rows import FORM, RowMaker, Thoughts, reached
from artis_sdk.trainers.simulator.model import ChatEncoder
from artis_sdk.trainers.simulator.settings import SFTSettings

_MARGIN: Final = 0.97  # of the tokens, so that rows denser than the sample's densest fit too
_BATCH: Final = 500  # rows of one Arrow batch, and of one call of the tokenizer


def form_for(
    records: Iterable[CallRecord],
    encoder: ChatEncoder,
    settings: SFTSettings,
    prompts: Prompts | None,
    thoughts: Thoughts | None = None,
) -> PromptForm:
    """The form whose prompts fit `max_length`.

    Its limit is in characters, so that a simulator cuts in the same way behind any engine: the characters
    that surely fit beside an answer, by the densest of some rows. A row whose answer takes more than half
    of `max_length` does not count; `write_tokens` leaves it out if it does not fit.

    Args:
        records: some of the training records.
        encoder: encoder of the base.
        settings: settings of the run.
        prompts: templates that replace ours.
        thoughts: function that writes the thought before each outcome.

    Raises:
        TrainingError: not even a prompt without data fits.
    """
    shown = settings.model_dump(include={"focus", "look_up", "max_characters"})
    form = FORM.model_copy(update={**shown, "thought": thoughts is not None})
    if settings.max_characters is not None:
        return form
    maker = RowMaker(form, prompts, thoughts)
    documented = (prompts or Prompts()).shows("simulator_user", "tool_documents")
    density, frame, answers = 0.0, 0, 0
    for record in records:
        row = maker.row(record)
        text = encoder.prompt(row.messages)
        prompt, answer = encoder.token_ids([text, encoder.answer(row.answer)])
        density = max(density, len(prompt) / len(text))
        frame = max(frame, len(text) - _data(record, row.cut, form, documented=documented))
        if len(answer) <= settings.max_length // 2:  # a longer one may not take the room of all prompts
            answers = max(answers, len(answer))
    room = int(_MARGIN * (settings.max_length - answers) / density) - frame
    if room <= 0:
        raise TrainingError(
            f"{settings.max_length} tokens do not hold a prompt and its answer ({answers} tokens): raise "
            "--max-length"
        )
    return form.model_copy(update={"max_characters": room})


def _data(record: CallRecord, left: Any, form: PromptForm, *, documented: bool) -> int:
    """Number of characters of a prompt's data."""
    state = record.state if left is None else left.state
    history = reached(record.history) if left is None else left.history
    shown = [encode(state), encode([call_view(record.call)])]
    if documented:
        shown.append(encode([record.spec.document()]))
    if form.looks_up:
        shown += map(encode, LookUp(record.state).of([record.call]))
    return sum(map(len, shown)) + sum(len(encode_step(step)) + 1 for step in history)


@dataclass
class Sizes:
    """Sizes of a split's rows."""

    rows: int = 0
    cut: int = 0
    """Number of rows whose state or history was cut."""
    lost: int = 0
    """Number of these without room for data that the action names."""
    too_long: Counter[str] = field(default_factory=Counter)
    """By tool, number of rows left out, still longer than `max_length` tokens."""
    tokens: int = 0
    longest: int = 0
    answer_tokens: int = 0
    """Tokens of the longest answer."""
    seen: int = 0
    """Number of held-out rows with the prompt of a training row: their difference was cut."""
    prompts: set[int] = field(default_factory=set, repr=False)

    def report(self) -> dict[str, Any]:
        return {
            "rows": self.rows,
            "cut": self.cut,
            "lost": self.lost,
            "too_long": dict(self.too_long),
            "same_prompt_in_train": self.seen,
            "mean_tokens": round(self.tokens / self.rows, 1) if self.rows else 0.0,
            "longest": self.longest,
            "longest_answer": self.answer_tokens,
        }


def write_tokens(
    records: Iterable[CallRecord],
    draws: Iterable[list[int]],
    target: Path,
    *,
    encoder: ChatEncoder,
    maker: RowMaker,
    max_length: int,
    known: frozenset[int] = frozenset(),
) -> Sizes:
    """Write `input_ids`, `labels` (-100 on the prompt), `draws`, and what a judge needs of each row.

    Args:
        records: records of the split.
        draws: number of draws of each record in each epoch.
        target: the Arrow file.
        encoder, maker: encoder of the base, and maker of the rows.
        max_length: maximum tokens; longer rows are left out and counted.
        known: digests of the training prompts, for a held-out split.
    """
    import pyarrow

    ids = pyarrow.list_(pyarrow.int32())
    text = pyarrow.string()
    schema = pyarrow.schema(
        [
            ("input_ids", ids),
            ("labels", ids),
            ("draws", ids),
            ("type", text),
            ("call", text),
            ("outcome", text),
        ]
    )
    sizes = Sizes()
    pairs = zip(records, draws, strict=True)
    with pyarrow.OSFile(str(target), "wb") as file, pyarrow.ipc.new_stream(file, schema) as writer:
        while batch := list(islice(pairs, _BATCH)):
            rows = list(_rows(batch, sizes, encoder, maker, max_length, known))
            writer.write_batch(pyarrow.RecordBatch.from_pylist(rows, schema=schema))
    return sizes


def _rows(
    pairs: Sequence[tuple[CallRecord, list[int]]],
    sizes: Sizes,
    encoder: ChatEncoder,
    maker: RowMaker,
    max_length: int,
    known: frozenset[int],
) -> Iterator[dict[str, Any]]:
    made = [maker.row(record) for record, _ in pairs]
    prompts = [encoder.prompt(row.messages) for row in made]
    ids = encoder.token_ids([*prompts, *(encoder.answer(row.answer) for row in made)])
    tokens = zip(prompts, ids[: len(made)], ids[len(made) :], strict=True)
    for (record, drawn), row, (shown, prompt, answer) in zip(pairs, made, tokens, strict=True):
        if len(prompt) + len(answer) > max_length:
            sizes.too_long[row.tool] += 1
            continue
        digest = hash(shown)
        sizes.prompts.add(digest)
        sizes.rows += 1
        sizes.seen += digest in known
        sizes.cut += row.cut is not None and (row.cut.entries > 0 or row.cut.steps > 0)
        sizes.lost += row.cut is not None and row.cut.lost > 0
        sizes.tokens += len(prompt) + len(answer)
        sizes.longest = max(sizes.longest, len(prompt) + len(answer))
        sizes.answer_tokens = max(sizes.answer_tokens, len(answer))
        yield {
            "input_ids": prompt + answer,
            "labels": [-100] * len(prompt) + answer,
            "draws": drawn,
            "type": row.type,
            "call": dumps(record.call.model_dump()),
            "outcome": dumps(outcome_fields(record.outcome)),
        }
