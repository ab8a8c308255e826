"""Tasks for training an agent: the shipped examples, and the caller's own."""

from artis_sdk.trainers.agent.examples.lookup import Register, lookup_tasks, lookup_tools
from artis_sdk.trainers.agent.examples.registry import Tasks, load_tasks
from artis_sdk.trainers.agent.examples.shop import Shop, shop_tasks, shop_tools
from artis_sdk.trainers.agent.examples.sums import python_tasks

__all__ = [
    "Register",
    "Shop",
    "Tasks",
    "load_tasks",
    "lookup_tasks",
    "lookup_tools",
    "python_tasks",
    "shop_tasks",
    "shop_tools",
]
