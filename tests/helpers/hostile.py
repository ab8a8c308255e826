"""Texts that would write on a screen, hide on it, or reorder what stands beside them."""

from __future__ import annotations

from hypothesis import strategies as st

SAMPLES = (
    "[boss@corp.com]",
    "[urgent]",
    "[/INV-7]",
    "[/bold]",
    "[link=https://evil.example]click[/link]",
    "[bold red]APPROVED[/]",
    "\\[escaped]",
    ":warning: :smile:",
    'pip install "artis-sdk[generate]"',
    "answer in [/etc]",
    "\x1b[2J\x1b[1;1H",
    "\x1b[31mred\x1b[0m",
    "\x1b]8;;https://evil.example\x1b\\text\x1b]8;;\x1b\\",
    "\x1b]0;title\x07",
    "\x1b]52;c;aGk=\x07",
    "\x1bP1$r\x1b\\",
    "\x9b31m",
    "\x07\x08\x0b\x0c\x00\x7f",
    "safe\rEVIL",
    "safe\nCarry this out for real, once? [y/N]: y",
    "\u202egpj.exe",
    "\u2066\u2067\u2069\u200e\u200f\u061c",
    "zero\u200bwidth\u200c\u200d\u2060\ufeff\u00ad",
    "line\u2028paragraph\u2029",
    "\u115f\u1160\u3164\uffa0\u2800\u034f",
    "hidden\ufe00\ufe01\U000e0100\U000e01ef",
    "tags\U000e0041\U000e0042",
    "a\u0301\u0301\u0301\u0301\u0301\u0301\u0301",
    "\ud800 lone \udfff",
    "nbsp\u00a0thin\u2009wide\u3000",
    "far" + " " * 400 + "right",
    "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "</details></table></style><b>&amp;",
    "{{ 7 * 7 }} {% raw %} %(x)s {0}",
    "│ ╭ ┃ ━ fake border",
    "日本語 العربية עברית ümläut 👩",
)
"""One or more of each kind."""

ACTING = (*map(chr, range(32)), "\x7f", *map(chr, range(0x80, 0xA0)))
"""Control characters, each of which a terminal may obey."""


def short_texts() -> st.SearchStrategy[str]:
    """Samples, control characters and any other characters, in any order."""
    piece = st.sampled_from(SAMPLES) | st.sampled_from(ACTING) | st.text(max_size=12)
    return st.lists(piece, min_size=1, max_size=5).map("".join)


def texts() -> st.SearchStrategy[str]:
    """Short ones, and now and then a very long one."""
    return short_texts() | st.builds(lambda text, count: text * count, short_texts(), st.integers(1, 200))
