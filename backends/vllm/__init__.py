"""vLLM in two ways: an engine in process, or any `vllm serve` behind a URL."""

from artis_sdk.backends.vllm.backend import VLLMBackend, VLLMServer

__all__ = ["VLLMBackend", "VLLMServer"]
