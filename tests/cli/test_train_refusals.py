"""Bases and options that `artis train` cannot take, and what it says instead of training."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from artis_sdk.cli.app import app
from artis_sdk.errors import ConfigurationError, TrainingError


@pytest.mark.parametrize("command", [("simulator", "calls.db"), ("agent",)])
def test_a_gguf_file_is_answered_with_the_command_that_makes_a_base_of_it(
    command: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.gguf").write_bytes(b"GGUF\x03\x00\x00\x00")
    arguments = ["train", *command, "--base", "model.gguf", "--out", "run"]
    with pytest.raises(TrainingError, match=r"artis train base model\.gguf --out base/"):
        CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--full", "--four-bit"), r"^weights of 4 bits are not trained: train an adapter \(--lora\)"),
        (("--group", "0"), r"^--group: input should be greater than"),
    ],
)
def test_options_that_do_not_fit_are_named(options: tuple[str, ...], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        CliRunner().invoke(
            app, ["train", "agent", "--base", "b", "--out", "o", *options], catch_exceptions=False
        )
