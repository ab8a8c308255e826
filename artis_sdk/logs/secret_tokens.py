"""Keys of providers, recognized by their prefix: `sk-proj-`, `ghp_`, `AKIA`, a JWT, a PEM block."""

from __future__ import annotations

import re

_WORD = "0-9A-Za-z_"
_RULES = {
    "sk-": rf"[{_WORD}-]{{16,}}+",  # OpenAI, Anthropic and many others
    "sk_live_": rf"[{_WORD}]{{16,}}+",  # Stripe, as the next ones
    "sk_test_": rf"[{_WORD}]{{16,}}+",
    "rk_live_": rf"[{_WORD}]{{16,}}+",
    "rk_test_": rf"[{_WORD}]{{16,}}+",
    "whsec_": rf"[{_WORD}+/=]{{16,}}+",
    **dict.fromkeys(("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"), rf"[{_WORD}]{{20,}}+"),
    **dict.fromkeys(("glpat-", "gldt-", "glrt-", "glcbt-"), rf"[{_WORD}-]{{16,}}+"),
    "xox": rf"[a-z]-[{_WORD}-]{{10,}}+",  # Slack
    "xapp-": rf"[{_WORD}-]{{16,}}+",
    "hooks.slack.com/services/": rf"[{_WORD}/]{{16,}}+",
    "discord.com/api/webhooks/": rf"[0-9]++/[{_WORD}-]{{16,}}+",
    "AKIA": rf"[0-9A-Z]{{16}}(?![{_WORD}])",  # AWS, as the next one
    "ASIA": rf"[0-9A-Z]{{16}}(?![{_WORD}])",
    "AIza": rf"[{_WORD}-]{{35}}(?![{_WORD}])",  # Google, as the next two
    "ya29.": rf"[{_WORD}-]{{20,}}+",
    "GOCSPX-": rf"[{_WORD}-]{{20,}}+",
    "SG.": rf"[{_WORD}-]{{16,}}+\.[{_WORD}-]{{16,}}+",  # SendGrid
    "hf_": rf"[{_WORD}]{{20,}}+",
    "npm_": rf"[{_WORD}]{{20,}}+",
    "pypi-": rf"[{_WORD}-]{{32,}}+",
    "dop_v1_": rf"[{_WORD}]{{32,}}+",
    "shpat_": rf"[{_WORD}]{{20,}}+",
    "gsk_": rf"[{_WORD}]{{20,}}+",
    "xai-": rf"[{_WORD}-]{{20,}}+",
    "lin_api_": rf"[{_WORD}]{{20,}}+",
    "ntn_": rf"[{_WORD}]{{20,}}+",
    "AGE-SECRET-KEY-": r"[0-9A-Z]{20,}+",
    "eyJ": rf"[{_WORD}-]{{8,}}+\.[{_WORD}-]{{8,}}+(?:\.[{_WORD}-]*+){{1,3}}",  # a JSON web token
}


def at_word(literal: str, then: str, flags: int = 0) -> re.Pattern[str]:
    """A pattern of a literal that begins a word, and of what follows it.

    No letter, digit, `_` or `-` stands before it; an escaped line break or tab may. The literal comes first,
    so that all of a text without it is passed over at once.
    """
    word = re.escape(literal)
    return re.compile(rf"{word}(?!(?<=[\w-]{word})(?<!\\[nrt]{word})){then}", flags)


PREFIXES = {prefix: at_word(prefix, then) for prefix, then in _RULES.items()}
"""Patterns of keys by prefix. No pattern reads a character twice."""
_DIGIT_AND_LETTER = re.compile(r"(?=[^0-9]*+[0-9])[^A-Za-z]*+[A-Za-z]")
BLOCK = re.compile(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
"""The first line of a PEM block with a private key."""


def block_after(text: str, start: int) -> tuple[int, int]:
    """Start and end of the body of the private key whose first line ends here."""
    end = text.find("-----END", start)
    return start, len(text) if end < 0 else end


def looks_random(text: str, least: int = 8) -> bool:
    """Whether it has letters and digits, as no word of a sentence does."""
    return len(text) >= least and _DIGIT_AND_LETTER.match(text) is not None
