"""What every backend must do, as checks that a third party's tests can run too."""

from artis_sdk.backends.conformance.laws import Check, Make, Profile, Skip
from artis_sdk.backends.conformance.suite import CHECKS, CheckResult, run

__all__ = ["CHECKS", "Check", "CheckResult", "Make", "Profile", "Skip", "run"]
