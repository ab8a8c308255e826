"""A small world that ships with the package: a bank with a payments desk, its tools and its failures.

`weights` says where the pocket model's files are, `tasks` makes the tasks, `oracle` checks final states, and
`play` has the engines and simulators. `artis_sdk.evals.bench` plays the tasks through a Session.
"""

from artis_sdk.pocket.bank import Bank
from artis_sdk.pocket.chat import pocket_prompts
from artis_sdk.pocket.desk import Desk, pocket_tools

__all__ = ["Bank", "Desk", "pocket_prompts", "pocket_tools"]
