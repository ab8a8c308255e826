"""OpenTelemetry spans of what a session does."""

from artis_sdk.traces.spans import Traces

__all__ = ["Traces"]
