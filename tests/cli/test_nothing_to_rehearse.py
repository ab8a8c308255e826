"""What `artis rehearse` and `artis run` refuse before anything runs."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.cli import BANK, artis

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("rehearse", "Send Bob 5.", "-n", "0"), "--attempts"),
        (("run", "Send Bob 5.", "--yes", "-n", "0"), "--attempts"),
        (("rehearse", ""), "the task is empty"),
        (("run", " ", "--yes"), "the task is empty"),
    ],
)
async def test_nothing_to_rehearse_is_an_error(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    (tmp_path / "cli_bank.py").write_text(BANK)
    (tmp_path / "artis.toml").write_text(
        'tools = "cli_bank:tools"\nagent = "scripted:m"\nsimulator = "scripted:m"\njournal = "journal.db"\n'
        '[backends."scripted:m"]\nreplies = []\n'
    )
    code, out, err = await artis(tmp_path, *arguments)
    assert code == 2, out + err
    assert said in err
    assert not (tmp_path / "sent.txt").exists()
