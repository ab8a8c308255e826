"""Our results beside the paper's: its tables 1, 2 and 4 and figures 4, 5 and 6, from result files alone."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from markupsafe import Markup

from artis_sdk.errors import ConfigurationError
from artis_sdk.evals.bench import paper
from artis_sdk.evals.bench.cells import CONTROLS, BenchCell
from artis_sdk.evals.bench.report import Line, accuracy_curve, by_curve, lines, seconds, written_curve
from artis_sdk.evals.bench.rows import read
from artis_sdk.evals.fidelity.records import Fidelity
from artis_sdk.evals.fidelity.report import JSON, Report
from artis_sdk.records import Role, Usage
from artis_sdk.view import markdown
from artis_sdk.view.curves import Curve, Panel, curves
from artis_sdk.view.page import page_template

_TEMPLATE: Final = Path(__file__).parent / "templates" / "compared.html.j2"
_QUANTIZED: Final = re.compile(
    r"(?<![a-z0-9])(i?q\d\w*|bf16|fp?16|fp?32|int[48]|awq|gptq|fp8)(?![a-z0-9])", re.I
)


class WorldRun(NamedTuple):
    """The rows of one folder of `artis bench world` or `artis bench pocket`."""

    folder: Path
    world: str
    agent: str
    """Backend of the agent, without folders."""
    judge: str
    seed: int
    sampling: str
    """Settings of sampling, in words."""
    lines: list[Line]

    @property
    def model(self) -> str:
        """The agent, and the judge where it is another model."""
        return self.agent if self.judge == self.agent else f"{self.agent}, judge {self.judge}"

    @property
    def tasks(self) -> int:
        """The largest number of tasks in a cell."""
        return max((line.rows for line in self.lines), default=0)


class PaperTable(NamedTuple):
    """A table with its words."""

    title: str
    note: str
    head: tuple[str, ...]
    rows: list[tuple[object, ...]]


class PaperFigure(NamedTuple):
    """A figure with its words."""

    title: str
    note: str
    plot: Markup


def read_runs(folders: Iterable[Path]) -> tuple[list[WorldRun], list[tuple[Path, Fidelity]]]:
    """The results in some folders: of worlds (`rows.jsonl`) and of simulators (`report.json`).

    Raises:
        ConfigurationError: a folder holds neither, or a file that cannot be read.
    """
    runs: list[WorldRun] = []
    fidelity: list[tuple[Path, Fidelity]] = []
    for folder in folders:
        if (folder / "rows.jsonl").exists() and (folder / "settings.json").exists():
            runs.append(_run(folder))
        elif (folder / JSON).exists():
            try:
                report = Report.model_validate_json((folder / JSON).read_bytes())
            except ValueError as error:
                raise ConfigurationError(f"{folder / JSON} is no fidelity report: {error}") from error
            fidelity.append((folder, report.fidelity))
        else:
            raise ConfigurationError(
                f"{folder} holds no results: pass folders that `artis bench world`, `artis bench pocket` "
                "or `artis eval simulator` wrote"
            )
    return runs, fidelity


def _run(folder: Path) -> WorldRun:
    settings = json.loads((folder / "settings.json").read_bytes())
    agent = _short(settings.get("agent", "the pocket model"))
    return WorldRun(
        folder,
        settings.get("world", "pocket, its own model"),
        agent,
        _short(settings.get("judge", agent)),
        settings.get("seed", 0),
        "; ".join(map(_sampled, settings.get("sampling", {}).items())) or "none recorded",
        lines(read(folder / "rows.jsonl")),
    )


def _sampled(of: tuple[str, dict[str, float]]) -> str:
    role, given = of
    return f"{role}: " + ", ".join(f"{name.replace('_', ' ')} {value:g}" for name, value in given.items())


def _short(backend: str) -> str:
    return backend.rpartition("/")[2] if "/" in backend else backend


# --- tables -----------------------------------------------------------------------------------


def differences(runs: Sequence[WorldRun]) -> PaperTable:
    """What is the same and what is not."""
    head = (
        "run",
        "world",
        "agent",
        "quantization",
        "judge and advisor",
        "sampling",
        "tasks",
        "drawn",
        "attempts",
    )
    rows: list[tuple[object, ...]] = [
        (
            "paper",
            "bfcl-base and others",
            "Qwen3-8B (tables 2 and 4)",
            "not said",
            "the agent's model",
            "agent: temperature 1.0; others 0.01",
            f"{paper.TASKS} a category",
            "all",
            f"{paper.ATTEMPTS}; table 4 up to 15",
        )
    ]
    for run in runs:
        quantized = _QUANTIZED.search(run.agent)
        tried = sorted({line.cell.n for line in run.lines if line.cell.n})
        rows.append(
            (
                run.folder.name,
                run.world,
                run.agent,
                quantized[0] if quantized else "not in its name",
                run.judge,
                run.sampling,
                run.tasks,
                f"held-out, seed {run.seed}",
                ", ".join(map(str, tried)) or "–",
            )
        )
    note = (
        "The same: methods and prompts' fields, the world's own check, where a world is named alike. The "
        "paper acts once per turn and never retries; `retries` are ours, and `style` may be."
    )
    return PaperTable("What is the same, and what differs", note, head, rows)


def table_1(runs: Sequence[WorldRun]) -> PaperTable:
    """Table 1: accuracy by method and world."""
    others = list(dict.fromkeys(run.world for run in runs if run.world not in paper.COLUMNS.values()))
    head = ("model", "method", "N", "Overall", *paper.COLUMNS, "Process", *others)
    rows: list[tuple[object, ...]] = [
        (
            f"paper: {model}",
            method,
            paper.ATTEMPTS if method != "direct" else 0,
            *map(_one, shown),
            *_none(others),
        )
        for model, methods in paper.TABLE_1.items()
        for method, shown in methods.items()
    ]
    worlds = [*paper.COLUMNS.values(), *others]
    for model in dict.fromkeys(run.model for run in runs):
        mine = [run for run in runs if run.model == model]
        for name, n in dict.fromkeys((line.cell.curve, line.cell.n) for run in mine for line in run.lines):
            found = {
                run.world: line
                for run in mine
                for line in run.lines
                if (line.cell.curve, line.cell.n) == (name, n)
            }
            shown = [_share(found.get(world)) for world in worlds]
            scored = found.get(paper.COLUMNS["End-to-End"])
            process = "–" if scored is None or scored.score is None else f"{scored.score}, n {scored.rows}"
            rows.append((model, name, n, _overall(found), *shown[:5], process, *shown[5:]))
    note = "Accuracy in percent, ours with 95 percent intervals and n, the number of tasks."
    return PaperTable("Table 1: accuracy", note, head, rows)


def _overall(found: dict[str, Line]) -> str:
    four = [found[world].accuracy.value for world in list(paper.COLUMNS.values())[:4] if world in found]
    known = [value for value in four if value is not None]
    return _one(100 * sum(known) / 4) if len(known) == 4 else "–"


def _share(line: Line | None) -> str:
    return "–" if line is None else f"{line.accuracy}, n {line.rows}"


def _one(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}".removesuffix("0")


def _none(columns: Sequence[str]) -> list[str]:
    return ["–"] * len(columns)


def table_2(runs: Sequence[WorldRun], fidelity: Sequence[tuple[Path, Fidelity]]) -> PaperTable:
    """Table 2: what simulators are worth, by tasks and by their predictions."""
    measures = ("exact", "failure recall", "failure precision")
    head = ("simulator", "from", "accuracy", "similarity", "HF ratio", *measures)
    rows: list[tuple[object, ...]] = [
        (name, "paper: bfcl-base", *map(_one, shown), *_none(measures))
        for name, shown in paper.TABLE_2.items()
    ]
    for run in runs:
        for line in run.lines:
            if line.cell.simulator and line.cell.method == "sequential" and line.cell.without is None:
                where = f"{run.world}, {run.model}, N = {line.cell.n}"
                rows.append((line.cell.simulator, where, _share(line), *_none(measures), "–", "–"))
    for folder, one in fidelity:
        shown = (one.overall.similarity, one.overall.high_fidelity, one.overall.exact)
        failed = (one.overall.failure_recall, one.overall.failure_precision)
        rows.append((one.simulator, f"{folder.name}, n {one.overall.rows}", "–", *shown, *failed))
    note = (
        "Accuracy of sequential rehearsal in percent; the other columns are of predictions of held-out calls."
    )
    return PaperTable("Table 2: simulators", note, head, rows)


def table_4(runs: Sequence[WorldRun]) -> PaperTable:
    """Table 4: calls and tokens, a task."""
    parts = [f"{what}: {role}" for what in ("calls", "written", "read") for role in ("all", "agent", "judge")]
    head = ("model", "world", "method", "N", "accuracy", *parts, "CPU s")
    rows: list[tuple[object, ...]] = []
    for method, costs in paper.TABLE_4.items():
        for cost in costs:
            counted = [f"{count / paper.TASKS:.1f}" for count in cost.calls]
            tokens = [f"{1000 * k / paper.TASKS:,.0f}" for k in (*cost.completion, *cost.prompt)]
            rows.append(
                ("paper: Qwen3-8B", "bfcl-base", method, cost.n, _one(cost.accuracy), *counted, *tokens, "–")
            )
    for run in runs:
        for line in _measured(run):
            used = [sum(line.usage.values(), Usage()), *(line.usage.get(r, Usage()) for r in _JUDGED)]
            rows.append(
                (
                    run.model,
                    run.world,
                    line.cell.curve,
                    line.cell.n,
                    _share(line),
                    *(f"{one.requests / line.rows:.1f}" for one in used),
                    *(f"{one.completion_tokens / line.rows:,.0f}" for one in used),
                    *(f"{one.prompt_tokens / line.rows:,.0f}" for one in used),
                    seconds(line.cpu_seconds),
                )
            )
    note = (
        f"Calls of a model and tokens a task (the paper's sums by its {paper.TASKS} tasks): all roles, "
        "the agent's, and the judge's. What remains of all is the simulator's and the summary's. CPU seconds "
        "a task of all roles, where an engine in the process computed."
    )
    return PaperTable("Table 4: cost", note, head, rows)


_JUDGED: Final = (Role.ACTION, Role.EVALUATION)


def _measured(run: WorldRun) -> Iterator[Line]:
    return (line for line in run.lines if line.cell.method not in CONTROLS)


# --- figures ----------------------------------------------------------------------------------


def figure_4(runs: Sequence[WorldRun]) -> PaperFigure:
    """Figure 4: stages left out."""
    wanted = {line.cell.simulator for run in runs for line in run.lines if line.cell.without}
    found = _by_curve(runs, lambda cell: cell.method == "sequential" and cell.simulator in wanted)
    drawn = [_paper("ARTIS (Sequential)"), *(accuracy_curve(*one) for one in found.items())]
    note = "Of the paper only the whole method is known in numbers; its other curves are drawn, not printed."
    note += "" if wanted else " No run left a stage out (`--without evaluation,summary,both`)."
    return _figure("Figure 4: stages left out", note, [Panel("accuracy, percent", drawn, "attempts N")])


def figure_5(runs: Sequence[WorldRun]) -> PaperFigure:
    """Figure 5: accuracy and tokens over the number of attempts."""
    theirs = ("ARTIS (Sequential)", "Sequential Revision")
    found = _by_curve(runs, lambda cell: cell.without is None)
    accuracy = [*map(_paper, theirs), *(accuracy_curve(*one) for one in found.items())]
    written = [*map(_paper_written, theirs), *(written_curve(*one) for one in found.items())]
    note = "N = 0 is direct execution, with the fewest retries that were played. Intervals of 95 percent."
    panels = [
        Panel("accuracy, percent", accuracy, "attempts N"),
        Panel("completion tokens a task, thousands", written, "attempts N"),
    ]
    return _figure("Figure 5: scaling", note, panels)


def figure_6(runs: Sequence[WorldRun]) -> PaperFigure:
    """Figure 6: judges, by the share of attempts that they pass."""
    points = [
        Curve(
            f"{run.world}: {line.cell.curve}, N = {line.cell.n}, judge {run.judge}",
            [(100 * line.passed / line.judged, 100 * line.accuracy.value)],
        )
        for run in runs
        for line in run.lines
        if line.judged and line.accuracy.value is not None
    ]
    note = "Each point is a setting. The paper draws its points and prints no numbers."
    note += "" if points else " No run has judged attempts."
    panel = Panel("accuracy, percent", points, "attempts judged right, percent", (0, 25, 50, 75, 100))
    return _figure("Figure 6: judges", note, [panel] if points else [])


def _figure(title: str, note: str, panels: Sequence[Panel]) -> PaperFigure:
    return PaperFigure(
        title, note, Markup(curves(panels)) if panels else Markup()
    )  # made of escaped elements


def _paper(name: str) -> Curve:
    costs = (*paper.TABLE_4["direct"], *paper.TABLE_4[name])
    return Curve(f"paper: {name}", [(cost.n, cost.accuracy) for cost in costs])


def _paper_written(name: str) -> Curve:
    costs = (*paper.TABLE_4["direct"], *paper.TABLE_4[name])
    return Curve(f"paper: {name}", [(cost.n, cost.completion[0] / paper.TASKS) for cost in costs])


def _by_curve(runs: Sequence[WorldRun], wanted: Callable[[BenchCell], bool]) -> dict[str, list[Line]]:
    return {
        f"{run.model}, {run.world}: {name}": several
        for run in runs
        for name, several in by_curve(run.lines).items()
        if wanted(several[-1].cell)
    }


# --- the whole --------------------------------------------------------------------------------


class Comparison(NamedTuple):
    """Everything beside each other."""

    tables: list[PaperTable]
    figures: list[PaperFigure]

    def markdown(self) -> str:
        """The tables as Markdown."""
        parts = [
            f"## {one.title}\n\n{one.note}\n\n{markdown.table(one.head, one.rows)}\n" for one in self.tables
        ]
        return "\n".join(parts)

    def page(self, title: str) -> str:
        """One file without scripts and without links to elsewhere."""
        shown = {"title": title, "tables": self.tables, "figures": self.figures}
        return page_template(_TEMPLATE).render(**shown)


def compared(folders: Sequence[Path]) -> Comparison:
    """The results in some folders beside the paper's.

    Raises:
        ConfigurationError: a folder holds no results.
    """
    runs, fidelity = read_runs(folders)
    tables = [differences(runs), table_1(runs), table_2(runs, fidelity), table_4(runs)]
    return Comparison(tables, [figure_4(runs), figure_5(runs), figure_6(runs)])
