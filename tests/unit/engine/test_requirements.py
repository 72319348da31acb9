# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import TYPE_CHECKING

from ansible_collections.guarded.fabric.plugins.plugin_utils import requirements
from ansible_collections.guarded.fabric.scripts.tracked_files import ROOT

if TYPE_CHECKING:
    import pytest


def test_what_is_installed_is_not_missing() -> None:
    assert requirements.missing() == ()


def test_what_cannot_be_imported_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requirements, "LIBRARIES", ("cryptography", "no_such_library"))
    assert requirements.missing() == ("no_such_library",)


def test_users_are_told_to_install_them() -> None:
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert set(requirements.LIBRARIES) <= {line.partition(">=")[0] for line in lines}
