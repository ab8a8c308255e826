"""Rows of tokens as a tree in one packed row, in which a prefix that rows share stands once.

Rows are sorted, so that each has its longest shared prefix with its neighbour. Only the tokens after it are
added to the packed row; the row's path leads through the tokens of earlier rows to its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy
from numpy.typing import NDArray

Ints = NDArray[numpy.int64]

IGNORED = -100
"""Label of a token that is not in the loss."""

Form = Literal["tree", "packed", "alone"]
"""How rows are computed together: `tree` shares their prefixes (`tree_attention`), `packed` puts whole rows
one after the other, which flash attention tells apart by their positions, `alone` is one row a pass."""


class TokenRow(NamedTuple):
    """A row of tokens."""

    ids: Ints
    """Token ids, (tokens,)."""
    labels: Ints
    """The same ids where a token is in the loss, and `IGNORED` elsewhere, (tokens,)."""

    @property
    def predicted(self) -> Ints:
        """Places of the tokens before those in the loss."""
        return numpy.flatnonzero(self.labels[1:] != IGNORED)


@dataclass(frozen=True, eq=False, slots=True)
class Pass:
    """Rows that one forward pass computes, as one packed row."""

    ids: Ints
    """Token ids, (packed,)."""
    positions: Ints
    """Position of each token in its row, (packed,)."""
    sizes: list[int]
    """Number of own tokens of each row that has any, in packed order."""
    paths: list[Ints]
    """Packed indices of all tokens of each such row."""
    heads: Ints
    """Packed index of the token that predicts each label, (labels,), row by row."""
    labels: Ints
    """Token ids to predict, (labels,)."""
    form: Form


def in_order(rows: Sequence[TokenRow]) -> list[int]:
    """Numbers of rows sorted by their tokens, so that those with a long shared prefix are neighbours."""
    return sorted(range(len(rows)), key=lambda n: rows[n].ids.astype(">u4").tobytes())


def shared_tokens(rows: Sequence[TokenRow], n: int, form: Form) -> int:
    """Number of tokens that row `n` does not add to a pass, as they stand in the row before it.

    The token that predicts its first label is always its own, so that each packed token predicts at most one.
    """
    if n == 0 or form != "tree":
        return 0
    before, row = rows[n - 1].ids, rows[n].ids
    most = min(len(before), *rows[n].predicted[:1], len(row))
    apart = numpy.flatnonzero(before[:most] != row[:most])
    return int(apart[0]) if len(apart) else int(most)


def costs(rows: Sequence[TokenRow], form: Form) -> list[tuple[int, int]]:
    """Tokens that each row adds to a pass: as the first of it, and after its predecessor in `rows`."""
    return [(len(row.ids), len(row.ids) - shared_tokens(rows, n, form)) for n, row in enumerate(rows)]


def runs(costs: Sequence[tuple[int, int]], most: int) -> list[slice]:
    """Consecutive rows in runs of at most `most` tokens; a longer row is a run of its own."""
    found, begin, tokens = list[slice](), 0, 0
    for n, (first, after) in enumerate(costs):
        if n > begin and tokens + after > most:
            found.append(slice(begin, n))
            begin, tokens = n, 0
        tokens += first if n == begin else after
    if costs:
        found.append(slice(begin, len(costs)))
    return found


def even_shares(costs: Sequence[tuple[int, int]], number: int) -> list[slice]:
    """Consecutive rows in `number` shares, the largest of which has as few tokens as possible; the last
    shares are empty where there are too few rows."""
    low, high = max((first for first, _ in costs), default=0), sum(first for first, _ in costs)
    while low < high:
        middle = (low + high) // 2
        if len(runs(costs, middle)) <= number:
            high = middle
        else:
            low = middle + 1
    found = runs(costs, low)
    return found + [slice(len(costs), len(costs))] * (number - len(found))


def packed(rows: Sequence[TokenRow], form: Form) -> Pass:
    """The pass of some rows, which are in order."""
    ids, positions, heads, labels = list[Ints](), list[Ints](), list[Ints](), list[Ints]()
    sizes, paths = list[int](), list[Ints]()
    path, total = numpy.empty(0, numpy.int64), 0
    for n, row in enumerate(rows):
        shared = shared_tokens(rows, n, form)
        own = len(row.ids) - shared
        path = numpy.concatenate([path[:shared], numpy.arange(total, total + own)])
        total += own
        if own:
            sizes.append(own)
            paths.append(path)
            ids.append(row.ids[shared:])
            positions.append(numpy.arange(shared, len(row.ids)))
        heads.append(path[row.predicted])
        labels.append(row.labels[row.predicted + 1])
    joined = (numpy.concatenate(part) for part in (ids, positions, heads, labels))
    whole_ids, whole_positions, whole_heads, whole_labels = joined
    return Pass(whole_ids, whole_positions, sizes, paths, whole_heads, whole_labels, form)


def pass_rows(rows: Sequence[TokenRow], form: Form, tokens: int) -> list[list[int]]:
    """Numbers of the rows of each forward pass of at most so many packed tokens, in order; a longer row is a
    pass of its own."""
    order = in_order(rows)
    most = 0 if form == "alone" else tokens
    return [order[run] for run in runs(costs([rows[n] for n in order], form), most)]


def passes(rows: Sequence[TokenRow], form: Form, tokens: int) -> list[Pass]:
    """Rows as forward passes of at most so many packed tokens each."""
    return [packed([rows[n] for n in numbers], form) for numbers in pass_rows(rows, form, tokens)]


def row_of(record: dict[str, Any]) -> TokenRow:
    """A row of a data set of tokens (`simulator.tokens.write_tokens`)."""
    return TokenRow(
        numpy.asarray(record["input_ids"], numpy.int64), numpy.asarray(record["labels"], numpy.int64)
    )
