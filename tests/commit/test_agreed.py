"""Whatever is decided about a plan, and wherever its process dies: what ran is what was approved."""

from __future__ import annotations

import pytest
from helpers.commit import found_by


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_what_ran_is_what_was_approved_each_once_and_nothing_that_was_edited_out() -> None:
    """Random lives of random plans: approve, edit, refuse, end, kill at a boundary, go on."""
    found = await found_by("agreed_child", "40")
    assert found["trials"] >= 40
    for what in ("ran", "killed", "late", "plan edited", "ended"):
        assert found.get(what, 0) > 0, (what, found)
