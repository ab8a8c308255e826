"""`artis bench report`: results beside the paper's tables and figures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from helpers.fidelity import of_number, record
from typer.testing import CliRunner

from artis_sdk.cli.app import app
from artis_sdk.errors import ConfigurationError
from artis_sdk.evals.bench import paper
from artis_sdk.evals.bench.cells import BenchCell
from artis_sdk.evals.bench.compared import compared
from artis_sdk.evals.bench.report import costs, lines, table
from artis_sdk.evals.bench.rows import TaskRow
from artis_sdk.evals.fidelity.measurement import measure
from artis_sdk.evals.fidelity.report import Report
from artis_sdk.evals.fidelity.trust import judge
from artis_sdk.records import Role, Usage

IDLE, DIRECT = BenchCell(method="idle", n=0), BenchCell(method="direct", n=0)
RETRYING = BenchCell(method="direct", n=0, retries=3)
WHOLE = BenchCell(method="sequential", simulator="sandbox", n=3)
LEFT = WHOLE.model_copy(update={"without": "both"})
USED = {
    Role.ACTION: Usage(requests=2, prompt_tokens=300, completion_tokens=20, cpu_seconds=1.5),
    Role.EVALUATION: Usage(requests=1, prompt_tokens=50, completion_tokens=5),
}


def rows(cell: BenchCell, right: int, of: int, score: float | None = None) -> list[TaskRow]:
    common: dict[str, Any] = {
        "cell": cell,
        "family": "",
        "hidden": False,
        "calls": 0,
        "diverged": 0,
        "seconds": 0.0,
    }
    judged: dict[str, Any] = {"judged": 4, "passed": 1} if cell.n else {}
    return [
        TaskRow(task=f"t{n}", fulfilled=n < right, usage=USED, score=score, **common, **judged)
        for n in range(of)
    ]


def folder(path: Path, found: list[TaskRow], **settings: object) -> Path:
    path.mkdir()
    (path / "settings.json").write_text(json.dumps({"seed": 0, **settings}))
    (path / "rows.jsonl").write_text("".join(row.model_dump_json() + "\n" for row in found))
    return path


def test_the_papers_own_figures_fit_each_other() -> None:
    for methods in paper.TABLE_1.values():
        for overall, *rest in methods.values():
            assert sum(rest[:4]) / 4 == pytest.approx(overall, abs=0.006)
            assert len(rest) == len(paper.COLUMNS) + 1
    for method, several in paper.TABLE_4.items():
        for cost in several:
            for counts in (cost.calls, cost.completion, cost.prompt):
                assert counts[0] >= counts[1] + counts[2] - 1, (method, cost.n)
    assert (
        paper.TABLE_4["ARTIS (Sequential)"][2].accuracy == paper.TABLE_1["Qwen3-8B"]["ARTIS (Sequential)"][1]
    )


def test_cpu_stands_by_role_where_an_engine_computed() -> None:
    told = lines(rows(WHOLE, 3, 4))
    assert table(told).splitlines()[0].endswith("| CPU s a task |")
    assert table(told).splitlines()[2].endswith("| 375 | 1.5 |")
    assert (
        costs(told)
        .splitlines()[2]
        .startswith("| sequential | sandbox | 3 | 3.0: 25 + 350, 1.5 s | 2.0: 20 + 300, 1.5 s |")
    )
    silent = [row.model_copy(update={"usage": {Role.ACTION: Usage(requests=1)}}) for row in rows(WHOLE, 3, 4)]
    assert "CPU" not in table(lines(silent))
    assert " s |" not in costs(lines(silent))


async def test_ours_stand_beside_theirs(tmp_path: Path) -> None:
    agent = "llama_cpp:/models/tiny-1.5b-q4_k_m.gguf"
    found = [
        *rows(IDLE, 0, 4),
        *rows(DIRECT, 1, 4),
        *rows(RETRYING, 2, 4),
        *rows(WHOLE, 3, 4),
        *rows(LEFT, 0, 4),
    ]
    sampling = {"agent": {"temperature": 0.7, "top_p": 0.9}}
    one = folder(
        tmp_path / "one", found, world="bfcl-base", agent=agent, judge="openai:big", sampling=sampling
    )
    two = folder(
        tmp_path / "two", rows(DIRECT, 1, 2, 0.4), world="acebench-en", agent=agent, judge="openai:big"
    )
    own = folder(tmp_path / "own", rows(DIRECT, 1, 2), engine="llama.cpp")
    records = [record(n, "paid") for n in range(4)]
    fidelity = await measure(of_number(["paid"] * 4), records, name="source", similarity=None)
    Report(fidelity=fidelity, trust=judge(fidelity)).write(tmp_path / "sim")
    text = compared([one, two, own, tmp_path / "sim"]).markdown()
    mine = "tiny-1.5b-q4_k_m.gguf, judge openai:big"
    assert "| paper: Qwen3-8B | ARTIS (Sequential) | 5 | 18.75 | 29.5 |" in text
    assert "| one | bfcl-base | tiny-1.5b-q4_k_m.gguf | q4_k_m | openai:big |" in text
    assert "| agent: temperature 0.7, top p 0.9 | 4 | held-out, seed 0 | 3 |" in text
    ours = next(line for line in text.splitlines() if line.startswith(f"| {mine} | direct | 0 |"))
    assert ours.split(" | ")[3:5] == ["–", "25.0 [4.6, 69.9], n 4"]
    assert ours.split(" | ")[8:10] == ["50.0 [9.5, 90.5], n 2", "40.0 [40.0, 40.0], n 2"]
    assert "| the pocket model | direct | 0 |" in text
    assert "| the pocket model | none recorded | 2 |" in text
    assert f"| sandbox | bfcl-base, {mine}, N = 3 | 75.0 [30.1, 95.4], n 4 |" in text
    assert "| sim, n 4 | – |" in text
    assert "| 3.0 | 2.0 | 1.0 | 25 | 20 | 5 | 350 | 300 | 50 | 1.5 |" in text

    page = compared([one]).page("<script>")
    assert "<script" not in page
    assert page.count("<svg") == 3
    assert f"{mine}, bfcl-base: sequential, sandbox, without both" in page
    assert "judge openai:big" in page.rpartition("Figure 6")[2]
    assert compared([own]).figures[2].plot == "", "nobody judged"


def test_the_command_writes_page_and_tables_and_names_a_folder_without_results(tmp_path: Path) -> None:
    one = folder(tmp_path / "one", rows(DIRECT, 1, 2), world="pocket", agent="openai:x")
    out = tmp_path / "out"
    done = CliRunner().invoke(app, ["bench", "report", str(one), "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert "Table 4" in (out / "report.md").read_text()
    assert (out / "page.html").exists()
    with pytest.raises(ConfigurationError, match="holds no results: pass folders"):
        compared([tmp_path])
