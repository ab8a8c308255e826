"""The name of the user, also where the system has none."""

from __future__ import annotations

import os
import pwd

import pytest

from artis_sdk.view.person import user_name


def test_a_user_without_a_name_is_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(variable, raising=False)

    def unknown(number: int) -> pwd.struct_passwd:
        raise KeyError(number)

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    assert user_name() == f"user {os.getuid()}"
    monkeypatch.setenv("USER", "ann")
    assert user_name() == "ann"
