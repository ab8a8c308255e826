"""The table of formats in the documentation is what the importers do with the files of each format."""

from __future__ import annotations

from pathlib import Path

from helpers.importers import write
from helpers.trace_files import VARIANTS
from logs.test_importers_accounting import EXAMPLE, calls_of, expected
from pydantic import JsonValue

from artis_sdk.logs.importers import FORMATS, convert
from artis_sdk.records import CallRecord

DOCUMENT = Path(__file__).parent.parent.parent / "docs" / "importers.md"


def table(folder: Path) -> str:
    """Records found of calls present, and arguments and outcomes right, by format."""
    lines = [
        "| format | files | calls present | records found | arguments right | outcomes right | left out |"
    ]
    lines.append("|---|---|---|---|---|---|---|")
    for name in FORMATS:
        names, present, found, same, outcomes, left_out = [], 0, 0, 0, 0, 0
        for n, variant in enumerate(v for v in VARIANTS if v.format == name):
            calls = calls_of(variant, EXAMPLE)
            path = write(folder / f"{name}-{n}.jsonl", *variant.write(calls))
            items = list(convert(path, name))
            records = [item for item in items if isinstance(item, CallRecord)]
            shown = [(r.call.tool, r.call.arguments, r.outcome.type, said(r)) for r in records]
            answered = [made for made in calls if made.answered]
            wanted = [(*expected(variant, made), None if made.failed else made.value) for made in answered]
            names.append(variant.name)
            present += len(calls)
            found += len(shown)
            same += sum(a[:2] == b[:2] for a, b in zip(shown, wanted, strict=True))
            outcomes += sum(a == b for a, b in zip(shown, wanted, strict=True))
            left_out += len(items) - len(shown)
        cells = (f"`{name}`", "; ".join(names), present, found, same, outcomes, left_out)
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


def said(record: CallRecord) -> JsonValue:
    """The value of a success."""
    return record.outcome.value if record.outcome.ok else None


def test_the_documented_table_is_the_measured_one(tmp_path: Path) -> None:
    made = table(tmp_path)
    assert made in DOCUMENT.read_text(), f"put this into {DOCUMENT}:\n{made}"
