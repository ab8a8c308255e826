"""Who sits at the screen."""

from __future__ import annotations

import getpass
import os


def user_name() -> str:
    """The name of the user who runs this program; their number where they have none, as in containers."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # the latter from Python 3.13 on
        return f"user {os.getuid()}"
