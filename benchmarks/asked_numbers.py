"""How often the numbers of a request are missed in right calls, and noticed in wrong ones; no model.

    python benchmarks/asked_numbers.py

The right calls are BFCL-v3's ground truth, turn by turn of the base tasks. A wrong one has another amount
where the request says one. "As they stand" is the rule without units, limits and shares.
"""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Iterator, Sequence

from artis_sdk.evals.bench.bfcl import guard, load_tasks, parse_ground_truth
from artis_sdk.evals.intervals import share
from artis_sdk.loop.asked_numbers import NUMBER, MadeNumbers, not_made, value_of
from artis_sdk.records import ToolCall

Turn = tuple[str, list[str], list[ToolCall]]


def turns() -> Iterator[Turn]:
    """Requests with numbers, the tools' documents, and the right calls."""
    for task in load_tasks("base"):
        tools = guard(task.instances())
        documents = [str(spec.document()) for spec in tools.specs]
        for query, texts in zip(task.queries, task.ground_truth, strict=True):
            if texts and re.search(r"\d", query):
                yield query, documents, [parse_ground_truth(text, tools) for text in texts]


def other_amounts(query: str, calls: Sequence[ToolCall]) -> Iterator[list[ToolCall]]:
    """The calls, each time with one amount of the request raised by seven."""
    asked = set(map(value_of, NUMBER.findall(query)))
    for n, call in enumerate(calls):
        for name, value in call.arguments.items():
            if isinstance(value, bool) or not isinstance(value, int | float) or value not in asked:
                continue
            changed = call.model_copy(update={"arguments": {**call.arguments, name: value + 7}})
            others = [*calls[:n], changed, *calls[n + 1 :]]
            if value not in _stand(others):  # it does not stand elsewhere
                yield others


def _stand(calls: Sequence[ToolCall]) -> set[object]:
    return {value_of(number) for call in calls for number in NUMBER.findall(json.dumps(dict(call.arguments)))}


def alarms(query: str, documents: list[str], calls: Sequence[ToolCall]) -> tuple[bool, bool]:
    """Whether a number is missing: by the rule as it stands, and by ours."""
    made = MadeNumbers((json.dumps(dict(call.arguments)) for call in calls), (call.tool for call in calls))
    plain = any(value_of(number) not in _stand(calls) for number in NUMBER.findall(query))
    return plain, bool(not_made(query, documents, made)[1])


def main() -> None:
    warnings.filterwarnings("ignore")  # of the environments' own code
    known = list(turns())
    right = [alarms(*turn) for turn in known]
    wrong = [
        alarms(query, documents, calls)
        for query, documents, truth in known
        for calls in other_amounts(query, truth)
    ]
    print("| calls | number | as they stand | with units, limits and shares |\n|---|---|---|---|")
    for name, found in (
        ("right, and a number is missed", right),
        ("another amount, and it is noticed", wrong),
    ):
        plain, ours = (share(sum(each[n] for each in found), len(found)) for n in (0, 1))
        print(f"| {name} | {len(found)} | {plain} | {ours} |")


if __name__ == "__main__":
    main()
