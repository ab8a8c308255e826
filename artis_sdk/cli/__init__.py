"""The `artis` command."""

from __future__ import annotations

import gc


def main() -> None:
    """Entry point: runs the command line and turns our errors into one line and exit code 2."""
    # Importing makes a hundred thousand objects, and none of them is garbage.
    gc.set_threshold(50_000, 20, 20)
    from artis_sdk.cli.app import run_app

    run_app()
