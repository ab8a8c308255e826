"""The sampling of each role's answers: what a session sets, and what it leaves to the role's part."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from pydantic import TypeAdapter, ValidationError

from artis_sdk.errors import ConfigurationError
from artis_sdk.records import SampledRole, Sampling

ROLES: tuple[SampledRole, ...] = get_args(SampledRole)
_CHECKED = TypeAdapter(dict[SampledRole, Sampling])


class RoleSampling:
    """The sampling that a session sets, by role.

    Args:
        given: sampling by role, from the session's caller.
        settings: sampling by role, for the roles that the caller leaves out.

    Raises:
        ConfigurationError: an unknown role, or a number out of range.
    """

    def __init__(
        self, given: Mapping[SampledRole, Sampling] | None, settings: Mapping[SampledRole, Sampling]
    ) -> None:
        try:
            self._given = _CHECKED.validate_python(dict(given or {}))
        except ValidationError as error:
            problem = error.errors()[0]
            where = ".".join(str(part) for part in problem["loc"] if part != "[key]")
            raise ConfigurationError(
                f"sampling: {where}: {problem['msg']}; the roles are {', '.join(ROLES)}"
            ) from None
        self._all = {**settings, **self._given}

    def of(self, role: SampledRole) -> dict[str, Any]:
        """The set values of a role, as keyword arguments of its part."""
        sampling = self._all.get(role)
        return {} if sampling is None else sampling.model_dump(exclude_none=True)

    def refuse(self, role: SampledRole, what: str) -> None:
        """Refuse sampling of a role whose requests the session does not make.

        Raises:
            ConfigurationError: the session's caller set the sampling of this role.
        """
        if role in self._given:
            raise ConfigurationError(
                f"sampling[{role!r}] has no effect: {what}. Set it there, and leave it out here"
            )
