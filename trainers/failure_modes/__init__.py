"""The ways in which tools can fail, by the reader of `artis_sdk.tools.source_checks`: seen in a log."""

from artis_sdk.trainers.failure_modes.taxonomy import Taxonomy

__all__ = ["Taxonomy"]
