"""CPU time of reading answers: usual ones of 4 kB, and hostile ones of 1 MB against half of them.

`python benchmarks/read_answers.py` prints a table. Reading is linear if the last column is near 2.
"""

from __future__ import annotations

import time

from artis_sdk.backends.tool_formats import read_answer
from artis_sdk.backends.tool_formats.hermes import HERMES
from artis_sdk.records import ToolSpec

WORDS = "The account of Bob was paid, and pay shows 5 euros. " * 78
CALL = '<tool_call>{"name": "pay", "arguments": {"to": "bob"}}</tool_call>'
USUAL = {
    "words": WORDS,
    "a thought and a call": f"<think>{WORDS}</think>{CALL}",
    "a long argument": CALL.replace("bob", "x" * 3900),
    "bare JSON": f'{{"name": "pay", "arguments": {{"to": "{"x" * 3900}"}}}}',
    "tags": "<tool_call><function=pay><parameter=to>\n"
    + "x y\n" * 970
    + "</parameter></function></tool_call>",
}
HOSTILE = (
    "<tool_call>", "<tool_call>{", '{"name": "pay",', '{"a":', "[", "<think>", "</think>", "<function=pay>",
    "<parameter=to>", "</parameter>", "<tool_call>pay<arg_key>a</arg_key>", "[TOOL_CALLS]", "pay(",
    "```json\n{", "<|channel|>commentary to=functions.pay<|message|>{", "<|tool_call>call:pay{a:",
    "<TOOLCALL>[", " ", "\n",
)  # fmt: skip
TOOLS = tuple(
    ToolSpec(name=name, parameters={"type": "object", "properties": {"to": {"type": "string"}}})
    for name in ("pay", "close_account", "list_accounts", "delete_logs", "write_file")
)
SIZE = 1_000_000  # characters


def milliseconds(text: str, runs: int) -> float:
    """The best of so many runs."""
    best = float("inf")
    for _ in range(runs):
        start = time.process_time()
        read_answer(text, TOOLS, HERMES)
        best = min(best, time.process_time() - start)
    return best * 1000


def main() -> None:
    print("| 4 kB | ms |\n|---|---|")
    for name, text in USUAL.items():
        print(f"| {name} | {milliseconds(text, 20):.2f} |")
    print("\n| 1 MB of | ms | of 0.5 MB, ms | ratio |\n|---|---|---|---|")
    for piece in HOSTILE:
        whole, half = (milliseconds("pay " + piece * (size // len(piece)), 3) for size in (SIZE, SIZE // 2))
        print(f"| `{piece!r}` | {whole:.0f} | {half:.0f} | {whole / half:.1f} |")


if __name__ == "__main__":
    main()
