"""From a call log to training data: usable rows, split by session, rebalanced, written out.

All of it runs out of core in DuckDB; only the chosen rows are ever read in full.
"""

from __future__ import annotations

import json
import math
import random
import shutil
from collections.abc import Container, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel, Field

from artis_sdk.errors import TrainingError
from artis_sdk.logs.codec import loads, read_outcome
from artis_sdk.logs.parquet import JSON, PLAIN, log_rows, record_of
from artis_sdk.records import CallRecord, Outcome, ToolCall
from artis_sdk.records.calls import FROZEN
from artis_sdk.store_address import shown_address
from artis_sdk.trainers.dataset.duck import quoted, scratch
from artis_sdk.trainers.dataset.rebalance import (
    FAILURE_DRIVEN,
    Distribution,
    Rebalance,
    TypeStratum,
    distribute,
)
from artis_sdk.trainers.dataset.rebalance_view import plot
from artis_sdk.trainers.dataset.sources import open_source
from artis_sdk.trainers.dataset.split import SPLITS, Bounds, Split, by_rank, position_sql
from artis_sdk.trainers.dataset.training_rows import TRAINABLE

if TYPE_CHECKING:
    import duckdb

REPORT: Final = "report.json"
_NAMED: Final = 20  # damaged rows that a report names one by one
_COUNTED: Final = 2_000_000  # rows whose distinct values are counted at once, within 64 MiB
_FEW: Final = 100_000  # sessions, below which a split may come out empty


class DataSettings(BaseModel):
    """Settings that turn a log into training data."""

    model_config = FROZEN

    rebalance: Rebalance = FAILURE_DRIVEN
    validation: float = Field(default=0.05, ge=0.0, lt=1.0)
    """Share of the sessions, 0 to 1."""
    test: float = Field(default=0.1, ge=0.0, lt=1.0)
    """Share of the sessions, 0 to 1."""
    epochs: int = Field(default=3, ge=1)
    """Number of epochs; each draws other rows of the strata drawn less than once per epoch, if possible."""
    max_validation: int = Field(default=2_000, ge=1)
    """Maximum number of rows."""
    max_test: int = Field(default=20_000, ge=1)
    """Maximum number of rows."""
    seed: int = 0
    """Seed of the split of sessions and of the draws."""
    sandboxed: bool = True
    """Whether to use outcomes of real code in the sandbox too, which the log marks."""
    skip_corrupt: bool = False
    """Whether to leave out and count corrupt rows."""
    memory_mb: int = Field(default=160, ge=64)
    """Limit of DuckDB's memory, in mebibytes."""


class Prepared:
    """Training data in a folder.

    Attributes:
        folder: folder with `train.parquet`, `validation.parquet` and `test.parquet`, each a call log that
            `read_parquet` reads, `draws.parquet`, `distribution.svg` and `report.json`.
        report: report of the preparation, as JSON.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            self.report: dict[str, Any] = json.loads((folder / REPORT).read_bytes())
        except (OSError, ValueError) as error:
            raise TrainingError(f"{folder} holds no prepared data: {error}") from error

    def records(self, split: Split, only: Container[int] | None = None) -> Iterator[CallRecord]:
        """The records of one split, each once.

        Args:
            split: the split.
            only: places of the records that are read, from 0; None for all.
        """
        name = str(self.folder / f"{split}.parquet")
        for place, row in enumerate(log_rows(name, name, [*PLAIN, *JSON])):
            if only is None or place in only:
                yield record_of(row, name)

    def outcomes(self, split: Split) -> Iterator[tuple[ToolCall, Outcome]]:
        """Call and outcome of each record of one split; nothing else of it is read."""
        name = str(self.folder / f"{split}.parquet")
        for row in log_rows(name, name, ["call", "outcome"]):
            yield ToolCall.model_validate(loads(row["call"])), read_outcome(row["outcome"])

    def draws(self) -> list[list[int]]:
        """Number of draws of each record of `train` in each epoch, in their order: (rows, epochs)."""
        from pyarrow import parquet

        found: list[list[int]] = parquet.read_table(self.folder / "draws.parquet")["draws"].to_pylist()
        return found

    @property
    def bounds(self) -> Bounds:
        return Bounds.model_validate(self.report["bounds"])

    @property
    def distribution(self) -> Distribution:
        """The distribution of the training rows after rebalancing."""
        found = self.report["rebalance"]
        cells = (
            TypeStratum(**{name: cell[name] for name in ("tool", "type", "rows", "draws", "capped")})
            for cell in found["cells"]
        )
        return Distribution(Rebalance(**self.report["settings"]["rebalance"]), tuple(cells))


def prepare(log: str | Path, folder: Path, settings: DataSettings | None = None) -> Prepared:
    """Split, rebalance and write out the usable rows of a log.

    Args:
        log: a call log, a file or a URL as `open_call_log` takes it, or its export as `.parquet` or `.jsonl`.
        folder: folder, made or overwritten; complete when it holds `report.json`.
        settings: settings; ours by default.

    Raises:
        LogError: the log cannot be read, or has corrupt rows.
        TrainingError: it has no usable rows or too few sessions, or the disk is full.
        MissingExtraError: duckdb or pyarrow is not installed.
    """
    settings = settings or DataSettings()
    if folder.exists():
        shutil.rmtree(folder)
    work = folder / "work"
    work.mkdir(parents=True)
    source = open_source(log, work, skip_corrupt=settings.skip_corrupt)
    with scratch(work, memory_mb=settings.memory_mb) as connection:
        corrupt = source.index(connection)
        report: dict[str, Any] = {"log": shown_address(log), "settings": settings.model_dump(mode="json")}
        report["corrupt"] = {"rows": len(corrupt), "named": corrupt[:_NAMED]}
        report["left_out"] = _usable(connection, log, settings, len(corrupt))
        bounds = _split(connection, settings)
        report["bounds"] = bounds.model_dump()
        report["duplicates"] = _drop_duplicates(connection)
        distribution = _choose(connection, settings)
        report["rebalance"] = distribution.report()
        report["splits"] = {split: _describe(connection, split) for split in SPLITS}
        for split in SPLITS:
            source.write(connection, split, folder / f"{split}.parquet")
        connection.execute(
            "COPY (SELECT key, draws FROM chosen WHERE split = 'train' ORDER BY key)"
            f" TO {quoted(folder / 'draws.parquet')} (FORMAT parquet)"
        )
    shutil.rmtree(work)
    (folder / "distribution.svg").write_text(plot(distribution), encoding="utf-8")
    (folder / REPORT).write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return Prepared(folder)


def _usable(
    connection: duckdb.DuckDBPyConnection, log: str | Path, settings: DataSettings, damaged: int
) -> dict[str, int]:
    """Make `usable`, the rows that may train, and return the number of others, by reason."""
    allowed = sorted(p.value for p in TRAINABLE if settings.sandboxed or p.value != "sandboxed")
    listed = ", ".join(map(quoted, allowed))
    reason = (
        f"CASE WHEN provenance NOT IN ({listed}) THEN provenance"
        " WHEN tainted THEN 'after simulated calls' END"
    )
    counts: dict[str | None, int] = dict(
        connection.execute(f"SELECT {reason} AS reason, count(*) FROM calls GROUP BY reason").fetchall()
    )
    usable = counts.pop(None, 0)
    left_out = {str(why): n for why, n in sorted(counts.items(), key=str)}
    if not usable:
        said = {**left_out, "damaged": damaged} if damaged else left_out
        there = ", ".join(f"{n:,} {why}" for why, n in said.items())
        found = f"holds no call of real code, only {there}" if there else "is empty"
        raise TrainingError(
            f"{shown_address(log)} {found}: a simulator learns from real outcomes; log some with capture()"
        )
    connection.execute(
        f"CREATE TABLE usable AS SELECT key, session, tool, type, input FROM calls WHERE {reason} IS NULL"
    )
    connection.execute("DROP TABLE calls")
    return left_out


def _split(connection: duckdb.DuckDBPyConnection, settings: DataSettings) -> Bounds:
    """Make `parted`: the usable rows with their split."""
    place = position_sql("session", settings.seed)
    shares = (settings.validation, settings.test)
    bounds = Bounds(seed=settings.seed, validation=shares[0], test=min(sum(shares), 1.0))
    sessions, *held = _summed(
        connection,
        f"SELECT count(*), count(*) FILTER (place < {bounds.validation!r}), count(*) FILTER"
        f" (place >= {bounds.validation!r} AND place < {bounds.test!r}) FROM"
        f" (SELECT {place} AS place FROM usable WHERE {{part}} GROUP BY session)",
        "usable",
        "hash(session)",
    )
    empty = sum(held) == sessions or any(n == 0 < share for n, share in zip(held, shares, strict=True))
    if empty and sessions < _FEW:
        found = connection.execute(f"SELECT {place} AS place FROM usable GROUP BY session ORDER BY place")
        bounds = by_rank([place for (place,) in found.fetchall()], *shares, settings.seed)
    connection.execute(
        f"CREATE TABLE parted AS SELECT * EXCLUDE (place), CASE WHEN place < {bounds.validation!r} THEN"
        f" 'validation' WHEN place < {bounds.test!r} THEN 'test' ELSE 'train' END AS split"
        f" FROM (SELECT *, {place} AS place FROM usable)"
    )
    connection.execute("DROP TABLE usable")
    return bounds


def _drop_duplicates(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """Make `kept`, without held-out rows that have the input of a row in another split.

    Training rows stay, so that a held-out row was never trained on; between test and validation, the
    test keeps the row.
    """
    connection.execute("CREATE TABLE kept AS SELECT * FROM parted WHERE split = 'train'")
    for part in _parts(connection, "parted", "input"):
        connection.execute(
            f"CREATE TABLE seen AS SELECT DISTINCT input FROM parted WHERE split = 'train' AND {part}"
        )
        for split in ("test", "validation"):
            rows = f"FROM parted WHERE split = '{split}' AND {part}"
            connection.execute(
                f"INSERT INTO kept SELECT * FROM (SELECT * {rows}) ANTI JOIN seen USING (input)"
            )
            connection.execute(f"INSERT INTO seen SELECT DISTINCT input {rows}")
        connection.execute("DROP TABLE seen")
    dropped = dict.fromkeys(("test", "validation"), 0)
    counts = "SELECT split, count(*) FROM {} WHERE split <> 'train' GROUP BY split"
    for table, sign in (("parted", 1), ("kept", -1)):
        for split, rows in connection.execute(counts.format(table)).fetchall():
            dropped[split] += sign * rows
    (within,) = _summed(
        connection,
        "SELECT count(*) - count(DISTINCT input) FROM parted WHERE split = 'train' AND {part}",
        "parted",
        "input",
    )
    connection.execute("DROP TABLE parted")
    return {**dropped, "within_train": within}


def _parts(connection: duckdb.DuckDBPyConnection, table: str, number: str) -> Iterator[str]:
    """Conditions that divide a table by a number, an expression, into parts that are counted in memory."""
    (rows,) = connection.execute(f"SELECT count(*) FROM {table}").fetchone() or (0,)
    parts = 1 + rows // _COUNTED
    for part in range(parts):
        yield f"{number} % {parts} = {part}"


def _summed(connection: duckdb.DuckDBPyConnection, query: str, table: str, number: str) -> list[int]:
    """The sums of a query's numbers over the parts of a table.

    Args:
        query: a query of one row, with `{part}` for the condition.
        table, number: as in `_parts`.
    """
    rows = [
        connection.execute(query.replace("{part}", part)).fetchone() or ()
        for part in _parts(connection, table, number)
    ]
    return [sum(column) for column in zip(*rows, strict=True)]


def _choose(connection: duckdb.DuckDBPyConnection, settings: DataSettings) -> Distribution:
    """Make `chosen(split, key, tool, type, draws)`, with the draws of each epoch.

    They are spread by systematic sampling: a row with r expected draws per epoch is drawn floor(r) or
    ceil(r) times, and all draws together are exactly the target. Epochs begin at different offsets, so
    that rows with r below 1 take turns. Of a stratum with more rows than all epochs draw, as many as they
    draw are chosen at random first.
    """
    counts = connection.execute(
        "SELECT tool, type, count(*) FROM kept WHERE split = 'train' GROUP BY tool, type"
    ).fetchall()
    distribution = distribute(counts, settings.rebalance)
    connection.execute(
        "CREATE TABLE cells (tool VARCHAR, type VARCHAR, start DOUBLE, repeats DOUBLE, used BIGINT,"
        " share DOUBLE)"
    )
    start = 0.0
    for cell in distribution.cells:
        used = max(1, min(cell.rows, math.ceil(cell.draws * settings.epochs)))
        # At least `used` of the shuffled rows lie below this share, but for one chance in 10^20.
        share = min(1.0, (used + 10 * math.sqrt(used) + 100) / cell.rows)
        values = [cell.tool, cell.type, start, cell.draws / used, used, share]
        connection.execute("INSERT INTO cells VALUES (?, ?, ?, ?, ?, ?)", values)
        start += cell.draws
    first = random.Random(settings.seed).random()
    begins = [(first + epoch / settings.epochs) % 1.0 for epoch in range(settings.epochs)]
    drawn = ", ".join(
        f"(floor(start + {begin!r} + n * repeats) - floor(start + {begin!r} + (n - 1) * repeats))::INTEGER"
        for begin in begins
    )
    shuffled = position_sql("key", settings.seed)
    connection.execute(
        f"CREATE TABLE chosen AS SELECT 'train' AS split, key, tool, type, [{drawn}] AS draws FROM"
        " (SELECT *, row_number() OVER (PARTITION BY tool, type ORDER BY shuffled, key) AS n FROM"
        f" (SELECT key, tool, type, start, repeats, used, share, {shuffled} AS shuffled"
        " FROM kept JOIN cells USING (tool, type) WHERE split = 'train') WHERE shuffled <= share)"
        " WHERE n <= used AND list_sum(draws) > 0"
    )
    for split, limit in (("validation", settings.max_validation), ("test", settings.max_test)):
        connection.execute(
            f"INSERT INTO chosen SELECT split, key, tool, type, [1] FROM kept WHERE split = '{split}'"
            f" ORDER BY {shuffled}, key LIMIT {limit}"
        )
    return distribution


def _describe(connection: duckdb.DuckDBPyConnection, split: str) -> dict[str, int]:
    """Sizes of a split: its rows and sessions, and the chosen rows."""
    there = _summed(
        connection,
        f"SELECT count(*), count(DISTINCT session) FROM kept WHERE split = '{split}' AND {{part}}",
        "kept",
        "hash(session)",
    )
    chosen = connection.execute(
        "SELECT count(*), count(*) FILTER (type <> 'success'), coalesce(sum(draws[1]), 0)::BIGINT,"
        " coalesce(max(list_max(draws)), 0) FROM chosen WHERE split = ?",
        [split],
    ).fetchone()
    assert chosen is not None
    names = ("rows", "sessions", "chosen", "failures", "draws", "most_draws")
    return dict(zip(names, (*there, *chosen), strict=True))
