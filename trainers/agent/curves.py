"""Curves of several runs in one plot: `python -m artis_sdk.trainers.agent.curves RUN OTHER > curves.svg`."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from artis_sdk.trainers.agent.plot import plot
from artis_sdk.trainers.agent.run_folder import METRICS


def curves(runs: Sequence[Path]) -> str:
    """An SVG document of the measures of these runs.

    Args:
        runs: folders of the runs.
    """
    lines = {run.name: (run / METRICS).read_text(encoding="utf-8").splitlines() for run in runs}
    return plot({name: [json.loads(line) for line in found] for name, found in lines.items()})


if __name__ == "__main__":
    sys.stdout.write(curves([Path(run) for run in sys.argv[1:]]))
