"""A plan's file that is written again: in one step, and for its readers alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from artis_sdk.cli.plan import replace_text
from artis_sdk.errors import ConfigurationError


def test_a_file_is_replaced_as_readable_as_it_was_and_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "plan.json"
    file.write_text("old")
    file.chmod(0o640)
    seen: list[tuple[int, str]] = []
    replace = Path.replace

    def watched(new: Path, target: Path) -> Path:
        seen.append((new.parent.stat().st_mode & 0o777, target.read_text()))
        return replace(new, target)

    monkeypatch.setattr(Path, "replace", watched)
    replace_text(file, "with a secret")
    assert seen == [(0o700, "old")]
    assert file.read_text() == "with a secret"
    assert file.stat().st_mode & 0o777 == 0o640
    assert list(tmp_path.iterdir()) == [file]


def test_a_file_that_cannot_be_replaced_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "plan.json"
    file.write_text("old")

    def fails(new: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", fails)
    with pytest.raises(ConfigurationError, match="cannot be written: No space left on device"):
        replace_text(file, "new")
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]
