"""A place without settings, for sessions that read them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture
def bare_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory: no artis.toml, and no variable that sets anything."""
    monkeypatch.chdir(tmp_path)
    for name in os.environ:
        if name.startswith("ARTIS_"):
            monkeypatch.delenv(name)
    return tmp_path
