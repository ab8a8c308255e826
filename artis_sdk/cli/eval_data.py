"""Held-out rows for an evaluation, from prepared training data or from any log, split by session."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Iterator
from hashlib import md5
from pathlib import Path
from typing import Literal, NamedTuple

from artis_sdk.errors import ConfigurationError, LogError
from artis_sdk.evals.fidelity.predict import GROUND_TRUTH, session_of
from artis_sdk.logs import open_call_log, read_jsonl, read_parquet
from artis_sdk.records import CallRecord
from artis_sdk.simulators.replay import digest, history_digest
from artis_sdk.store_address import log_address
from artis_sdk.trainers.dataset.split import Bounds, by_rank, position

Part = Literal["test", "validation", "train", "all"]

_SHARES = (0.05, 0.1)  # of the sessions for validation and test, as `artis train simulator` takes them

Records = Callable[[], Iterator[CallRecord]]


class HeldOut(NamedTuple):
    """The rows to measure on, and the rows that a simulator which looks calls up in a log may use."""

    records: list[CallRecord]
    training: Records
    """The records of the training split; no records if everything is measured on."""
    duplicates: int
    """Number of held-out records left out because a training record poses the same question."""


def held_out(data: str | Path, part: Part, *, limit: int, seed: int) -> HeldOut:
    """The rows of one split.

    Args:
        data: the `--out` of a training run or its `data` folder, whose own split is taken; or a log, a file
            or a URL, or its export as `.jsonl` or `.parquet`, which is split by session as a training run
            would.
        part: name of the split; `all` for all rows.
        limit: maximum number of rows, chosen by a digest of their ids.
        seed: seed of the split and the choice.

    Raises:
        ConfigurationError: the file or the split does not exist, or holds no call of real code.
        LogError: the log cannot be read, or a line is corrupt.
        TrainingError: the log has too few sessions to be split.
    """
    where = log_address(data)
    folder = _prepared(where) if isinstance(where, Path) else None
    if folder is not None and part != "all":
        wanted = folder / f"{part}.parquet"
        return HeldOut(
            _chosen(read_parquet(wanted), limit, seed), lambda: read_parquet(folder / "train.parquet"), 0
        )
    if folder is not None:
        raise ConfigurationError(f"{data} is already split: pass --split test, validation or train")
    _check_exists(where)
    if part == "all":
        return HeldOut(_chosen(_read(where), limit, seed), lambda: iter(()), 0)
    bounds = _bounds(where, seed)

    def of(split: str) -> Iterator[CallRecord]:
        return (record for record in _read(where) if bounds.split(session_of(record)) == split)

    chosen = _chosen(of(part), limit, seed)
    if part == "train":
        return HeldOut(chosen, lambda: of("train"), 0)
    asked = {_asks(record) for record in of("train")}
    kept = [record for record in chosen if _asks(record) not in asked]
    return HeldOut(kept, lambda: of("train"), len(chosen) - len(kept))


def training_records(data: str | Path, part: Part, *, limit: int, seed: int) -> Iterator[CallRecord]:
    """The records of the training split, as in `held_out`: what a worker in another process reads anew."""
    return held_out(data, part, limit=limit, seed=seed).training()


def records_of(data: str | Path) -> Iterator[CallRecord]:
    """The records of a log, or of its export as `.jsonl` or `.parquet`.

    Raises:
        ConfigurationError: the file does not exist.
        LogError: it cannot be read, or a line is corrupt.
    """
    where = log_address(data)
    _check_exists(where)
    return _read(where)


def _check_exists(where: str | Path) -> None:
    if isinstance(where, Path) and not where.exists():
        raise ConfigurationError(f"{where}: no such file")


def _read(where: str | Path) -> Iterator[CallRecord]:
    if isinstance(where, Path) and where.suffix == ".parquet":
        yield from read_parquet(where)
    elif isinstance(where, Path) and where.suffix == ".jsonl":
        for item in read_jsonl(where):
            if isinstance(item, LogError):
                raise LogError(
                    f"{item}; artis logs import {where} --log calls.db --skip-corrupt makes a log without "
                    "such lines, which can be measured on"
                )
            yield item
    else:
        with open_call_log(where, create=False) as log:
            yield from log.records()


def _prepared(data: Path) -> Path | None:
    """The folder with the splits of a training run, if this is one."""
    for folder in (data, data / "data"):
        if (folder / "test.parquet").exists() and (folder / "train.parquet").exists():
            return folder
    if data.is_dir():
        raise ConfigurationError(
            f"{data} holds no test.parquet: pass a log, or the --out folder of a training run"
        )
    return None


def _bounds(where: str | Path, seed: int) -> Bounds:
    sessions = {session_of(record) for record in _read(where)}
    if not sessions:
        raise ConfigurationError("the data holds no calls")
    places = sorted(position(session, seed) for session in sessions)
    validation, test = _SHARES
    bounds = Bounds(seed=seed, validation=validation, test=validation + test)
    held = [sum(p < bounds.validation for p in places), sum(p < bounds.test for p in places)]
    if 0 < held[0] < held[1] < len(places):
        return bounds
    return by_rank(places, validation, test, seed)


def _chosen(records: Iterator[CallRecord], limit: int, seed: int) -> list[CallRecord]:
    """Up to `limit` ground-truth records, in their order.

    Raises:
        ConfigurationError: no record is ground truth.
    """
    others: Counter[str] = Counter()

    def ranked() -> Iterator[tuple[bytes, int, CallRecord]]:
        for place, record in enumerate(records):
            if record.outcome.provenance in GROUND_TRUTH:
                yield md5(f"{seed}:{record.id}".encode()).digest(), place, record
            else:
                others[record.outcome.provenance.value] += 1

    taken = heapq.nsmallest(limit, ranked(), key=lambda found: found[:2])
    if not taken:
        there = ", ".join(f"{n:,} {provenance}" for provenance, n in others.items())
        raise ConfigurationError(
            f"no call of real code to measure on, only {there}" if there else "the data holds no calls"
        )
    return [record for _, _, record in sorted(taken, key=lambda found: found[1])]


def _asks(record: CallRecord) -> bytes:
    """Digest of everything that a simulator is shown."""
    shown = digest([record.call.tool, record.call.arguments, record.state])
    return history_digest(record.history, shown)
