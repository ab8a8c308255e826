"""Patches that are registered while the first world installs the others."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import colorsys
from artis_sdk.tools import patches

@patches.in_place_of("colorsys", "rgb_to_hsv")
def first(original):
    # As another thread's import, which comes in between.
    @patches.in_place_of("colorsys", "hsv_to_rgb")
    def second(original):
        return lambda *_: "second"

    return lambda *_: "first"

assert not patches._hooked
patches.install()
print(colorsys.rgb_to_hsv(0, 0, 0), colorsys.hsv_to_rgb(0, 0, 0))
"""


def test_a_patch_that_is_registered_meanwhile_is_installed_too() -> None:
    ran = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True)
    assert ran.stdout == "first second\n", ran.stderr
