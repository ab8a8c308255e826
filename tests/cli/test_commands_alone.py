"""Every command's help works without the packages of extras."""

from __future__ import annotations

import subprocess
import sys

EXTRAS = ("numpy", "torch", "transformers", "duckdb", "pyarrow", "psycopg", "ray", "llama_cpp", "vllm", "mcp")
PROGRAM = f"""
import importlib, pkgutil, sys
sys.modules.update(dict.fromkeys({EXTRAS!r}))
import artis_sdk.cli
for module in pkgutil.iter_modules(artis_sdk.cli.__path__):
    if module.name != "__main__":
        importlib.import_module(f"artis_sdk.cli.{{module.name}}")
"""


def test_no_command_needs_an_extra_to_be_imported() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
