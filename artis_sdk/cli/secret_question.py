"""What to type in for a secret that a plan was saved without, in words."""

from __future__ import annotations

from typing import Any

from artis_sdk.records import Plan
from artis_sdk.records.brief import count

_PARTS = {"foreseen": "foreseen calls"}
"""Parts of a plan whose names are not words for people."""


def secret_question(plan: Plan, placeholder: str) -> str:
    """What the secret is, by a call that takes it if there is one, and how the plan shows it.

    Args:
        plan: the saved plan.
        placeholder: one of its `withheld.places`.
    """
    assert plan.withheld is not None
    places = plan.withheld.places[placeholder]
    place = next((path for path in places if ".call.arguments." in path), places[0])
    others = f", and {count(len(places) - 1, 'more place')}" if len(places) > 1 else ""
    return f"{_what(plan.model_dump(mode='json'), place)} (shown as {placeholder}{others})"


def _what(plan: Any, place: str) -> str:
    before, taken, name = place.partition(".call.arguments.")
    if taken:
        return f"{name} of {_at(plan, before)['call']['tool']}"
    before, returned, name = place.partition(".outcome.")
    if returned:
        what = name.removeprefix("value.") if name.startswith("value.") else "a secret"
        return f"{what} in what {_at(plan, before)['call']['tool']} returned"
    part = place.partition(".")[0]
    return f"a secret in the {_PARTS.get(part, part)}"


def _at(plan: Any, path: str) -> Any:
    """The value at a path of our own fields and indexes."""
    for part in path.split("."):
        plan = plan[int(part)] if isinstance(plan, list) else plan[part]
    return plan
