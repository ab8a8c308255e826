"""From records to rows: redaction, and the rows that already hold a record's history."""

from __future__ import annotations

import math
import sqlite3
import sys
from collections import OrderedDict, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import blake2b
from operator import is_

from pydantic import JsonValue

from artis_sdk.logs.codec import (
    CALL_TEXTS,
    OUTCOME_TEXTS,
    Fields,
    call_fields,
    dumps,
    hide_fields,
    hide_text,
    loads,
    outcome_fields,
    outcome_type,
)
from artis_sdk.logs.redact import Redactor
from artis_sdk.logs.secrets import Secrets
from artis_sdk.records import CallRecord, History, Outcome, ToolCall, ToolSpec

# Characters of tasks remembered between records; beyond it, the longest unused are looked up again.
_REMEMBERED = 64_000_000
# Sessions whose secrets are remembered between records.
_SESSIONS = 1000
# Parallel calls of one turn share a history, so the last few ends of a task are kept, not only one.
_ENDS = 16


@dataclass(frozen=True, slots=True)
class _End:
    """A row, and the history that it ends: `before` and this call."""

    before: History
    call: ToolCall
    outcome: Outcome
    row: int

    def begins(self, history: History) -> bool:
        """Whether `history` continues from here, by identity: equal values may be different JSON."""
        n = len(self.before)
        return (
            n < len(history)
            and history[n].call is self.call
            and history[n].outcome is self.outcome
            and all(map(is_, self.before, history))
        )


@dataclass(slots=True)
class _Task:
    """One task, as remembered between its records."""

    secrets: Secrets
    row: int | None = None
    scrubbed: int = 0
    """`secrets.size` when the task's rows were last free of all secrets."""
    ends: deque[_End] = field(default_factory=lambda: deque(maxlen=_ENDS))
    size: int = 0

    def longest(self, history: History) -> _End | None:
        """The last row of the longest known beginning of this history."""
        best: _End | None = None
        for end in reversed(self.ends):
            if (best is None or len(end.before) > len(best.before)) and end.begins(history):
                best = end
                if len(best.before) == len(history) - 1:
                    break
        return best


_Columns = tuple[str, str, str, str, str, str | None]
"""`tool, type, provenance, call, outcome, predicted`."""


@dataclass(slots=True)
class _Packed:
    """A call and its outcome on their way to JSON text."""

    tool: str
    call: Fields
    outcome: Fields
    predicted: Fields | None
    texts: tuple[str, str, str | None] | None
    """The three as JSON, if nothing in them is secret by itself."""

    def columns(self, secrets: Secrets) -> _Columns:
        """The same without known secrets."""
        if self.texts is not None and not secrets.size:
            kind = outcome_type(self.outcome)
            return _plain(self.tool), _plain(kind), self.outcome["provenance"], *self.texts
        call = hide_fields(self.call, CALL_TEXTS, secrets.hide)
        outcome = hide_fields(self.outcome, OUTCOME_TEXTS, secrets.hide)
        predicted = None
        if self.predicted is not None:
            predicted = dumps(hide_fields(self.predicted, OUTCOME_TEXTS, secrets.hide))
        kind = _plain(outcome_type(outcome))
        return _plain(self.tool), kind, outcome["provenance"], dumps(call), dumps(outcome), predicted


class Rows:
    """Writes records into an open transaction.

    Args:
        redactor: redactor of the records.
    """

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._tasks: OrderedDict[tuple[str | None, str | None, str], _Task] = OrderedDict()
        self._secrets: OrderedDict[str, Secrets] = OrderedDict()
        """Secrets by session; a task without a session has its own."""
        self._tools: dict[tuple[int, str | None], tuple[ToolSpec, int]] = {}
        self._size = 0
        self.scrubbed = False
        """Written rows were redacted: until a checkpoint the write-ahead log holds the old ones."""

    def forget(self) -> None:
        """After a rollback: forget rows, which may be missing. Secrets stay known."""
        self._tools.clear()
        for task in self._tasks.values():
            task.row, task.scrubbed = None, 0
            task.ends.clear()

    def add(self, connection: sqlite3.Connection, record: CallRecord, secrets: Iterable[str] = ()) -> None:
        """Write one record, and the steps of its history that are missing.

        An existing record with the same id stays unchanged.

        Args:
            connection: connection with an open transaction.
            record: the record; it is redacted here.
            secrets: values that are secret everywhere in the record.

        Raises:
            sqlite3.Error: nothing can be written now.
            Exception: raised by a rule of the user, or ValueError for a value that is not JSON; no
                part of the record has been written.
        """
        _check(record)
        task = self._task(record)
        for secret in secrets:
            task.secrets.add(secret)
        self._redactor.know(record.spec)
        end = task.longest(record.history)
        start = 0 if end is None else len(end.before) + 1
        packed = [self._pack(step.call, step.outcome, None, task) for step in record.history[start:]]
        packed.append(self._pack(record.call, record.outcome, record.predicted, task))
        state = None if task.row is not None else self._cover_state(record.state, task.secrets)
        columns = [item.columns(task.secrets) for item in packed]
        tool = self._tool(connection, record)
        if task.row is None:
            self._place(connection, task, record, dumps(task.secrets.hide(state)))
        if task.secrets.size > task.scrubbed:
            self._scrub(connection, task)
        previous = None if end is None else end.row
        for n, texts in enumerate(columns[:-1], start):
            previous = _step(connection, task, previous, n, texts)
            step = record.history[n]
            task.ends.append(_End(record.history[:n], step.call, step.outcome, previous))
        values = (tool, record.at, record.risk.value, record.process, record.id)
        row = _insert(connection, (task.row, previous, len(record.history), *columns[-1], *values))
        task.ends.append(_End(record.history, record.call, record.outcome, row))
        self._remember(task, sum(len(text or "") for texts in columns for text in texts))

    # --- redaction ----------------------------------------------------------------------------

    def _pack(self, call: ToolCall, outcome: Outcome, predicted: Outcome | None, task: _Task) -> _Packed:
        made, seen = call_fields(call), outcome_fields(outcome)
        foreseen = None if predicted is None else outcome_fields(predicted)
        texts = dumps(made), dumps(seen), None if foreseen is None else dumps(foreseen)
        if not self._redactor.marks(call.tool) and not self._redactor.may_hold("".join(filter(None, texts))):
            return _Packed(call.tool, made, seen, foreseen, texts)
        for name in CALL_TEXTS[1:]:
            if name in made:
                made[name] = self._redactor.cover(made[name], f"{call.tool}.{name}", task.secrets)
        made["arguments"] = self._redactor.cover_arguments(call.tool, call.arguments, task.secrets)
        seen |= self._cover_outcome(seen, f"{call.tool}.outcome", task.secrets)
        if foreseen is not None:
            foreseen |= self._cover_outcome(foreseen, f"{call.tool}.predicted", task.secrets)
        return _Packed(call.tool, made, seen, foreseen, None)

    def _cover_outcome(self, fields: Fields, path: str, secrets: Secrets) -> Fields:
        covered = self._redactor.cover({n: fields[n] for n in OUTCOME_TEXTS if n in fields}, path, secrets)
        assert isinstance(covered, dict)
        return covered

    def _cover_state(self, state: JsonValue, secrets: Secrets) -> JsonValue:
        if not self._redactor.may_hold(dumps(state)):
            return state
        return self._redactor.cover(state, "state", secrets)

    def _scrub(self, connection: sqlite3.Connection, task: _Task) -> None:
        """Redact new secrets in earlier rows of the task."""
        hide = task.secrets.hide
        (state,) = connection.execute("SELECT state FROM tasks WHERE id = ?", (task.row,)).fetchone()
        hidden = dumps(hide(loads(state)))
        if hidden != state:
            connection.execute("UPDATE tasks SET state = ? WHERE id = ?", (hidden, task.row))
            self.scrubbed = True
        rows = connection.execute(
            "SELECT call, outcome, predicted, id FROM calls WHERE task = ?", (task.row,)
        ).fetchall()
        for call, outcome, predicted, row in rows:
            clean = (
                hide_text(call, CALL_TEXTS, hide),
                hide_text(outcome, OUTCOME_TEXTS, hide),
                None if predicted is None else hide_text(predicted, OUTCOME_TEXTS, hide),
            )
            if clean != (call, outcome, predicted):
                connection.execute(
                    "UPDATE calls SET call = ?, outcome = ?, predicted = ?, type = ? WHERE id = ?",
                    (*clean, outcome_type(loads(clean[1])), row),
                )
                self.scrubbed = True
        task.scrubbed = task.secrets.size

    # --- rows ---------------------------------------------------------------------------------

    def _task(self, record: CallRecord) -> _Task:
        if record.task is None and record.state is None and not record.history:
            # Outside tasks: no earlier row belongs to it.
            return _Task(self._secrets_of(record.session), scrubbed=sys.maxsize)
        # By its text: equal values may be different JSON (1, 1.0, true).
        key = (record.session, record.task, dumps(record.state))
        task = self._tasks.get(key)
        if task is None:
            task = self._tasks[key] = _Task(self._secrets_of(record.session))
            self._remember(task, len(key[2]))
        self._tasks.move_to_end(key)
        return task

    def _secrets_of(self, session: str | None) -> Secrets:
        """The session's secrets: a secret in one call is hidden in all later ones."""
        if session is None:
            return self._redactor.new_secrets()
        secrets = self._secrets.get(session)
        if secrets is None:
            secrets = self._secrets[session] = self._redactor.new_secrets()
        self._secrets.move_to_end(session)
        if len(self._secrets) > _SESSIONS:
            self._secrets.popitem(last=False)
        return secrets

    def _remember(self, task: _Task, size: int) -> None:
        task.size += size
        self._size += size
        while self._size > _REMEMBERED and len(self._tasks) > 1:
            _, oldest = self._tasks.popitem(last=False)
            self._size -= oldest.size

    def _place(self, connection: sqlite3.Connection, task: _Task, record: CallRecord, state: str) -> None:
        digest = _digest(dumps([record.session, record.task]), state)
        found = connection.execute("SELECT id FROM tasks WHERE digest = ?", (digest,)).fetchone()
        if found is not None:
            (task.row,) = found
            return
        task.row = connection.execute(
            "INSERT INTO tasks (digest, session, task, state) VALUES (?, ?, ?, ?)",
            (digest, record.session, record.task, state),
        ).lastrowid
        task.scrubbed = max(task.scrubbed, task.secrets.size)

    def _tool(self, connection: sqlite3.Connection, record: CallRecord) -> int:
        key = (id(record.spec), record.source_hash)
        known = self._tools.get(key)
        if known is not None:
            return known[1]
        text = dumps(record.spec.model_dump())
        digest = _digest(text, dumps([record.source_hash]))
        connection.execute(
            "INSERT INTO tools (digest, spec, source_hash) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
            (digest, text, record.source_hash),
        )
        (row,) = connection.execute("SELECT id FROM tools WHERE digest = ?", (digest,)).fetchone()
        if len(self._tools) >= 1000:
            self._tools.clear()
        self._tools[key] = (record.spec, row)
        return int(row)


def _check(record: CallRecord) -> None:
    """Raise ValueError for a value that SQLite could not hold or would change."""
    if not math.isfinite(record.at):
        raise ValueError(f"the time of a call is {record.at}")
    if record.process is not None and not 0 <= record.process < 2**63:
        raise ValueError(f"the process of a call is {record.process}")
    for text in (record.id, record.session, record.task, record.source_hash):
        _plain(text or "")


def _plain(text: str) -> str:
    """The text; raises UnicodeEncodeError for half a surrogate pair, which is not UTF-8."""
    text.encode()
    return text


def _insert(connection: sqlite3.Connection, values: tuple[object, ...]) -> int:
    """The row of a record: a new one, or the existing one with its id."""
    inserted = connection.execute(
        "INSERT INTO calls (task, previous, seq, tool, type, provenance, call, outcome, predicted,"
        " described, at, risk, process, record) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (record) DO NOTHING",
        values,
    )
    if inserted.rowcount == 1:
        return int(inserted.lastrowid or 0)
    (row,) = connection.execute("SELECT id FROM calls WHERE record = ?", values[-1:]).fetchone()
    return int(row)


def _step(
    connection: sqlite3.Connection,
    task: _Task,
    previous: int | None,
    seq: int,
    texts: tuple[str | None, ...],
) -> int:
    """The row of a step of a history: an existing one, else a new one without a record."""
    tool, _, _, call, outcome, _ = texts
    found = connection.execute(
        "SELECT id FROM calls WHERE task = ? AND previous IS ? AND tool = ? AND call = ? AND outcome = ?"
        " ORDER BY id LIMIT 1",
        (task.row, previous, tool, call, outcome),
    ).fetchone()
    if found is not None:
        return int(found[0])
    inserted = connection.execute(
        "INSERT INTO calls (task, previous, seq, tool, type, provenance, call, outcome, predicted)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (task.row, previous, seq, *texts),
    )
    return int(inserted.lastrowid or 0)


def _digest(*texts: str) -> bytes:
    """16 bytes; the lengths keep `("ab", "c")` and `("a", "bc")` apart."""
    hashed = blake2b(digest_size=16)
    for text in texts:
        data = text.encode()
        hashed.update(len(data).to_bytes(8))
        hashed.update(data)
    return hashed.digest()
