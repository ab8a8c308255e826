"""Foreign logs as call records: messages, spans, runs, session files of agents, and wire logs."""

from artis_sdk.logs.importers.convert import FORMATS, convert, import_file
from artis_sdk.logs.importers.format import TraceFormat

__all__ = ["FORMATS", "TraceFormat", "convert", "import_file"]
