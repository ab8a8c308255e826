"""`artis generate`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from artis_sdk.cli.app import app
from artis_sdk.errors import ConfigurationError, LogError
from artis_sdk.logs import CallLog
from artis_sdk.records import Provenance


def run(out: Path, *more: str) -> str:
    given = ["generate", "--tools", "helpers.failing_tools:tools", "--out", str(out), *more]
    done = CliRunner().invoke(app, given, catch_exceptions=False)
    return done.stdout if "--json" in more else " ".join(done.output.split())


@pytest.mark.slow
def test_it_prints_progress_a_coverage_table_by_source_and_the_next_step(tmp_path: Path) -> None:
    out = tmp_path / "made.db"
    said = run(out, "--calls", "400")
    assert "calls ━" in said  # the bar
    assert "by source" in said
    assert "failure modes reached, by source" in said
    assert "property" in said
    assert "of 18 failure modes reached" in said
    step = f"next: artis train simulator {out} --base MODEL --out run"
    assert step.replace(" ", "") in said.replace(" ", "")
    with CallLog(out, create=False) as log:
        assert {record.outcome.provenance for record in log.records()} == {Provenance.SANDBOXED}


@pytest.mark.slow
def test_it_prints_one_json_document_and_begins_from_a_log(tmp_path: Path) -> None:
    first = json.loads(run(tmp_path / "first.db", "--calls", "60", "--sources", "property", "--json"))
    assert first["coverage"]["sources"]["property"]["calls"] == 60
    assert 30 < first["rows"] <= 60  # what the schema refuses is no row
    again = json.loads(
        run(tmp_path / "b.db", "--calls", "60", "--log", str(tmp_path / "first.db"), "--seed", "1", "--json")
    )
    log = again["coverage"]["sources"]["log"]
    assert log["calls"] == first["rows"]
    assert 0 < log["first"] <= first["coverage"]["reached"]
    assert again["coverage"]["reached"] >= log["first"]
    assert again["coverage"]["sources"].keys() == {"log", "mutation", "property"}


@pytest.mark.slow
def test_it_ends_at_a_coverage_and_where_there_is_nothing_to_do(tmp_path: Path) -> None:
    found = json.loads(run(tmp_path / "made.db", "--calls", "5000", "--coverage", "0.3", "--json"))
    assert found["coverage"]["reached"] >= 6
    assert found["rows"] < 1000


def test_what_cannot_be_done_is_an_error(tmp_path: Path) -> None:
    out = tmp_path / "made.db"
    with pytest.raises(ConfigurationError, match="generated rows go to a log of their own"):
        run(out, "--log", str(out))
    with pytest.raises(ConfigurationError, match="--writer"):
        run(out, "--sources", "targeted")
    with pytest.raises(LogError, match=r"none\.db"):
        run(out, "--log", str(tmp_path / "none.db"))
    (tmp_path / "text.db").write_text("no log" * 100)
    with pytest.raises(LogError, match=r"text\.db"):
        run(tmp_path / "text.db")
