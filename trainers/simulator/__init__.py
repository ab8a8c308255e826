"""Training a simulator: supervised fine-tuning of an adapter on the rows of a call log."""

from artis_sdk.trainers.simulator.settings import SFTSettings
from artis_sdk.trainers.simulator.train import TrainedAdapter, train_simulator

__all__ = ["SFTSettings", "TrainedAdapter", "train_simulator"]
