"""The command line of a benchmark that has no options: its figures as lines, or as JSON."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping


def print_figures(
    description: str | None, measure: Callable[[], Mapping[str, float]], line: Callable[[str, float], str]
) -> None:
    """Measure, and print what was found.

    Args:
        description: for `--help`.
        measure: gives the figures by name.
        line: writes one of them.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one JSON document")
    as_json = parser.parse_args().json
    found = measure()
    if as_json:
        print(json.dumps(found, indent=2))
        return
    for name, value in found.items():
        print(line(name, value))
