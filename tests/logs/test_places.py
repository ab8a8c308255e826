"""Every place of a call log: each record is there once, whole and redacted, whatever ends meanwhile."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from helpers.call_logs import PLACES, SHARED, LogPlace
from helpers.log_strategies import record_lists
from helpers.logs import as_text, record, task_records
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from artis_sdk import Direct, Session, Toolset, capture, guarded_tool
from artis_sdk.backends import ScriptedBackend
from artis_sdk.contracts import LogStore
from artis_sdk.errors import LogError
from artis_sdk.logs import Count, Redactor, import_jsonl
from artis_sdk.logs.jsonl import export_jsonl
from artis_sdk.records import CallRecord, Outcome, Provenance, ToolCall, ToolSpec

pytestmark = pytest.mark.slow


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> LogPlace:
    return PLACES[request.param](tmp_path)


@pytest.fixture(params=PLACES, scope="module")
def places(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@given(records=record_lists(), cuts=st.sets(st.integers(0, 8)))
@settings(max_examples=10, suppress_health_check=[HealthCheck.too_slow])
def test_what_is_appended_is_read_back(
    places: str, tmp_path_factory: pytest.TempPathFactory, records: list[CallRecord], cuts: set[int]
) -> None:
    place = PLACES[places](tmp_path_factory.mktemp("place"))
    records = [without_nul(made) for made in records]
    log = place.open(redact=Redactor(names=()))
    for n, made in enumerate(records):
        if n in cuts:  # another one knows nothing of the rows before
            log.close()
            log = place.open(redact=Redactor(names=()))
        log.append(made)
    assert [as_text(made) for made in log.records()] == [as_text(made) for made in records]
    log.close()
    with place.open() as again:
        assert [as_text(made) for made in again.records()] == [as_text(made) for made in records]


def without_nul(made: CallRecord) -> CallRecord:
    """PostgreSQL takes it in no text, see `DatabaseRows`."""
    names = ("session", "task", "source_hash")
    texts = {name: value.replace("\0", "") for name in names if (value := getattr(made, name)) is not None}
    return made.model_copy(update=texts)


def test_it_is_a_log_store(place: LogPlace) -> None:
    with place.open() as log:
        store: LogStore = log
        store.append(record(1))
        store.flush()
        assert [made.call.arguments["amount"] for made in store.records()] == [1]


def test_there_is_none_before_the_first_record(place: LogPlace) -> None:
    with pytest.raises(LogError, match="no such call log"):
        place.open(create=False)
    with place.open() as log:
        assert list(log.records()) == log.last(3) == []
        assert log.counts() == []
        assert log.holding(["x"]) == 0


def test_a_record_that_is_there_changes_nothing(place: LogPlace) -> None:
    with place.open() as log:
        log.append(record(1, id="x"))
        log.append(record(2, id="x"))
        log.flush()
        log.append(record(3, id="x"))
        log.append(record(4, id="y"))
        assert [made.call.arguments["amount"] for made in log.records()] == [1, 4]
    with place.open() as again:
        again.append(record(5, id="y"))
        assert [made.call.arguments["amount"] for made in again.records()] == [1, 4]
        assert again.counts() == [Count("pay", "success", Provenance.REAL, 2)]
        assert again.holding(["x", "y", "z"]) == 2


def test_what_is_looked_for_is_found(place: LogPlace) -> None:
    look = ToolSpec(name="look", parameters={"type": "object"})
    with place.open() as log:
        for made in [*task_records(3, session="a"), *task_records(4, session="b")]:
            log.append(made)
        log.flush()
        log.append(record(5, session="a", spec=look, call=ToolCall(tool="look")))
        log.append(record(6, outcome=Outcome.failure("Broke", "no money", Provenance.SANDBOXED)))

        def amounts(**wanted: object) -> list[object]:
            return [made.call.arguments.get("amount") for made in log.records(**wanted)]  # type: ignore[arg-type]

        assert amounts() == [0, 1, 2, 0, 1, 2, 3, None, 6]
        assert amounts(session="b") == [0, 1, 2, 3]
        assert amounts(tool="look") == [None]
        assert amounts(tool="look", session="b") == []
        assert amounts(provenance=Provenance.SANDBOXED) == [6]
        assert len(amounts(provenance=[Provenance.SANDBOXED, Provenance.REAL])) == 9
        assert amounts(provenance=[]) == amounts(session="nobody") == []
        assert [len(made.history) for made in log.records(session="b")] == [0, 1, 2, 3]
        everything = list(log.records())
        assert log.last(3) == everything[-3:]
        assert log.last(50) == everything
        assert log.last(2, tool="pay") == [one for one in everything if one.call.tool == "pay"][-2:]
        assert log.last(2, tool="nobody's") == []
        assert log.counts() == [
            Count("look", "success", Provenance.REAL, 1),
            Count("pay", "success", Provenance.REAL, 7),
            Count("pay", "Broke", Provenance.SANDBOXED, 1),
        ]


def test_what_is_appended_while_it_is_read_is_left_out(place: LogPlace) -> None:
    with place.open() as log:
        for n in range(600):
            log.append(record(n))
        read = log.records()
        assert next(read).at == 1000.0
        with place.open() as other:
            other.append(record(5000))
        assert sum(1 for _ in read) == 599
        assert sum(1 for _ in log.records()) == 601


def test_an_import_that_is_repeated_adds_nothing(place: LogPlace, tmp_path: Path) -> None:
    export_jsonl([record(n) for n in range(20)], tmp_path / "calls.jsonl")
    with place.open() as log:
        assert import_jsonl(tmp_path / "calls.jsonl", log)[:1] == (20,)
        assert import_jsonl(tmp_path / "calls.jsonl", log).repeated == 20
        assert len(list(log.records())) == 20


# --- secrets ----------------------------------------------------------------------------------


def test_a_secret_is_nowhere_not_even_in_what_comes_after_a_flush(place: LogPlace) -> None:
    login = ToolCall(tool="login", arguments={"password": "hunter2-x"})
    spec = ToolSpec(name="login", parameters={"type": "object"})
    with place.open() as log:
        log.append(record(1, session="s", spec=spec, call=login))
        log.keep()
        assert b"hunter2-x" not in place.contents()
        log.flush()  # in a shared log the next one goes into a file that knows nothing of the first
        log.append(record(2, session="s", outcome=Outcome.success("you said hunter2-x", Provenance.REAL)))
        log.flush()
        assert b"hunter2-x" not in place.contents()
        assert place.contents().count(b"[redacted:") >= 2
        log.append(record(3, session="s", outcome=Outcome.success("hunter2-x", Provenance.REAL)))
        log.keep()
        assert b"hunter2-x" not in place.contents()


# --- processes --------------------------------------------------------------------------------

WRITE = """
import sys
from artis_sdk.logs import open_call_log
from helpers.logs import task_records
log = open_call_log(sys.argv[1])
if "flood" in sys.argv:
    n = 0
    while True:
        for made in task_records(10, session=f"{sys.argv[2]}-{n}", size=500):
            log.append(made)
        n += 1
        log.flush()
        print(n, flush=True)
for n in range(5):
    for made in task_records(20, session=f"{sys.argv[2]}-{n}", state={"shared": True}):
        log.append(made)
    if n % 3 == 0:
        log.flush()
if "keep" in sys.argv:
    log.keep()
    print("kept", flush=True)
    sys.stdin.read()
log.close()
"""


def python(*arguments: object) -> subprocess.Popen[str]:
    """A process that appends five tasks; with "flood" without an end, with "keep" it does not close."""
    command = [sys.executable, "-c", WRITE, *map(str, arguments)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def lengths(place: LogPlace) -> dict[str | None, list[int]]:
    """Lengths of the histories by session, in order; no record is there twice."""
    found: dict[str | None, list[int]] = {}
    with place.open() as log:
        records = list(log.records())
    assert max(Counter(made.id for made in records).values(), default=1) == 1
    for made in records:
        found.setdefault(made.session, []).append(len(made.history))
    return found


@pytest.fixture(params=SHARED)
def shared(request: pytest.FixtureRequest, tmp_path: Path) -> LogPlace:
    """A place that hosts share; `test_processes.py` has the same for a file."""
    return SHARED[request.param](tmp_path)


def test_processes_append_at_once_and_what_a_killed_one_kept_arrives_with_the_next(shared: LogPlace) -> None:
    children = [python(shared.where, "a"), python(shared.where, "b", "keep")]  # made by who comes first
    assert children[1].stdout is not None
    assert children[1].stdout.readline() == "kept\n"
    children[1].kill()
    for child in children:
        child.communicate(timeout=60)
    assert children[0].returncode == 0
    with shared.open() as log:
        log.append(record(1, session="after"))
    expected = {f"{who}-{n}": list(range(20)) for who in ("a", "b") for n in range(5)}
    assert lengths(shared) == {**expected, "after": [0]}


def test_a_killed_process_leaves_whole_records_and_all_that_was_flushed(shared: LogPlace) -> None:
    child = python(shared.where, "x", "flood")
    assert child.stdout is not None
    flushed = int(child.stdout.readline())
    os.kill(child.pid, signal.SIGKILL)
    flushed = int([str(flushed), *child.stdout.read().split()][-1])
    child.communicate()
    with shared.open() as log:  # sends what the killed one left
        log.append(record(1, session="after"))
    found = lengths(shared)
    assert all(found[f"x-{n}"] == list(range(10)) for n in range(flushed))
    assert all(seen == list(range(len(seen))) for seen in found.values())
    assert found["after"] == [0]


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_forks_append_on(place: LogPlace) -> None:
    log = place.open()
    for made in task_records(10, session="before"):
        log.append(made)
    children = []
    for n in range(3):
        child = os.fork()
        if child == 0:
            status = 1
            try:
                for made in task_records(10, session=f"child-{n}"):
                    log.append(made)
                log.close()
                status = 0
            finally:
                os._exit(status)
        children.append(child)
        for made in task_records(10, session=f"parent-{n}"):
            log.append(made)
    for child in children:
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    log.close()
    names = ["before", *(f"{who}-{n}" for who in ("child", "parent") for n in range(3))]
    assert lengths(place) == {name: list(range(10)) for name in names}


# --- what captures and sessions leave ---------------------------------------------------------


@guarded_tool
def pay(to: str) -> str:
    """Pay."""
    return f"paid {to}"


async def test_a_session_and_a_capture_share_it(place: LogPlace) -> None:
    agent = ScriptedBackend([[ToolCall(tool="pay", arguments={"to": "ann"})], "Done."])
    with capture(place.where) as captured:
        pay("bob")
        async with Session(agent=agent, tools=Toolset(pay), strategy=Direct(), log=place.where) as session:
            await session.run("Pay Ann.")
        pay("eve")
        captured.flush()
    with place.open(create=False) as log:
        assert [made.call.arguments["to"] for made in log.records()] == ["bob", "ann", "eve"]
