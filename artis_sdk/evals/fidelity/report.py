"""A fidelity report for people (HTML) and programs (JSON), with the trust file beside it."""

from __future__ import annotations

import os
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from markupsafe import Markup
from pydantic import BaseModel

from artis_sdk.errors import ConfigurationError
from artis_sdk.evals.fidelity import plots as report_plots
from artis_sdk.evals.fidelity.records import Fidelity, ToolScores
from artis_sdk.evals.intervals import Estimate
from artis_sdk.records import Outcome
from artis_sdk.records.calls import FROZEN
from artis_sdk.simulators.saved import read_saved
from artis_sdk.simulators.trust import Trust
from artis_sdk.view.page import page_template
from artis_sdk.visible import shortened

HTML: Final = "report.html"
JSON: Final = "report.json"

_TEMPLATE = Path(__file__).parent / "templates" / "fidelity.html.j2"
_SHOWN = 25  # tools in a plot
_LONG = 400  # characters of an outcome that are shown


class Report(BaseModel):
    """A measurement and its verdicts."""

    model_config = FROZEN

    fidelity: Fidelity
    trust: Trust

    @property
    def verdicts(self) -> dict[str, int]:
        """Number of tools that are trusted, doubtful and unknown."""
        counts = Counter(tool.verdict for tool in self.trust.tools.values())
        return {verdict: counts[verdict] for verdict in ("trusted", "doubtful", "unknown")}

    def write(self, folder: str | os.PathLike[str]) -> Path:
        """Write `report.html`, `report.json` and the trust file into a folder. Returns the HTML file.

        Raises:
            ConfigurationError: a file cannot be written.
        """
        where = Path(folder)
        try:
            where.mkdir(parents=True, exist_ok=True)
            (where / JSON).write_text(self.model_dump_json(indent=2) + "\n", encoding="utf-8")
            (where / HTML).write_text(self.html(), encoding="utf-8")
        except OSError as error:
            raise ConfigurationError(f"{where} cannot be written: {error.strerror}") from error
        self.trust.write(where)
        return where / HTML

    @classmethod
    def read(cls, folder: str | os.PathLike[str]) -> Report:
        """Read a report back.

        Raises:
            ConfigurationError: the file is missing or is not a report.
        """
        path = Path(folder) / JSON
        return read_saved(cls, path, what="a fidelity report", advice="`artis eval simulator` writes it")

    def html(self) -> str:
        """The report as one file without scripts and without links to elsewhere."""
        fidelity = self.fidelity
        template = page_template(_TEMPLATE, percent=percent, between=between, seen=seen)
        return template.render(
            report=self,
            fidelity=fidelity,
            overall=fidelity.overall,
            trust=self.trust,
            day=datetime.fromtimestamp(self.trust.made, UTC).date() if self.trust.made else None,
            verdicts=self.verdicts,
            tools=self.tools,
            recall_plot=self._recall_plot(),
            histogram=report_plots.histogram(fidelity.histogram) if fidelity.histogram else None,
            reliability=report_plots.reliability(fidelity.calibration.bins) if fidelity.calibration else None,
        )

    @property
    def tools(self) -> list[ToolScores]:
        """The tools in order of need for a look: doubtful, unknown, trusted; most failures first."""
        order = {"doubtful": 0, "unknown": 1, "trusted": 2}
        return sorted(
            self.fidelity.tools,
            key=lambda tool: (order[self.trust.of(tool.tool).verdict], -tool.scores.failures, tool.tool),
        )

    def _recall_plot(self) -> Markup | None:
        failing = [tool for tool in self.tools if tool.scores.failures]
        rows = [
            (tool.tool, tool.scores.failure_recall, self.trust.of(tool.tool).verdict)
            for tool in failing[:_SHOWN]
        ]
        return report_plots.interval_bars(rows) if rows else None


def percent(found: Estimate) -> str:
    """`93.4`, or a dash."""
    return "–" if found.value is None else f"{found.value:.1%}".removesuffix("%")


def between(found: Estimate) -> str:
    """`91.0 to 95.2`, or nothing."""
    if found.low is None or found.high is None:
        return ""
    return f"{found.low * 100:.1f} to {found.high * 100:.1f}"


def seen(outcome: Outcome | None) -> str:
    """The caller's view of an outcome, cut to fit a table."""
    if outcome is None:
        return "no prediction"
    return shortened(outcome.text(), _LONG)
