"""The `artis` command."""

from __future__ import annotations


def main() -> None:
    """Entry point: runs the command line and turns our errors into one line and exit code 2."""
    from artis_sdk.cli.app import run_app

    run_app()
