"""The pytest plugin: the fixture `artis`. Nothing but pytest is imported until a test asks for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from artis_sdk.testing import Rehearsing


@pytest.fixture
def artis(tmp_path: Path) -> Iterator[Rehearsing]:
    """Scripted backends, sessions and checks of plans; during the test every real guarded call is refused."""
    from artis_sdk.testing import Rehearsing
    from artis_sdk.tools import no_real_calls

    with no_real_calls():
        yield Rehearsing(tmp_path)
