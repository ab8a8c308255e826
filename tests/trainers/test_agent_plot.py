"""Curves of runs, alone and over each other."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from artis_sdk.trainers.agent.curves import curves
from artis_sdk.trainers.agent.plot import plot, series

SVG = "{http://www.w3.org/2000/svg}"


def history(*rewards: float) -> list[dict[str, float]]:
    return [{"step": n + 1, "reward": reward} for n, reward in enumerate(rewards)]


def lines(drawn: str) -> list[list[tuple[float, float]]]:
    """The points of each line, in pixels."""
    found = ElementTree.fromstring(drawn).iter(f"{SVG}polyline")
    pairs = [line.attrib["points"].split() for line in found]
    return [[(float(x), float(y)) for x, y in (pair.split(",") for pair in points)] for points in pairs]


def test_a_step_logged_twice_counts_once_and_others_are_left_out() -> None:
    entries = [
        {"step": 2, "reward": 1.0},
        {"step": 1, "reward": 0.5},
        {"step": 2, "reward": 2.0},
        {"loss": 1.0},
    ]
    assert series(entries, "reward") == [(1, 0.5), (2, 2.0)]


def test_one_run_with_its_moving_mean() -> None:
    raw, mean = lines(plot({"run": history(*[0.0, 1.0] * 10)}))
    assert len(raw) == len(mean) == 20
    assert len({y for _, y in raw}) == 2
    (middle,) = {y for _, y in mean[9:]}  # half of them are 1
    assert middle == pytest.approx(sum({y for _, y in raw}) / 2, abs=0.1)
    assert "run" not in plot({"run": history(1.0)})


def test_runs_over_each_other_share_their_scale(tmp_path: Path) -> None:
    for name, reward in (("on & up", 2.0), ("off", 1.0)):
        (tmp_path / name).mkdir()
        text = "\n".join(json.dumps(entry) for entry in history(0.0, reward))
        (tmp_path / name / "metrics.jsonl").write_text(text + "\n")
    drawn = curves([tmp_path / "on & up", tmp_path / "off"])
    on, off = lines(drawn)
    assert on[0] == off[0]
    assert on[1][0] == off[1][0]
    assert on[0][1] - on[1][1] == pytest.approx(2 * (off[0][1] - off[1][1]), abs=0.2)
    texts = [text.text for text in ElementTree.fromstring(drawn).iter(f"{SVG}text")]
    assert texts[:2] == ["on & up", "off"]
