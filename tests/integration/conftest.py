# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from ansible_collections.guarded.fabric.tests.integration.setups import Setup, setup

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Setup]:
    """One machine of each kind, fresh; what a test does to them, the next one of the same file finds."""
    with setup(tmp_path_factory.mktemp("small"), "small") as made:
        yield made
