"""Whether a model judges attempts right whose calls have the request's numbers in other units.

    python benchmarks/judge_units.py llama_cpp:FILE.gguf

Twelve everyday requests of one desk (refunds in cents, bookings in minutes, reminders by date and time), each
with an attempt that does it and one that does it by another amount or at another time.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from typing import Any

from artis_sdk.backends import resolve
from artis_sdk.errors import EvaluationError
from artis_sdk.evals.intervals import share
from artis_sdk.loop.evaluate import ModelEvaluator
from artis_sdk.records import Attempt, Outcome, Provenance, Step, Task, ToolCall
from artis_sdk.tools import Toolset, guarded_tool


@guarded_tool
def refund(order: int, amount: int) -> dict[str, int]:
    """Refund a part of an order.

    Args:
        order: number of the order.
        amount: amount in cents.
    """
    return {"order": order, "refunded": amount}


@guarded_tool
def book(room: str, date: str, start: str, minutes: int) -> dict[str, str]:
    """Book a room.

    Args:
        room: name of the room.
        date: date, YYYY-MM-DD.
        start: time of day, HH:MM.
        minutes: length in minutes.
    """
    return {"booked": room}


@guarded_tool
def remind(date: str, time: str, text: str) -> dict[str, str]:
    """Set a reminder.

    Args:
        date: date, YYYY-MM-DD.
        time: time of day, HH:MM.
        text: text.
    """
    return {"reminder": text}


Case = tuple[str, str, dict[str, Any], dict[str, Any]]
CASES: list[Case] = [
    ("Refund 50 dollars of order 17.", "refund", {"order": 17, "amount": 5000}, {"amount": 500}),
    ("Refund $12.50 of order 8.", "refund", {"order": 8, "amount": 1250}, {"amount": 1200}),
    ("Refund half of the 80 dollars of order 17.", "refund", {"order": 17, "amount": 4000}, {"amount": 8000}),
    ("Refund 20 percent of the 150 euros of order 31.", "refund", {"order": 31, "amount": 3000},
     {"amount": 15000}),
    ("Refund 99 cents of order 5.", "refund", {"order": 5, "amount": 99}, {"amount": 9900}),
    ("Book room Blue for 2 hours on 2026-12-07 at 9:30.", "book",
     {"room": "Blue", "date": "2026-12-07", "start": "09:30", "minutes": 120}, {"minutes": 60}),
    ("Book room Red for 90 minutes on the 7th of December 2026 at 4pm.", "book",
     {"room": "Red", "date": "2026-12-07", "start": "16:00", "minutes": 90}, {"start": "04:00"}),
    ("Book room Red on 2026-12-09 at 10:00 for 1 hour and 15 minutes.", "book",
     {"room": "Red", "date": "2026-12-09", "start": "10:00", "minutes": 75}, {"minutes": 60}),
    ("Book room Green on 8.12.2026 at 10.15 for 30 minutes.", "book",
     {"room": "Green", "date": "2026-12-08", "start": "10:15", "minutes": 30}, {"date": "2026-12-09"}),
    ("Remind me on the 5th of December 2026 at 3pm to call Ann.", "remind",
     {"date": "2026-12-05", "time": "15:00", "text": "call Ann"}, {"time": "16:00"}),
    ("Remind me on December 21st 2026 at 8 a.m. to feed the cat.", "remind",
     {"date": "2026-12-21", "time": "08:00", "text": "feed the cat"}, {"date": "2026-12-20"}),
    ("Remind me on 2026-12-24 at 6:45 pm to light the candles.", "remind",
     {"date": "2026-12-24", "time": "18:45", "text": "light the candles"}, {"time": "06:50"}),
]  # fmt: skip


async def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    options.add_argument("model", help="name of a backend, such as llama_cpp:FILE.gguf")
    judge = ModelEvaluator(resolve(options.parse_args().model, n_ctx=3072, n_threads=1, max_concurrency=1))
    tools = Toolset(refund, book, remind)
    for label in ("right", "wrong"):
        passed = 0
        for query, tool, arguments, wrong in CASES:
            given = arguments if label == "right" else {**arguments, **wrong}
            outcome = Outcome.success(tools[tool](**given), Provenance.SIMULATED)
            step = Step(call=ToolCall(id="c1", tool=tool, arguments=given), outcome=outcome)
            attempt = Attempt(index=0, steps=(step,), answer="Done.")
            try:
                verdict = (await judge.evaluate(Task(query=query, tools=tools.specs), attempt)).correct
            except EvaluationError:
                verdict = False
            passed += verdict
            if verdict != (label == "right"):
                print(f"  {label}, judged otherwise: {query} {json.dumps(given)}", flush=True)
        print(f"{label} attempts judged right: {share(passed, len(CASES))}")


if __name__ == "__main__":
    asyncio.run(main())
