"""llama.cpp in process, through its low-level API: one thread decodes many sequences in one context."""

from artis_sdk.backends.llama_cpp.backend import LlamaCppBackend

__all__ = ["LlamaCppBackend"]
