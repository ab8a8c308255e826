"""The wheel holds one package, all of it, and works where it is installed."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent
PROGRAM = """
import artis_sdk, pathlib, sys
assert pathlib.Path(artis_sdk.__file__).is_relative_to(sys.argv[1]), artis_sdk.__file__
from artis_sdk.backends.registry import known_prefixes
from artis_sdk.prompts import FIELDS, Prompts
Prompts().render("evaluation_system", typed=True)
for name in artis_sdk.__all__:
    getattr(artis_sdk, name)
import artis_sdk.cli.app, artis_sdk.trainers
print(len(FIELDS), *known_prefixes())
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from what git tracks, so that a file which is not committed is missed here."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    subprocess.run(["git", "clone", "-q", "--depth=1", f"file://{ROOT}", str(source)], check=True, timeout=60)
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", str(folder), str(source)],
        check=True,
        timeout=240,
    )
    (built,) = folder.glob("*.whl")
    return built


def test_it_holds_one_package_and_every_module(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0].split("-")[0] for name in names} == {"artis_sdk"}
    tracked = subprocess.run(
        ["git", "-C", str(ROOT), "ls-tree", "-r", "--name-only", "HEAD"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    wanted = {
        name if name.startswith("artis_sdk/") else f"artis_sdk/{name}"
        for name in tracked
        if name.startswith(("artis_sdk/", "backends/", "trainers/"))
    }
    missing = wanted - set(names)
    assert missing == set(), "name the package, or the data, in pyproject.toml"


def test_it_carries_each_weight_once(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    weights = sorted(Path(name).name for name in names if name.endswith((".gguf", ".safetensors")))
    assert weights == ["failure_driven.gguf", "normal.gguf", "persistent.gguf", "pocket.gguf"]
    assert wheel.stat().st_size < 11 * 2**20


def test_it_works_installed(wheel: Path, tmp_path: Path) -> None:
    target = tmp_path / "site"
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(target), str(wheel)],
        check=True,
        timeout=120,
    )
    # -P keeps the working directory out; the target comes before the editable install.
    code = f"import sys; sys.path.insert(0, sys.argv[1])\n{PROGRAM}"
    out = subprocess.run(
        [sys.executable, "-P", "-c", code, str(target)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert out.returncode == 0, out.stderr
    assert "openai" in out.stdout
    assert "vllm" in out.stdout
