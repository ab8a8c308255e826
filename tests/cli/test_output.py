"""What the command line prints of our own texts: nothing of them is taken for markup."""

from __future__ import annotations

from typing import Any

import pytest

from artis_sdk.cli import app as cli
from artis_sdk.cli.output import next_step
from artis_sdk.errors import MissingExtraError

INSTALL = 'pip install "artis-sdk[llama]"'


def test_an_error_names_the_extra_that_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(**given: Any) -> None:
        raise MissingExtraError("it", "llama")

    monkeypatch.setattr(cli, "app", fails)
    monkeypatch.setattr("sys.argv", ["artis"])
    with pytest.raises(SystemExit) as ended:
        cli.run_app()
    assert ended.value.code == 2
    assert INSTALL in " ".join(capsys.readouterr().err.split())


def test_the_next_step_is_printed_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    next_step(INSTALL)
    assert INSTALL in capsys.readouterr().err
