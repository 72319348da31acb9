# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from ansible_collections.guarded.fabric.scripts.generate_error_reference import TARGET, areas, render

if TYPE_CHECKING:
    from ansible_collections.guarded.fabric.plugins.plugin_utils.problems import Kind

KINDS = [kind for area in areas() for kind in area.kinds]


def test_the_reference_is_what_the_code_says() -> None:
    assert TARGET.read_text(encoding="utf-8") == render(), "run scripts/generate_error_reference.py"


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.id)
def test_a_kind_reads_as_one_sentence_and_a_next_step(kind: Kind) -> None:
    assert re.fullmatch(r"GF-[A-Z]{3,4}-\d{3}", kind.id)
    # "THING: is not ... Next: do this." - see Problem.__str__.
    for text in (kind.title, kind.next_step):
        assert text[0].islower()
        assert not text.endswith(".")
        assert "|" not in text
