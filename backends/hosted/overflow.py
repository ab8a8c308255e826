"""How servers say that a prompt is longer than the model's context."""

from __future__ import annotations

import re
from typing import Final

OVERFLOW: Final[tuple[tuple[str, str], ...]] = (
    # OpenAI, Azure, vLLM, DeepSeek, Mistral's and many others' imitations
    ("OpenAI", r"context[_ ]length[_ ]exceeded|context_window_exceeded"),
    ("OpenAI", r"maximum context (?:length|limit|window|size)"),
    (
        "OpenAI",
        r"exceed(?:s|ed|ing)? (?:(?:the|this|its|your) )?(?:model'?s? )?(?:\w+ )?context"
        r" (?:window|length|limit|size)",
    ),
    ("Azure", r"input tokens exceed the configured limit"),
    ("Anthropic", r"prompt(?: \w+)? (?:is )?too long|prompt_too_long"),
    ("Anthropic", r"exceed(?:s|ed)? (?:the )?(?:model )?context limit"),
    ("Bedrock", r"input is too long|too many input tokens|input tokens exceeded"),
    ("Bedrock", r"number of (?:input )?tokens (?:\d+ )?(?:exceeds|cannot exceed)"),  # and watsonx
    (
        "Google",
        r"input token count.*exceeds? the maximum|model only supports up to \d+|input context is too long",
    ),
    ("xAI", r"maximum prompt length is \d+"),
    (
        "Groq, Cerebras",
        r"reduce the length of (?:the|your) (?:messages|prompt|input)|current length is \d+ while",
    ),
    ("Mistral", r"too large for model with \d+"),
    ("Cohere", r"too many tokens: (?:total number of tokens|size limit exceeded)"),
    (
        "Together, TGI",
        r"tokens`? \+ `?max_new_tokens`? must be|must have less than \d+ tokens"
        r"|must be less than the context length",
    ),
    ("SiliconFlow", r"max_total_tokens.*max_seq_len"),
    ("vLLM", r"longer than the (?:maximum )?model(?:'s)?(?: context)? length|max_model_len"),
    (
        "SGLang",
        r"exceeds the (?:maximum|model'?s?) (?:allowed |input |context )*length|input length.*exceeds",
    ),
    ("llama.cpp", r"exceeds? the available context size|exceed_context_size|context size has been exceeded"),
    ("llama-cpp-python", r"exceed context window|context window of \d+"),
    ("LM Studio", r"greater than the context length|trying to keep the first \d+ tokens when context"),
    ("Ollama", r"(?:input|prompt) length exceeds|exceeded max context length"),
    ("GitHub", r"prompt token count.*(?:exceeds|cannot exceed)|tokens_limit_reached|max size: \d+ tokens"),
    ("Moonshot", r"exceeded model token limit|model max length exceeded"),
    ("MiniMax", r"context window exceeds"),
    ("Zhipu", r"prompt exceeds max length|prompt 超长|输入(?:长度)?超(?:过|长)"),
    ("DashScope", r"range of input length should be|exceeds? the maximum (?:allowed )?input length"),
    ("Volcengine", r"exceed(?:s)? max message tokens"),
    ("Baidu", r"prompt tokens? too long|max input characters is \d+|length of (?:all )?messages is too long"),
    ("Spark", r"token数量超过上限"),
    ("Cloudflare", r"exceeded this model(?:'s)? context window limit"),
    ("MLC", r"larger than the model input length limit"),
    ("Perplexity", r"total length of all messages is too long"),
    ("text-generation-webui", r"this model maximum context length"),
)
"""Provider and pattern of its words; others may use the same."""

_OVERFLOW = re.compile("|".join(f"(?:{words})" for _, words in OVERFLOW), re.IGNORECASE | re.DOTALL)
# What a minute or a day allows, and fields of requests with limits of their own.
_OTHERWISE = re.compile(
    r"per (?:minute|min\b|hour|day|second)|rate limit reached|quota|string_above_max_length|string too long",
    re.IGNORECASE,
)
_NEVER = re.compile(r"request too large for", re.IGNORECASE)


def is_overflow(message: str, code: str = "") -> bool:
    """Whether a server's refusal means that the prompt is too long.

    Args:
        message: the server's message.
        code: its code or type.
    """
    if _OVERFLOW.search(code) or never_fits(message):
        return True
    return _OVERFLOW.search(message) is not None and _OTHERWISE.search(message) is None


def never_fits(message: str) -> bool:
    """Whether a request is larger than what the account may send in a minute: waiting does not help."""
    return _NEVER.search(message) is not None
