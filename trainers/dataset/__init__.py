"""Training data for a simulator: rows of a call log, split by session and rebalanced."""

from artis_sdk.trainers.dataset.prepare import DataSettings
from artis_sdk.trainers.dataset.rebalance import Rebalance

__all__ = ["DataSettings", "Rebalance"]
