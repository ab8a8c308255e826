"""A session's options for its commits, and the terms of one commit made from them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

from pydantic import SecretStr

from artis_sdk.commit.agreement import Agreement
from artis_sdk.commit.approver import Approver, Asking
from artis_sdk.commit.before import OnUnknown
from artis_sdk.commit.guard import Terms, Treatments
from artis_sdk.errors import ConfigurationError
from artis_sdk.records import CommitMode, Plan, Risk, Treatment

_MODES = (None, *get_args(CommitMode))
_TREATMENTS = get_args(Treatment)


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitOptions:
    """How a session commits; `SessionArgs` documents each."""

    mode: CommitMode | None
    on_unknown: OnUnknown
    on_unforeseen: Treatments
    on_divergence: Treatments
    approve: Approver | None
    approve_timeout: float | None
    approval_key: SecretStr | None

    def __post_init__(self) -> None:
        """Refuse what is no mode or no treatment.

        Raises:
            ConfigurationError: an option has a value that it cannot have.
        """
        _check("mode", self.mode, _MODES)
        for name, given in (("on_unforeseen", self.on_unforeseen), ("on_divergence", self.on_divergence)):
            by_risk = {} if isinstance(given, str) else dict(given)
            for risk in by_risk:
                _check(f"{name}, the risk", risk, tuple(Risk))
            for treatment in by_risk.values() if by_risk else (given,):
                _check(name, treatment, _TREATMENTS)

    @property
    def asking(self) -> Asking:
        """The approver, for the questions of one commit."""
        return Asking(self.approve, self.approve_timeout)

    async def terms(
        self, given: Plan, plan: Plan, mode: CommitMode | None, agreement: Agreement
    ) -> tuple[Terms, Plan]:
        """The terms of one commit, once it is approved, and the plan as it was approved.

        Args:
            given: plan to commit, as passed in.
            plan: the same plan with its secrets.
            mode: how it is committed; None for the session's way, or `bound` if somebody approved it.
            agreement: settles who approved it.

        Raises:
            ConfigurationError: there is no such mode.
            NotApproved: the approver rejected the plan, or did not answer.
            PlanExpired: it held until a moment that has passed.
            JournalError: the journal cannot be read or written.
        """
        _check("mode", mode, _MODES)
        mode = mode or self.mode
        agreed = await agreement.on(given, plan, mode or "bound")
        terms = Terms(
            mode=mode or ("guided" if agreed.by is None else "bound"),
            on_unforeseen=self.on_unforeseen,
            on_divergence=self.on_divergence,
            asking=agreement.asking,
            shown=agreement.secrets.shown,
            revealed=agreement.secrets.revealed,
            digest=agreed.seen.digest,
        )
        return terms, agreed.plan


def _check(name: str, given: object, known: tuple[object, ...]) -> None:
    if given not in known:
        names = ", ".join(str(one) for one in known if one is not None)
        raise ConfigurationError(f"{name} must be one of {names}, not {given!r}")
