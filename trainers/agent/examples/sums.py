"""Example with one tool (ToRL): sums that are done with a Python interpreter."""

from __future__ import annotations

import math
import random

from artis_sdk.trainers.agent.python_tool import PythonSandbox, python_tools
from artis_sdk.trainers.agent.rollout import AgentTask


def python_tasks(number: int, *, seed: int = 0, sandbox: PythonSandbox | None = None) -> list[AgentTask]:
    """Tasks that need exact arithmetic, each with its exact answer.

    Args:
        number: number of tasks.
        seed: seed of the tasks; two seeds share no draws.
        sandbox: interpreter that runs the code.
    """
    rng = random.Random(f"python {seed}")
    tools = python_tools(sandbox)
    tasks = []
    for n in range(number):
        query, right = rng.choice((_product, _remainder, _divisor, _primes))(rng)
        tasks.append(AgentTask(f"python-{seed}-{n}", query, tools, answer=str(right)))
    return tasks


def _product(rng: random.Random) -> tuple[str, int]:
    a, b = rng.randrange(1000, 100_000), rng.randrange(1000, 100_000)
    return f"What is {a} times {b}?", a * b


def _remainder(rng: random.Random) -> tuple[str, int]:
    base, power, modulus = rng.randrange(2, 50), rng.randrange(20, 200), rng.randrange(100, 1000)
    return f"What is the remainder of {base} to the power {power}, divided by {modulus}?", pow(
        base, power, modulus
    )


def _divisor(rng: random.Random) -> tuple[str, int]:
    common = rng.randrange(2, 100)
    a, b = common * rng.randrange(100, 1000), common * rng.randrange(100, 1000)
    return f"What is the greatest common divisor of {a} and {b}?", math.gcd(a, b)


def _primes(rng: random.Random) -> tuple[str, int]:
    low = rng.randrange(100, 5000)
    high = low + rng.randrange(50, 300)
    count = sum(all(n % d for d in range(2, math.isqrt(n) + 1)) for n in range(low, high + 1))
    return f"How many primes are there from {low} to {high}?", count
