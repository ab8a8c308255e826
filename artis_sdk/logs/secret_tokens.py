"""Keys of providers, recognized by their prefix: `sk-proj-`, `ghp_`, `AKIA`, a JWT, a PEM block."""

from __future__ import annotations

import re

_RULES = {
    "sk-": r"sk-[\w-]{16,}+",  # OpenAI, Anthropic and many others
    "sk_live_": r"sk_live_\w{16,}+",  # Stripe, as the next ones
    "sk_test_": r"sk_test_\w{16,}+",
    "rk_live_": r"rk_live_\w{16,}+",
    "rk_test_": r"rk_test_\w{16,}+",
    "whsec_": r"whsec_[\w+/=]{16,}+",
    **{prefix: rf"{prefix}\w{{20,}}+" for prefix in ("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_")},
    **{prefix: rf"{prefix}[\w-]{{16,}}+" for prefix in ("glpat-", "gldt-", "glrt-", "glcbt-")},
    "xox": r"xox[a-z]-[\w-]{10,}+",  # Slack
    "xapp-": r"xapp-[\w-]{16,}+",
    "hooks.slack.com/services/": r"hooks\.slack\.com/services/[\w/]{16,}+",
    "akia": r"AKIA[0-9A-Z]{16}(?!\w)",  # AWS, as the next one
    "asia": r"ASIA[0-9A-Z]{16}(?!\w)",
    "aiza": r"AIza[\w-]{35}(?!\w)",  # Google, as the next two
    "ya29.": r"ya29\.[\w-]{20,}+",
    "gocspx-": r"GOCSPX-[\w-]{20,}+",
    "sg.": r"SG\.[\w-]{16,}+\.[\w-]{16,}+",  # SendGrid
    "hf_": r"hf_\w{20,}+",
    "npm_": r"npm_\w{20,}+",
    "pypi-": r"pypi-[\w-]{32,}+",
    "dop_v1_": r"dop_v1_\w{32,}+",
    "shpat_": r"shp\w{2}_\w{20,}+",
    "gsk_": r"gsk_\w{20,}+",
    "xai-": r"xai-[\w-]{20,}+",
    "lin_api_": r"lin_api_\w{20,}+",
    "ntn_": r"ntn_\w{20,}+",
    "age-secret-key-": r"AGE-SECRET-KEY-[0-9A-Z]{20,}+",
    "eyj": r"eyJ[\w-]{8,}+\.[\w-]{8,}+(?:\.[\w-]*+){1,3}",  # a JSON web token
}
PREFIXES = {prefix: re.compile(pattern, re.ASCII) for prefix, pattern in _RULES.items()}
"""Patterns of keys by prefix, in lower case. No pattern reads a character twice."""
_DIGIT = re.compile(r"[0-9]")
_LETTER = re.compile(r"[A-Za-z]")
_BLOCK = re.compile(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
BLOCK = "-----begin "
"""The beginning of a PEM block, in lower case."""


def token_at(text: str, prefix: str, start: int) -> tuple[int, int] | None:
    """Start and end of the key that begins with this prefix here, if one does."""
    if not begins_word(text, start):
        return None
    found = PREFIXES[prefix].match(text, start)
    return found.span() if found is not None and looks_random(found[0][len(prefix) :]) else None


def block_at(text: str, start: int) -> tuple[int, int] | None:
    """Start and end of the body of the private key that begins here, if one does."""
    head = _BLOCK.match(text, start)
    if head is None:
        return None
    end = text.find("-----END", head.end())
    return head.end(), len(text) if end < 0 else end


def begins_word(text: str, start: int) -> bool:
    """Whether no letter, digit, `_` or `-` stands before; an escaped line break or tab may."""
    if start == 0:
        return True
    before = text[start - 1]
    if not (before.isalnum() or before in "_-"):
        return True
    return before in "nrt" and start > 1 and text[start - 2] == "\\"


def looks_random(text: str, least: int = 8) -> bool:
    """Whether it has letters and digits, as no word of a sentence does."""
    return len(text) >= least and bool(_DIGIT.search(text)) and bool(_LETTER.search(text))
