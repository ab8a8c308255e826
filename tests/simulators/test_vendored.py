"""Libraries that were installed into a folder of their own, as `pip install --user` and `--target` do."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from helpers.simulators import call
from helpers.stores import played

from artis_sdk.errors import SimulationError
from artis_sdk.records.installed import is_installed_file
from artis_sdk.tools import Toolset

COUNTER = "made = [0]\n\n\ndef count():\n    made[0] += 1\n    return made[0]\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A library and an application beside each other, on the path."""
    for package in ("brought_library", "own_application", "brought_space/library", "brought_space/own"):
        (tmp_path / package).mkdir(parents=True)
        (tmp_path / package / "__init__.py").write_text("")
        (tmp_path / package / "counter.py").write_text(COUNTER)
    (tmp_path / "brought_module.py").write_text(COUNTER)
    metadata = tmp_path / "brought_library-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: brought-library\nVersion: 1.0\n")
    files = ("brought_library/__init__.py", "brought_library/counter.py", "brought_module.py", "../bin/tool")
    space = ("brought_space/library/__init__.py", "brought_space/library/counter.py")
    (metadata / "RECORD").write_text("".join(f"{file},,\n" for file in (*files, *space)))
    editable = tmp_path / "own_application.egg-info"
    editable.mkdir()
    (editable / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: own-application\nVersion: 1.0\n")
    (editable / "SOURCES.txt").write_text("own_application/__init__.py\nown_application/counter.py\n")
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


class WithLibrary:
    def sell(self) -> int:
        import brought_library.counter  # type: ignore[import-not-found, unused-ignore]

        count: int = brought_library.counter.count()
        return count


class WithOwn:
    def sell(self) -> int:
        import own_application.counter  # type: ignore[import-not-found, unused-ignore]

        count: int = own_application.counter.count()
        return count


def test_only_what_a_distribution_brought_is_installed(folder: Path) -> None:
    def is_installed(module: str) -> bool:
        file: Any = import_module(module).__file__
        return is_installed_file(module, file)

    assert is_installed("brought_library")
    assert is_installed("brought_library.counter")
    assert is_installed("brought_module")
    assert is_installed("brought_space.library.counter")
    assert is_installed_file("brought_space", str(folder / "brought_space"))
    assert is_installed("json")
    assert is_installed("pydantic.main")
    assert not is_installed("own_application")
    assert not is_installed("own_application.counter")
    assert not is_installed("brought_space.own.counter")
    assert not is_installed("artis_sdk.records")  # of an editable installation


async def test_a_librarys_counters_are_its_own(folder: Path) -> None:
    import_module("brought_library.counter")
    import_module("own_application.counter")
    assert await played(Toolset.from_object(WithLibrary()), call("sell"), call("sell")) == [1, 2]
    with pytest.raises(SimulationError, match=r"own_application\.counter\.made"):
        await played(Toolset.from_object(WithOwn()), call("sell"))
