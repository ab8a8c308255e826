"""Anthropic's messages API, and every server that speaks it."""

from artis_sdk.backends.anthropic.messages import AnthropicBackend

__all__ = ["AnthropicBackend"]
