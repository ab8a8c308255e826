"""Call logs: the store, redaction before anything is written, import and export."""

from artis_sdk.logs.call_store import CallStore, Count
from artis_sdk.logs.imported import FileReport, Imported, LeftOut
from artis_sdk.logs.jsonl import export_jsonl, import_jsonl, read_jsonl, row_schema
from artis_sdk.logs.opening import open_call_log
from artis_sdk.logs.parquet import export_parquet, read_parquet
from artis_sdk.logs.redact import Redactor, Rule
from artis_sdk.logs.secret_names import SECRET_NAMES
from artis_sdk.logs.store import CallLog

__all__ = [
    "SECRET_NAMES",
    "CallLog",
    "CallStore",
    "Count",
    "FileReport",
    "Imported",
    "LeftOut",
    "Redactor",
    "Rule",
    "export_jsonl",
    "export_parquet",
    "import_jsonl",
    "open_call_log",
    "read_jsonl",
    "read_parquet",
    "row_schema",
]
