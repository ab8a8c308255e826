"""Verdicts on tools from a measurement, for a Session's trust gate (`artis_sdk.simulators.trust`).

A simulator that misses failures makes an agent worse, not better (figure 1). So a tool is trusted only
by the lower end of its confidence interval: few rows never suffice.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from artis_sdk.evals.fidelity.records import Fidelity, ToolScores
from artis_sdk.evals.intervals import Estimate, share
from artis_sdk.records import Risk
from artis_sdk.records.brief import count
from artis_sdk.records.calls import FROZEN
from artis_sdk.simulators.trust import ToolTrust, Trust, Verdict


class TrustRules(BaseModel):
    """Thresholds for the lower ends of a tool's 95 percent intervals."""

    model_config = FROZEN

    min_rows: int = Field(default=20, ge=1)
    """Number of held-out calls below which a tool is unknown."""
    min_failures: int = Field(default=5, ge=1)
    """Number of held-out failures below which failure recall decides nothing, and an irreversible tool is
    unknown: no data is no proof that it cannot fail."""
    failure_recall: float = Field(default=0.5, ge=0.0, le=1.0)
    """Share of real failures that must be predicted with their type."""
    rare_failures: float = Field(default=0.05, ge=0.0, le=1.0)
    """Largest upper end of the failure share with which a tool with fewer failures than `min_failures`
    passes."""
    fidelity: float = Field(default=0.7, ge=0.0, le=1.0)
    """Share of predictions that must be faithful."""
    faithful: Literal["high_fidelity", "exact"] = "high_fidelity"
    """Measure of faithfulness: similarity above 0.95, or equal outcomes. Without measured similarity
    always the latter."""


def judge(fidelity: Fidelity, rules: TrustRules | None = None) -> Trust:
    """The verdict on each tool of a measurement.

    `trusted`: enough rows, and every lower bound reaches its threshold. `doubtful`: a lower bound does
    not. `unknown`: too few rows, or too few failures to estimate how many it would miss.

    Args:
        fidelity: the measurement.
        rules: thresholds; by default ours.
    """
    rules = rules or TrustRules()
    tools = {
        tool.tool: _judge_tool(tool, rules, measured=fidelity.encoder is not None) for tool in fidelity.tools
    }
    numbers = {name: value for name, value in rules.model_dump().items() if not isinstance(value, str)}
    return Trust(
        simulator=fidelity.simulator,
        measured=fidelity.measured,
        tools=tools,
        made=fidelity.made,
        rules=numbers,
    )


def _judge_tool(tool: ToolScores, rules: TrustRules, *, measured: bool) -> ToolTrust:
    scores = tool.scores
    if scores.rows < rules.min_rows:
        others = f"; {tool.other_source:,} of another source do not count" if tool.other_source else ""
        said = f"{count(scores.rows, 'held-out call')}, {rules.min_rows} needed{others}"
        return _verdict(tool, "unknown", said)
    exact = rules.faithful == "exact" or not measured
    faithful, name = (scores.exact, "exact match") if exact else (scores.high_fidelity, "HF ratio")
    doubts = [_below(faithful, rules.fidelity, name)]
    if scores.failures >= rules.min_failures:
        doubts.append(_below(scores.failure_recall, rules.failure_recall, "failure recall"))
    found = tuple(doubt for doubt in doubts if doubt is not None)
    if found:
        return _verdict(tool, "doubtful", *found)
    if scores.failures < rules.min_failures and tool.risk is Risk.IRREVERSIBLE:
        return _verdict(
            tool,
            "unknown",
            f"it is irreversible, and {count(scores.failures, 'held-out failure')} cannot show that its "
            f"failures are predicted: {rules.min_failures} needed (`artis generate` makes them)",
        )
    could_fail = share(scores.failures, scores.rows).high or 0.0
    if scores.failures < rules.min_failures and could_fail > rules.rare_failures:
        return _verdict(
            tool,
            "unknown",
            f"{count(scores.failures, 'held-out failure')} in {scores.rows} calls, {rules.min_failures} "
            "needed to know how many it misses",
        )
    return _verdict(tool, "trusted")


def _verdict(tool: ToolScores, verdict: Verdict, *reasons: str) -> ToolTrust:
    return ToolTrust(verdict=verdict, reasons=reasons, source_hash=tool.source_hash)


def _below(found: Estimate, wanted: float, what: str) -> str | None:
    if found.value is None or found.low is None or found.low >= wanted:
        return None
    return f"{what} {found.value:.0%} of {found.n}, at least {found.low:.0%}; {wanted:.0%} needed"
