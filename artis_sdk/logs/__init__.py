"""Call logs: the store, redaction before anything is written, import and export."""

from artis_sdk.logs.names import SECRET_NAMES
from artis_sdk.logs.redact import Redactor, Rule
from artis_sdk.logs.store import CallLog, Count

__all__ = ["SECRET_NAMES", "CallLog", "Count", "Redactor", "Rule"]
