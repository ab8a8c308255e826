"""What `import artis_sdk` costs beside `import pydantic` with one model.

    python benchmarks/imports.py [--json]

CPU of fresh interpreters, taking turns; the best of many of each counts, less that of an empty one.
"""

from __future__ import annotations

import resource
import subprocess
import sys

from figures import print_figures

ROUNDS = 15
PROGRAMS = {
    "nothing": "pass",
    "pydantic with one model": "import pydantic\nclass M(pydantic.BaseModel):\n    a: int",
    "artis_sdk": "import artis_sdk",
    "artis_sdk, a guarded tool": "from artis_sdk import guarded_tool\n@guarded_tool\ndef f(): pass",
    "artis_sdk, every name": "import artis_sdk\nfor n in artis_sdk.__all__: getattr(artis_sdk, n)",
}


def cpu(program: str) -> float:
    """Seconds of CPU of one fresh interpreter."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", program], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def measure() -> dict[str, float]:
    """Milliseconds of each, and the ratio that counts."""
    best = {name: float("inf") for name in PROGRAMS}
    for _ in range(ROUNDS):
        for name, program in PROGRAMS.items():
            best[name] = min(best[name], cpu(program))
    empty = best.pop("nothing")
    found = {name: 1e3 * (seconds - empty) for name, seconds in best.items()}
    pydantic = found["pydantic with one model"]
    return {**found, **{f"{name} / pydantic": found[name] / pydantic for name in best if "artis" in name}}


def line(name: str, value: float) -> str:
    """A ratio, or milliseconds."""
    return f"{name:38} {value:7.2f}{'' if '/ pydantic' in name else ' ms'}"


if __name__ == "__main__":
    print_figures(__doc__, measure, line)
