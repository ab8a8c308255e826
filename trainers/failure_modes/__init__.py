"""The ways in which tools can fail: read from their source, and seen in a log."""

from artis_sdk.trainers.failure_modes.taxonomy import Taxonomy

__all__ = ["Taxonomy"]
