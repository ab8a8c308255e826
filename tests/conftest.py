"""For the whole suite: laws without deadlines, as clocks lie on a shared machine; helpers for children."""

import gc
import os
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "suite", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("suite")


def pytest_collection_finish() -> None:
    """Leave what was imported and collected, a gigabyte, out of each later run of the garbage collector."""
    gc.collect()
    gc.freeze()


# Processes that tests start import `helpers` as the tests do.
os.environ["PYTHONPATH"] = os.pathsep.join(
    filter(None, (str(Path(__file__).parent), os.environ.get("PYTHONPATH")))
)


@pytest.fixture(autouse=True)
def own_data_folder(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test, with the processes that it starts, has a default journal of its own."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path_factory.getbasetemp() / f"data-{uuid4().hex}"))


@pytest.fixture(autouse=True, scope="session")
def working_directory_stays_clean() -> Iterator[None]:
    """No test leaves a file where the suite was started."""
    here = Path.cwd()
    before = set(os.listdir(here))
    yield
    new = set(os.listdir(here)) - before
    left = sorted(name for name in new if (here / name).is_file() and not name.startswith("."))
    assert not left, f"files left in the working directory: {left}"
