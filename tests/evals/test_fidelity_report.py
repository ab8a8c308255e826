"""The report that people read, and `artis eval simulator`."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from helpers.fidelity import Letters, Says, of_number, record
from helpers.logs import PAY
from typer.testing import CliRunner

from artis_sdk.cli.app import app
from artis_sdk.cli.eval_data import held_out
from artis_sdk.contracts import Simulator
from artis_sdk.errors import ConfigurationError, EvaluationError, LogError, SimulationError, TrainingError
from artis_sdk.evals.fidelity.measurement import measure
from artis_sdk.evals.fidelity.records import Bin, Calibration, Fidelity
from artis_sdk.evals.fidelity.report import Report
from artis_sdk.evals.fidelity.similarity import Similarity
from artis_sdk.evals.fidelity.trust import judge
from artis_sdk.evals.intervals import Estimate, share
from artis_sdk.logs import CallLog, export_jsonl, export_parquet
from artis_sdk.pocket import Bank, pocket_tools
from artis_sdk.records import CallRecord, History, Outcome, Provenance, Risk, State, ToolCall
from artis_sdk.simulators.form import PromptForm
from artis_sdk.simulators.trained import Trained
from artis_sdk.simulators.trust import Trust
from artis_sdk.trainers.dataset.prepare import prepare
from artis_sdk.trainers.pocket.log import write

NASTY = "</td><script>alert('x')</script>"


class Refused(Exception):
    pass


class Page(HTMLParser):
    """Checks that tags close in order, and keeps what a reader sees."""

    VOID = frozenset({"meta", "br", "rect", "line", "path", "circle", "input"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.text = ""
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append(tag)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] != "style":
            self.text += data


async def measured(similarity: Similarity | None = None) -> Fidelity:
    reals: list[Any] = ["paid"] * 60 + [Refused] * 30 + [NASTY] * 5
    answers: list[Any] = ["paid"] * 60 + [Refused] * 27 + [NASTY] * 3 + [None] * 5
    records = [record(n, real, tool="pay" if n % 2 else f"look {NASTY}") for n, real in enumerate(reals)]
    return await measure(
        of_number(answers), records, name=f"s {NASTY}", data="calls.db", similarity=similarity
    )


# --- the page -------------------------------------------------------------------------------------


async def test_the_page_says_first_what_matters_and_is_safe() -> None:
    fidelity = await measured(Similarity(Letters()))
    page = Page(Report(fidelity=fidelity, trust=judge(fidelity)).html())
    assert "script" not in page.tags  # whatever tools and outcomes are called
    first = page.text[: page.text.index("Tools")]
    assert "Of 30 calls that really failed it predicts 90.0 percent" in " ".join(first.split())
    assert "trusted" in first
    assert "no idea" in first  # why it could not tell
    assert page.tags.count("svg") == 2  # recall by tool and similarity; no calibration was measured
    assert "Not measured: the simulator gives no probabilities" in page.text


async def test_the_page_stands_without_similarity_and_with_calibration() -> None:
    fidelity = await measured()
    bins = (
        Bin(low=0.0, high=0.1, predicted=0.05, failed=share(1, 20)),
        Bin(low=0.9, high=1.0, predicted=0.95, failed=share(9, 10)),
    )
    found = Estimate(value=0.1, low=0.0, high=0.2, n=30)
    calibrated = fidelity.model_copy(
        update={
            "encoder_missing": 'pip install "artis-sdk[eval]"',
            "calibration": Calibration(
                source="logprobs", rows=30, expected_error=found, brier=found, bins=bins
            ),
        }
    )
    page = Page(Report(fidelity=calibrated, trust=judge(calibrated)).html())
    assert 'Similarity and HF ratio were not measured: pip install "artis-sdk[eval]"' in page.text
    assert "expected calibration error 10.0 (0.0 to 20.0)" in page.text
    assert page.tags.count("circle") == 2


async def test_the_page_stands_with_a_single_call_that_succeeded() -> None:
    fidelity = await measure(Says(lambda _: "paid"), [record(0)], name="s", similarity=None)
    page = Page(Report(fidelity=fidelity, trust=judge(fidelity)).html())
    assert "None of the held-out calls failed" in page.text
    assert "No tool is trusted" in page.text


async def test_a_report_is_written_with_its_trust_file_and_read_back(tmp_path: Path) -> None:
    fidelity = await measured()
    report = Report(fidelity=fidelity, trust=judge(fidelity))
    assert report.write(tmp_path / "a" / "b") == tmp_path / "a" / "b" / "report.html"
    assert Report.read(tmp_path / "a" / "b") == report
    assert Trust.read(tmp_path / "a" / "b") == report.trust
    with pytest.raises(ConfigurationError, match="not a fidelity report"):
        Report.read(tmp_path)
    (tmp_path / "report.json").write_text("{}")
    with pytest.raises(ConfigurationError, match=r"not a fidelity report .*artis eval simulator"):
        Report.read(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="cannot be written"):
        report.write(tmp_path / "file" / "below")


# --- held-out rows --------------------------------------------------------------------------------


def log_rows(sessions: int = 40, each: int = 3) -> list[CallRecord]:
    rows = []
    for session in range(sessions):
        for n in range(each):
            number = session * each + n
            real = Refused if number % 4 == 0 else "paid"
            rows.append(record(number, real, session=f"session-{session}"))
    return rows


def stored(path: Path, rows: list[CallRecord]) -> Path:
    with CallLog(path) as log:
        for row in rows:
            log.append(row)
    return path


@pytest.mark.slow
def test_a_log_is_split_by_session_as_training_splits_it(tmp_path: Path) -> None:
    rows = log_rows(80)
    path = stored(tmp_path / "calls.db", rows)
    found = held_out(path, "test", limit=1000, seed=0)
    prepared = prepare(path, tmp_path / "data")
    ours = {row.id for row in found.records}
    assert ours == {row.id for row in prepared.records("test")}
    assert ours == {row.id for row in held_out(tmp_path / "data", "test", limit=1000, seed=0).records}
    held_sessions = {row.session for row in found.records}
    assert held_sessions.isdisjoint({row.session for row in found.training()})


def test_exports_are_read_like_the_log(tmp_path: Path) -> None:
    rows = log_rows()
    path = stored(tmp_path / "calls.db", rows)
    export_jsonl(rows, tmp_path / "calls.jsonl")
    export_parquet(rows, tmp_path / "calls.parquet")
    ids = [
        [row.id for row in held_out(tmp_path / name, "test", limit=1000, seed=0).records]
        for name in ("calls.db", "calls.jsonl", "calls.parquet")
    ]
    assert ids[0] == ids[1] == ids[2] != []
    assert len(held_out(path, "all", limit=1000, seed=0).records) == len(rows)
    some = held_out(path, "all", limit=10, seed=0).records
    assert len(some) == 10
    assert [row.id for row in some] == [row.id for row in rows if row in some]


def test_held_out_rows_that_training_asks_too_are_left_out_and_counted(tmp_path: Path) -> None:
    rows = [record(0, session=f"s{n}", id=f"r{n}") for n in range(40)]  # all ask the same
    path = stored(tmp_path / "calls.db", rows)
    found = held_out(path, "test", limit=1000, seed=0)
    assert found.records == []
    assert found.duplicates > 0


def test_too_few_sessions_no_file_and_a_folder_of_something_else(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="1 session cannot be split"):
        held_out(stored(tmp_path / "calls.db", log_rows(1)), "test", limit=10, seed=0)
    with pytest.raises(ConfigurationError, match="the data holds no calls"):
        held_out(stored(tmp_path / "empty.db", []), "test", limit=10, seed=0)
    (tmp_path / "cut.jsonl").write_text('{"id": ')
    with pytest.raises(LogError, match=r"cut\.jsonl:1: not JSON.* --skip-corrupt makes a log"):
        held_out(tmp_path / "cut.jsonl", "test", limit=10, seed=0)
    with pytest.raises(ConfigurationError, match="no such file"):
        held_out(tmp_path / "gone.db", "test", limit=10, seed=0)
    with pytest.raises(ConfigurationError, match=r"no test\.parquet"):
        held_out(tmp_path, "test", limit=10, seed=0)


# --- the command ----------------------------------------------------------------------------------


class Constant(Simulator):
    async def predict(self, *_: Any) -> Outcome:
        return Outcome.success("paid", Provenance.SIMULATED)


constant = Constant()


def run(*arguments: Any) -> Any:
    return CliRunner().invoke(app, ["eval", "simulator", *map(str, arguments)], catch_exceptions=False)


def test_the_command_measures_reports_and_names_the_next_step(tmp_path: Path) -> None:
    path = stored(tmp_path / "calls.db", log_rows(100))
    out = tmp_path / "out"
    done = run(path, "--simulator", "majority", "--out", out, "--no-similarity")
    assert done.exit_code == 0, done.output
    assert "failure recall" in done.output
    assert "artis train simulator" in done.output  # nothing is trusted: more failures are needed
    report = Report.read(out)
    assert report.fidelity.overall.failure_recall.value == 0.0
    assert report.verdicts["trusted"] == 0
    assert {file.name for file in out.iterdir()} == {
        "artis_trust.json",
        "predictions.jsonl",
        "report.html",
        "report.json",
    }


def test_a_folder_of_another_setting_is_refused_with_what_differs(tmp_path: Path) -> None:
    log = stored(tmp_path / "calls.db", log_rows())
    first = ("--simulator", "majority", "--no-similarity", "--out", tmp_path / "out")
    assert run(log, *first).exit_code == 0
    assert run(log, *first).exit_code == 0  # the same goes on
    other = stored(tmp_path / "other.db", log_rows())
    for data, more, there, here in (
        (log, ("--split", "all"), "split test", "split all"),
        (log, ("--seed", "1"), "seed 0", "seed 1"),
        (log, ("--limit", "5"), "limit 20000", "limit 5"),
        (other, (), f"data {log}", f"data {other}"),
    ):
        with pytest.raises(ConfigurationError, match="another folder \\(--out\\)") as refused:
            run(data, *first, *more)
        assert f"holds predictions with {there}, and these are with {here}:" in str(refused.value)


def test_one_json_document_and_a_trusted_tool(tmp_path: Path) -> None:
    harmless = PAY.model_copy(update={"risk": Risk.READ_ONLY})
    rows = [record(n, spec=harmless) for n in range(100)]
    path = stored(tmp_path / "calls.db", rows)
    where = f"python:{__name__}:constant"
    options = ("--split", "all", "--json", "--no-similarity")
    done = run(path, "--simulator", where, "--out", tmp_path / "out", *options)
    found = json.loads(done.stdout)
    assert found["verdicts"] == {"trusted": 1, "doubtful": 0, "unknown": 0}
    assert found["fidelity"]["overall"]["exact"]["value"] == 1.0
    assert Trust.read(tmp_path / "out").of("pay").verdict == "trusted"


bank_tools = pocket_tools(Bank())


def test_checked_is_measured_on_the_real_tools(tmp_path: Path) -> None:
    path = tmp_path / "calls.db"
    write(path, part="held_out", count=6, seed=2, failures=True)
    options = ("--out", tmp_path / "out", "--split", "all", "--json", "--no-similarity")
    name = "checked:artis_sdk.pocket.oracle:desk_of"
    done = run(path, "--simulator", name, *options, "--tools", f"{__name__}:bank_tools")
    overall = json.loads(done.stdout)["fidelity"]["overall"]
    assert overall["failure_recall"]["value"] == overall["exact"]["value"] == 1.0
    with pytest.raises(ConfigurationError, match="pass --tools"):
        run(path, "--simulator", name, *options)


def test_a_simulator_that_is_none_is_an_error(tmp_path: Path) -> None:
    path = stored(tmp_path / "calls.db", log_rows())
    for name, problem in (
        (f"python:{__name__}:NASTY", "is not a Simulator"),
        ("retrieval:" + str(tmp_path / "gone.db"), "no such file"),
        ("nothing:model", "nothing"),
    ):
        with pytest.raises(ConfigurationError, match=problem):
            run(path, "--simulator", name, "--out", tmp_path / "out", "--no-similarity")


def test_logs_without_ground_truth_say_what_they_hold(tmp_path: Path) -> None:
    simulated = record(0, outcome=Outcome.success(1, Provenance.SIMULATED))
    path = stored(tmp_path / "calls.db", [simulated])
    with pytest.raises(ConfigurationError, match="no call of real code to measure on, only 1 simulated"):
        run(path, "--simulator", "majority", "--out", tmp_path / "out", "--split", "all")
    with pytest.raises(ConfigurationError, match="the data holds no calls"):
        run(stored(tmp_path / "empty.db", []), "--simulator", "majority", "--out", tmp_path, "--split", "all")


def test_a_trained_simulator_is_asked_in_its_form_and_the_verdicts_lie_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    form = PromptForm(documents="called", one_call=True, typed=True)
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    templates = {"simulator_system": "Own words.", "simulator_user": "{{ action }}"}
    Trained(base="base", form=form, templates=templates).write(adapter)
    answer = json.dumps({"outputs": [{"ok": True, "value": "paid"}]})
    (tmp_path / "artis.toml").write_text(f"[backends.\"scripted:m\"]\nreplies = ['{answer}', '{answer}']\n")
    path = stored(tmp_path / "calls.db", [record(n) for n in range(2)])
    options = ("--split", "all", "--no-similarity", "--trained", adapter, "--json")
    done = run(path, "--simulator", "scripted:m", "--out", tmp_path / "out", *options)
    found = json.loads(done.stdout)
    assert found["fidelity"]["overall"]["exact"]["value"] == 1.0
    assert found["fidelity"]["usage"]["requests"] == 2
    assert Trust.read(adapter) == Trust.read(tmp_path / "out")


def test_an_answer_that_cannot_be_written_down_is_an_error(tmp_path: Path) -> None:
    path = stored(tmp_path / "calls.db", [record(0)])
    (tmp_path / "out").write_text("a file")
    with pytest.raises(ConfigurationError, match="cannot be written"):
        run(path, "--simulator", "majority", "--out", tmp_path / "out" / "below", "--split", "all")


class Unreadable(Simulator):
    async def predict(self, call: ToolCall, state: State, history: History) -> Outcome:
        raise SimulationError(call.tool, "it wrote prose")


unreadable = Unreadable()


def test_an_evaluation_without_an_answer_ends_with_an_error(tmp_path: Path) -> None:
    path = stored(tmp_path / "calls.db", [record(n) for n in range(3)])
    where = f"python:{__name__}:unreadable"
    with pytest.raises(EvaluationError, match=r"answered none of 3 calls.*it wrote prose"):
        run(path, "--simulator", where, "--out", tmp_path / "out", "--split", "all", "--no-similarity")
    assert not (tmp_path / "out" / "report.json").exists()
    assert not (tmp_path / "out" / "artis_trust.json").exists()
