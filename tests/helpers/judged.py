"""Attempts that judges are shown."""

from __future__ import annotations

from helpers.loop import call

from artis_sdk.records import Attempt, Outcome, Provenance, Step

STEP = Step(call=call("look", account="a"), outcome=Outcome.success({"balance": 10}, Provenance.SIMULATED))
ATTEMPT = Attempt(index=0, steps=(STEP,), answer="Ten.")
ANSWERED = Step(
    call=call("pay", account="b", amount=9),
    outcome=Outcome.success({"error": "no such account"}, Provenance.SIMULATED),
)
"""A failure that the tool returns instead of raising it."""
