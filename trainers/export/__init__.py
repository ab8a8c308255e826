"""Exports of an adapter: merged weights, and GGUF files for llama.cpp."""
