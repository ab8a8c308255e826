"""A small world that ships with the package: a bank with a payments desk, its tools and its failures."""

from artis_sdk.pocket.bank import Bank
from artis_sdk.pocket.desk import Desk, pocket_tools

__all__ = ["Bank", "Desk", "pocket_tools"]
