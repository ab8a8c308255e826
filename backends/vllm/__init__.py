"""vLLM, one name and two ways: an engine inside this program, or any `vllm serve` behind a URL."""

from artis_sdk.backends.vllm.backend import VLLMBackend, VLLMServer

__all__ = ["VLLMBackend", "VLLMServer"]
