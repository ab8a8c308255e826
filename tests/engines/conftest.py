"""Which tests share a worker of pytest-xdist, with `--dist loadgroup`."""

from __future__ import annotations

from pathlib import Path

import pytest

HERE = Path(__file__).parent
ENGINE_FILES = {"test_engine.py", "test_session.py"}
"""Files of `vllm/` with the fixture `engine`."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What a file starts or trains first takes up to half a minute: a file stays in one worker."""
    for item in items:
        if HERE in item.path.parents:
            shared = item.path.parent.name == "vllm" and item.path.name in ENGINE_FILES
            item.add_marker(pytest.mark.xdist_group("engine" if shared else item.path.name))
