"""Simulators that other distributions register by entry points of `artis_sdk.simulators`."""

from __future__ import annotations

from artis_sdk.contracts import Simulator
from artis_sdk.entry_points import find, own
from artis_sdk.errors import ConfigurationError


def is_registered(name: str) -> bool:
    """Whether a simulator is registered under the part before the colon, which none of our backends has."""
    kind = name.partition(":")[0]
    return kind not in own("backend") and find("simulator", kind) is not None


def registered_simulator(name: str) -> Simulator:
    """Make the simulator of a name that `is_registered`.

    Args:
        name: `KIND:ARGUMENT`, or `KIND`. What is registered is a callable of the argument, a text that may
            be empty.

    Raises:
        ConfigurationError: it cannot be loaded, or makes something else.
    """
    kind, _, argument = name.partition(":")
    made = find("simulator", kind)(argument)
    if not isinstance(made, Simulator):
        raise ConfigurationError(
            f"simulator {kind!r} is registered, and makes a {type(made).__name__}, which is no Simulator: it "
            "needs `async def predict(call, state, history) -> Outcome`"
        )
    return made
