"""Foreign logs as call records: message transcripts, OpenTelemetry spans, tau2-bench trajectories."""

from artis_sdk.logs.importers.convert import FORMATS, Format, convert, import_file

__all__ = ["FORMATS", "Format", "convert", "import_file"]
