"""A capture that fails, and what it costs: nothing changes for the caller."""

from __future__ import annotations

import contextvars
import gc
import sqlite3
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers.captured import pay, rows

from artis_sdk import guarded_tool
from artis_sdk.errors import LogError
from artis_sdk.logs import CallLog
from artis_sdk.logs.capture import capture
from artis_sdk.records import CallRecord
from artis_sdk.tools.world import firewall


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    """No test leaves a capture open."""
    yield
    assert firewall.observers == ()


# --- failures ---------------------------------------------------------------------------------


def test_a_log_that_fails_changes_nothing_for_the_caller(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "calls.db"
    with CallLog(path, busy_timeout=0.05) as log:
        captured = capture(log)
        pay("one")
        captured.flush()
        lock = sqlite3.connect(path, isolation_level=None)
        lock.execute("BEGIN IMMEDIATE")
        pay("two")
        with pytest.raises(LogError, match="could not be written yet"):
            captured.flush()
        for _ in range(3):
            assert pay("three")["paid"] == 1.0
        lock.execute("ROLLBACK")
        lock.close()
        with pytest.raises(LogError, match="3 calls were not recorded"):
            captured.flush()
        pay("four")
        captured.close()
        assert [one.call.arguments["to"] for one in log.records()] == ["one", "two", "four"]
    assert caplog.text.count("calls are not being recorded") == 1


def test_a_classifier_that_fails_changes_nothing_for_the_caller(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(result: Any) -> str | None:
        raise RuntimeError("classifier")

    @guarded_tool(failures=broken)
    def run(fail: bool) -> int:
        """Run."""
        if fail:
            raise ValueError("own")
        return 1

    captured = capture(tmp_path / "calls.db")
    assert run(False) == 1
    with pytest.raises(ValueError, match="own") as raised:
        run(True)
    assert raised.value.__cause__ is None
    with pytest.raises(LogError, match="2 calls were not recorded"):
        captured.close()


def test_a_tool_without_a_schema_is_refused_by_the_log_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    @guarded_tool
    def odd(callback: Missing) -> int:  # type: ignore[name-defined]  # noqa: F821
        """Odd."""
        return int(callback(1))

    captured = capture(tmp_path / "calls.db")
    assert odd(lambda n: n + 1) == 2
    pay("one")
    with pytest.raises(LogError, match="1 records could not be written"):
        captured.close()
    with CallLog(tmp_path / "calls.db") as log:
        assert rows(log) == [("pay", {"to": "one"}, {"to": "one", "paid": 1.0})]
    assert "odd" in caplog.text


def test_a_capture_that_cannot_be_opened_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no log at all" * 100)
    with pytest.raises(LogError, match="not a call log"):
        capture(tmp_path / "notes.txt")
    assert firewall.observers == ()


# --- cost -------------------------------------------------------------------------------------


@pytest.mark.slow
def test_waiting_calls_hold_bytes_and_not_what_was_passed(tmp_path: Path) -> None:
    class Big:
        def __init__(self) -> None:
            self._data = bytearray(1_000_000)

    @guarded_tool
    def use(big: Any) -> None:
        """Use."""

    with capture(tmp_path / "calls.db") as captured:
        use(Big())
        captured.flush()
        gc.collect()
        tracemalloc.start()
        for _ in range(20):
            use(Big())
        held, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert held < 2_000_000


def test_a_captured_call_costs_its_caller_little(tmp_path: Path) -> None:
    """A coarse bound that holds on a busy machine; benchmarks/log.py measures."""

    def seconds(calls: int) -> float:
        start = time.thread_time()
        for _ in range(calls):
            pay("ann", 5.0, note="thanks")
        return (time.thread_time() - start) / calls

    plain = min(seconds(2000) for _ in range(5))
    with capture(tmp_path / "calls.db"):
        captured = min(seconds(200) for _ in range(20))
    assert captured - plain < 60e-6


def test_the_observers_context_does_not_leak(tmp_path: Path) -> None:
    before = contextvars.copy_context()
    with capture(tmp_path / "calls.db") as captured, captured.task():
        pay("x")
    after = contextvars.copy_context()
    assert {var.name for var in after if after[var] != before.get(var)} <= {"artis_sdk_capture_tasks"}
    assert all(not after[var] for var in after if var.name == "artis_sdk_capture_tasks")


def test_every_record_is_a_value_of_its_class(tmp_path: Path) -> None:
    """Records are made without validation on the way in; they hold what validation would let pass."""
    with capture(tmp_path / "calls.db") as captured:
        with captured.task(state={"a": 1}):
            pay("ann", 2.5, note="x")
            with pytest.raises(ValueError, match="positive"):
                pay("ann", -2)
        for made in captured.log.records():
            assert CallRecord.model_validate(made.model_dump()) == made
