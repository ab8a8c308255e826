"""The duties of every backend, as checks that a third party's tests can run too."""

from typing import TYPE_CHECKING

from artis_sdk._former_names import renamed
from artis_sdk.backends.conformance.laws import Check, Make, Profile, Skip
from artis_sdk.backends.conformance.suite import CHECKS, CheckResult, run

__all__ = ["CHECKS", "Check", "CheckResult", "Make", "Profile", "Skip", "run"]

if not TYPE_CHECKING:  # a type checker must see that the names are gone
    __getattr__ = renamed(__name__, {"Result": "CheckResult"})
