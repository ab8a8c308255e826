"""OpenAI's chat completions, and every server that speaks them: vLLM, llama.cpp, gateways."""

from artis_sdk.backends.openai.completions import OpenAIBackend

__all__ = ["OpenAIBackend"]
