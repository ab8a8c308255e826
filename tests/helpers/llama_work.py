"""Work for the llama.cpp backend that takes a while, and the threads that do it."""

from __future__ import annotations

import threading

from helpers import tiny_model

LONG = "the tool answers with a reservation id or with a failure type. " * 30
BIG = tiny_model.Shape(hidden=256, intermediate=768, layers=6, heads=4, kv_heads=2, head_dim=64)


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("artis-llama")]
