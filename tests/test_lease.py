"""The lock that says whether a process is alive, by the kernel and by the library of other systems."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from artis_sdk import lease

HOLD = """
import sys
from pathlib import Path
from artis_sdk import lease
if sys.argv[2] == "library":
    lease._lock = lambda file, *, shared: lease._by_library(file)
mine = lease.ProcessLease(Path(sys.argv[1]))
print(mine.id, flush=True)
sys.stdin.read()
"""


@pytest.fixture(params=["kernel", "library"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The library's way is that of Windows, with this system's call below it."""
    if request.param == "library":
        monkeypatch.setattr(lease, "_lock", lambda file, *, shared: lease._by_library(file))
    return str(request.param)


def test_a_lease_ends_with_its_process(way: str, tmp_path: Path) -> None:
    beside = tmp_path / "journal.db"
    command = [sys.executable, "-c", HOLD, str(beside), way]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    owner = child.stdout.readline().strip()
    assert lease.is_alive(beside, owner)
    lease.sweep(beside)
    assert lease.is_alive(beside, owner)
    child.kill()
    child.communicate()
    assert not lease.is_alive(beside, owner)
    assert list(tmp_path.iterdir()) == []


def test_those_who_ask_at_once_do_not_take_each_other_for_the_owner(way: str, tmp_path: Path) -> None:
    for n in range(20):
        left = tmp_path / f"journal.db.owner-{n}"
        left.touch()
        answers: list[bool] = []
        together = threading.Barrier(4)
        askers = [threading.Thread(target=ask, args=(left, together, answers)) for _ in range(4)]
        for asker in askers:
            asker.start()
        for asker in askers:
            asker.join()
        assert answers == [False] * 4
    assert list(tmp_path.iterdir()) == []


def ask(path: Path, together: threading.Barrier, answers: list[bool]) -> None:
    together.wait()
    answers.append(lease.is_held(path))


def test_one_at_a_time(way: str, tmp_path: Path) -> None:
    path = tmp_path / "sending.lock"
    for _ in range(2):
        with lease.alone(path) as first, lease.alone(path) as second:
            assert (first, second) == (True, False)
