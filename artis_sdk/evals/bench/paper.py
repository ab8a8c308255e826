"""Figures of the ARTIS paper (arXiv 2602.01709), to stand beside ours; none of those that it only draws."""

from __future__ import annotations

from typing import Final, NamedTuple

TASKS: Final = 200
"""Tasks of each BFCL category, which tables 1, 2 and 4 are about."""
ATTEMPTS: Final = 5
"""N of tables 1 and 2."""

COLUMNS: Final = {
    "Base": "bfcl-base",
    "Miss Func": "bfcl-miss_func",
    "Miss Param": "bfcl-miss_param",
    "Long Context": "bfcl-long_context",
    "End-to-End": "acebench-en",
}
"""Our worlds by column of table 1. *Overall* is the mean of the first four, *Process* ACEBench's score."""

TABLE_1: Final[dict[str, dict[str, tuple[float, ...]]]] = {
    "Qwen3-8B": {
        "direct": (12.88, 21.0, 11.5, 9.5, 9.5, 10.0, 14.6),
        "Weighted BoN": (15.5, 24.0, 16.0, 10.5, 11.5, 15.0, 17.6),
        "Sequential Revision": (16.5, 25.5, 16.5, 12.5, 11.5, 20.0, 20.0),
        "ARTIS (Parallel)": (17.75, 27.5, 11.5, 16.0, 16.0, 35.0, 43.1),
        "ARTIS (Sequential)": (18.75, 29.5, 16.5, 12.5, 16.5, 40.0, 52.1),
    },
    "Qwen3-14B": {
        "direct": (18.75, 29.0, 18.0, 12.0, 16.0, 45.0, 54.2),
        "Weighted BoN": (21.0, 34.0, 20.5, 12.0, 17.5, 55.0, 55.8),
        "Sequential Revision": (24.25, 36.5, 20.0, 19.0, 21.5, 50.0, 50.0),
        "ARTIS (Parallel)": (22.5, 36.0, 20.0, 17.0, 17.0, 55.0, 55.6),
        "ARTIS (Sequential)": (25.75, 36.5, 26.5, 20.5, 19.5, 60.0, 63.3),
    },
    "Qwen3-32B": {
        "direct": (21.75, 30.5, 23.5, 17.0, 16.0, 20.0, 20.0),
        "Weighted BoN": (24.0, 36.0, 23.0, 20.0, 17.0, 20.0, 21.3),
        "Sequential Revision": (27.0, 35.5, 27.0, 22.0, 23.5, 15.0, 25.0),
        "ARTIS (Parallel)": (28.75, 41.0, 27.5, 21.0, 25.5, 25.0, 26.3),
        "ARTIS (Sequential)": (30.5, 41.0, 34.5, 24.0, 22.5, 35.0, 36.3),
    },
}
"""Percent by model and method: overall, base, miss func, miss param, long context; end to end, process."""

TABLE_2: Final[dict[str, tuple[float, float | None, float | None]]] = {
    "Qwen3-8B, untrained": (25.5, 86.0, 52.6),
    "Qwen3-8B, untrained, thinking": (21.0, 88.1, 58.1),
    "Llama3.1-8B-Instruct, normal training": (27.0, 97.7, 93.4),
    "Llama3.1-8B-Instruct, failure-driven": (29.5, 98.2, 95.4),
    "Qwen3-8B, failure-driven": (27.0, 98.3, 94.5),
    "perfect": (30.5, None, None),
}
"""Percent by simulator, with Qwen3-8B as the agent on base: accuracy, similarity, HF ratio."""


class Cost(NamedTuple):
    """A row of table 4: Qwen3-8B on all tasks of base. Counts are of all tasks, tokens in thousands."""

    n: int
    accuracy: float
    calls: tuple[int, int, int]
    """Total, of the agent, of self-evaluation."""
    completion: tuple[int, int, int]
    prompt: tuple[int, int, int]


TABLE_4: Final[dict[str, tuple[Cost, ...]]] = {
    "direct": (Cost(0, 21.0, (2497, 2497, 0), (80, 80, 0), (15168, 15168, 0)),),
    "Sequential Revision": (
        Cost(1, 23.0, (5372, 2686, 2686), (718, 87, 631), (48922, 16471, 32451)),
        Cost(3, 23.5, (14588, 7475, 7113), (2339, 333, 2005), (207516, 87190, 120326)),
        Cost(5, 25.5, (26322, 13245, 13077), (3659, 494, 3165), (322449, 167564, 154885)),
        Cost(8, 27.0, (39752, 20176, 19576), (5697, 814, 4883), (545918, 287325, 258592)),
        Cost(10, 25.5, (51034, 25871, 25163), (6745, 957, 5788), (684898, 356717, 328180)),
        Cost(12, 23.0, (61240, 31124, 30116), (8036, 1181, 6855), (797877, 405014, 392863)),
        Cost(15, 24.0, (76819, 39048, 37771), (10770, 1607, 9163), (987347, 506331, 481015)),
    ),
    "ARTIS (Sequential)": (
        Cost(1, 25.0, (8124, 4816, 745), (799, 466, 171), (54489, 29480, 8759)),
        Cost(3, 28.5, (17435, 9425, 2235), (1795, 961, 503), (128046, 63458, 26328)),
        Cost(5, 29.5, (25809, 13676, 3725), (2689, 1415, 830), (199866, 100756, 43880)),
        Cost(8, 29.0, (38470, 19854, 5960), (4643, 2567, 1331), (321349, 166649, 70227)),
        Cost(10, 30.5, (46940, 24097, 7450), (5469, 3021, 1658), (408435, 217814, 87796)),
        Cost(12, 27.5, (55716, 28471, 8940), (6023, 3076, 2004), (506222, 278984, 105199)),
        Cost(15, 29.5, (64357, 32814, 11166), (7094, 3446, 2433), (589988, 329894, 130151)),
    ),
}
