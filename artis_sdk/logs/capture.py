"""`capture`: every real call of every guarded tool goes to a call log.

Calls outside sessions come from observing the tools, calls inside sessions from the commit. A call
costs its caller a snapshot of arguments and value as JSON bytes; the rest is work of the log's thread.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self
from weakref import WeakKeyDictionary

from pydantic_core import to_json

from artis_sdk.contracts import LogStore, ObservedCall
from artis_sdk.errors import LogError
from artis_sdk.lingering import LINGER, Lingering
from artis_sdk.logs.call_store import CallStore
from artis_sdk.logs.captured_calls import Scope, late_record
from artis_sdk.logs.opening import absolute, address_of, open_call_log
from artis_sdk.logs.redact import Redactor
from artis_sdk.logs.secret_types import secret_values
from artis_sdk.logs.session_secrets import SessionSecrets
from artis_sdk.logs.store import CallLog
from artis_sdk.records import CallRecord, new_id
from artis_sdk.records.jsonable import jsonable
from artis_sdk.tools import add_observer, remove_observer

_log = logging.getLogger("artis_sdk")

_STARS = b"**********"
"""A `SecretStr` in JSON."""


def capture(path: str | os.PathLike[str] | CallStore, *, redact: Redactor | None = None) -> Capture:
    """Record every real call of every guarded tool, in this process, until the handle is closed.

    Inside sessions a call has its task's state and history, and the predicted outcome.
    Outside, `handle.task()` groups calls into a task with a state and a history; a call in no task is
    recorded by itself, without either, and its session is the asyncio task or the thread that made it.
    Simulated and sandboxed calls are not recorded.

    Recording never changes what the captured function does, returns or raises. When the log fails, the
    calls continue, a warning is logged once, and `flush` and `close` raise.

    Several captures may be open at once. Those of one file with the same redactor share one log, and
    no call gets into one file twice.

    Args:
        path: the log's file or URL, as `open_call_log` takes it, or a log that stays open when the capture
            ends.
        redact: redactor, if `path` is a path; by default a `Redactor()`.

    Raises:
        ConfigurationError: the URL cannot be read.
        LogError: the file is not a call log, or cannot be opened.
        MissingExtraError: what reads such a URL is not installed.
    """
    return Capture(_join(path, redact))


class Capture:
    """A capture that is open; also a context manager, sync and async. Made by `capture`."""

    def __init__(self, recorder: _Recorder) -> None:
        self._recorder = recorder
        self._open = True

    @property
    def log(self) -> CallStore:
        """The log of the calls."""
        return self._recorder.log

    @contextmanager
    def task(self, *, state: Any = None, id: str | None = None, session: str | None = None) -> Iterator[str]:
        """Group the calls made in this context, and in contexts copied from it, into one task.

        The history of a call consists of the calls of the task that ended before it began.

        Args:
            state: state of the environment before the first call; any value, kept as JSON.
            id: id of the task; random by default.
            session: id of the session, whose tasks stay together when data are split; by default `id`.

        Yields:
            The task's id.
        """
        name = id or new_id()
        scope = Scope(session or name, name, jsonable(state))
        token = _scopes.set({**_scopes.get(), self._recorder.address: scope})
        try:
            yield name
        finally:
            _scopes.reset(token)

    def flush(self) -> None:
        """Return once every call so far is on disk. Blocks, so not for an event loop's thread.

        Raises:
            LogError: a call was not recorded, or cannot be written.
        """
        self._recorder.flush()

    def close(self) -> None:
        """Stop recording and write waiting records; raises as `flush`. Closing twice is fine."""
        if self._open:
            self._open = False
            _release(self._recorder)

    async def aclose(self) -> None:
        """As `close`, off the event loop."""
        await asyncio.to_thread(self.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


def recording(log: LogStore | None, secrets: SessionSecrets) -> LogStore | None:
    """The log of a session's real calls: its own, and the open captures of other files.

    Its `append` never raises: the call has been made, and the commit continues.

    Args:
        log: the session's own log.
        secrets: the session's secrets, of which a log cannot see those that their Python type tells.
    """
    if log is None and not _recorders:
        return None
    with _lock:
        own = next((recorder for recorder in _recorders if recorder.log is log), None)
        address = getattr(log, "address", None)
        recorders = [recorder for recorder in _leaders() if recorder.address != address]
    if own is not None:
        return _Everywhere(None, [*recorders, own], secrets)
    return _Everywhere(log, recorders, secrets) if recorders or log is not None else None


# --- one call ---------------------------------------------------------------------------------


# By file, so that all captures of one file agree on the task that a context is in.
_scopes: ContextVar[Mapping[str, Scope]] = ContextVar("artis_sdk_capture_tasks", default=MappingProxyType({}))


def _snapshot(arguments: Mapping[str, Any], value: Any) -> bytes:
    """Arguments and value as a JSON array, now, as `jsonable` shows them."""
    return to_json((jsonable(arguments), jsonable(value)))


class _Thread(threading.local):
    """The common session of a thread's calls outside tasks."""

    def __init__(self) -> None:
        self.session = new_id()


_thread = _Thread()
_tasks: WeakKeyDictionary[asyncio.Task[Any], str] = WeakKeyDictionary()


def _maker() -> str:
    """The session of a call outside tasks: one for each asyncio task, or thread outside them."""
    loop = asyncio._get_running_loop()
    task = None if loop is None else asyncio.current_task(loop)
    if task is None:
        return _thread.session
    return _tasks.get(task) or _tasks.setdefault(task, new_id())


# --- who records ------------------------------------------------------------------------------


class _Recorder:
    """Observes the tools for one log; several captures may share it."""

    def __init__(self, log: CallStore, *, owns: bool, redact: Redactor | None) -> None:
        self.log = log
        self.address = log.address
        self.owns = owns
        self.redact = redact
        self.users = 0
        self._lost = 0
        self._why: BaseException | None = None

    def called(self, call: ObservedCall) -> None:
        """See `contracts.Observer`. Copies values that may change; errors never reach the caller."""
        ended = time.perf_counter()
        tool, arguments, value, error, at, duration = call
        try:
            if not tool.hidden.isdisjoint(arguments):
                arguments = {name: arguments[name] for name in arguments if name not in tool.hidden}
            failure: tuple[str, str] | str | None
            if error is None:
                value, failure = tool.observed(value)
            else:
                failure = tool.failure_of_error(error)
            seen = _snapshot(arguments, value)
            secrets = secret_values((arguments, value)) if _STARS in seen else ()
            place = _scopes.get().get(self.address) or _maker()
            self.log.append_late(
                partial(late_record, tool, seen, failure, secrets, at, duration, ended, place)
            )
        except LogError as reason:
            self._lose(reason)
        except BaseException as reason:
            self._lose(reason)
            raise

    def record(self, record: CallRecord, secrets: SessionSecrets) -> None:
        """Record a call that a session has made."""
        try:
            _append(self.log, record, secrets)
        except LogError as reason:
            self._lose(reason)

    def _lose(self, reason: BaseException) -> None:
        self._lost += 1
        self._why = reason
        if self._lost == 1:
            _log.warning("%s: calls are not being recorded: %s", self.address, reason)

    def flush(self) -> None:
        self.log.flush()
        self.raise_lost()

    def keep(self) -> None:
        self.log.keep()
        self.raise_lost()

    def raise_lost(self) -> None:
        lost, self._lost = self._lost, 0
        if lost:
            raise LogError(f"{self.address}: {lost} calls were not recorded: {self._why}") from self._why

    def end(self) -> None:
        """Stop: no capture uses it any more. A file with the usual redaction lingers."""
        if self.owns and self.redact is None and isinstance(self.log, CallLog) and LINGER:
            try:
                self.log.rest()
            except LogError:
                self.log.close()
                raise
            _lingering.put(self.log.path, self.log)
        elif self.owns:
            self.log.close()
        else:
            self.log.flush()
        self.raise_lost()


class _Everywhere:
    """A session's own log, with the captures that also get its calls."""

    def __init__(self, log: LogStore | None, others: list[_Recorder], secrets: SessionSecrets) -> None:
        self._log = log
        self._others = others
        self._secrets = secrets

    def append(self, record: CallRecord) -> None:
        for recorder in self._others:
            recorder.record(record, self._secrets)
        if self._log is not None:
            try:
                _append(self._log, record, self._secrets)
            except LogError as reason:
                _log.error("a call of %s was made, but not recorded: %s", record.call.tool, reason)

    def records(self) -> Iterator[CallRecord]:
        return iter(()) if self._log is None else self._log.records()

    def flush(self) -> None:
        if self._log is not None:
            self._log.flush()

    def close(self) -> None:
        """Nothing: the opener of the log closes it."""


def _append(log: LogStore, record: CallRecord, secrets: SessionSecrets) -> None:
    """Append a record of a session to a log, which looks for the session's secrets in it."""
    typed = tuple(secrets.typed)
    append_late = getattr(log, "append_late", None)
    if not typed:
        log.append(record)
    elif append_late is not None:
        append_late(lambda: (record, typed))
    else:  # one of the application's own
        log.append(secrets.shown(record))


_lingering: Lingering[CallLog] = Lingering()
"""Files of logs that were closed a moment ago, by their absolute paths."""
_lock = threading.Lock()
_recorders: list[_Recorder] = []
_observing: list[_Recorder] = []


def _leaders() -> list[_Recorder]:
    """One recorder for each log: the first."""
    return list({recorder.address: recorder for recorder in reversed(_recorders)}.values())


def _observe() -> None:
    """Make the leaders, and only these, observe calls. Call with the lock held."""
    leaders = _leaders()
    for recorder in _observing[:]:
        if recorder not in leaders:
            remove_observer(recorder)
            _observing.remove(recorder)
    for recorder in leaders:
        if recorder not in _observing:
            add_observer(recorder)
            _observing.append(recorder)


def _join(target: str | os.PathLike[str] | CallStore, redact: Redactor | None) -> _Recorder:
    with _lock:
        given = absolute(target) if isinstance(target, str | os.PathLike) else target
        address = address_of(given) if isinstance(given, str | Path) else given.address
        for recorder in _recorders:
            same = recorder.log is given or (recorder.owns and recorder.redact is redact)
            if recorder.address == address and same:
                recorder.users += 1
                return recorder
        owns = isinstance(given, str | Path)
        log = _opened(given, redact) if isinstance(given, str | Path) else given
        recorder = _Recorder(log, owns=owns, redact=redact)
        recorder.users = 1
        _recorders.append(recorder)
        _observe()
        return recorder


def _opened(where: str | Path, redact: Redactor | None) -> CallStore:
    lingers = _lingering.take(where) if redact is None else None
    return lingers or open_call_log(where, redact=redact)


def _release(recorder: _Recorder) -> None:
    with _lock:
        recorder.users -= 1
        last = recorder.users == 0
        if last:
            _recorders.remove(recorder)
            _observe()
    if last:
        recorder.end()
    else:
        recorder.keep()
