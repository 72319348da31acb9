# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from ansible_collections.guarded.fabric.scripts.generate_error_reference import PAGES, TARGET, areas, pages, render

if TYPE_CHECKING:
    from ansible_collections.guarded.fabric.plugins.plugin_utils.problems import Kind

KINDS = [kind for area in areas() for kind in area.kinds]


def test_the_reference_is_what_the_code_says() -> None:
    assert TARGET.read_text(encoding="utf-8") == render(), "run scripts/generate_error_reference.py"
    written = {path.stem: path.read_text(encoding="utf-8") for path in PAGES.iterdir()}
    assert written == pages(), "run scripts/generate_error_reference.py"


def test_a_page_tells_what_the_kind_says_and_as_what_windows_shows_it() -> None:
    page = pages()["GF-ATT-104"]
    assert "# GF-ATT-104: started with no code integrity policy that is registered" in page
    assert "substatus `CodeIntegrityPolicy` on the host" in page
    assert "event 1513 or 1538 of Microsoft-Windows-HostGuardianService-Attestation" in page
    assert "**Whose:** the fabric" in page
    finding = pages()["GF-EVD-105"]
    assert "## How it ends at HGS\n\n[GF-ATT-102](GF-ATT-102.md)" in finding
    assert "**How bad:** warning" in finding
    assert "**Usual cause:** Windows Update or a firmware update extended the list" in finding


def test_every_page_that_a_page_links_to_is_there() -> None:
    known = pages()
    assert {name for page in known.values() for name in re.findall(r"\]\((GF-[^)]*)\.md\)", page)} <= set(known)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.id)
def test_a_kind_reads_as_one_sentence_and_a_next_step(kind: Kind) -> None:
    assert re.fullmatch(r"GF-[A-Z]{3,4}-\d{3}", kind.id)
    # "THING: is not ... Next: do this." - see Problem.__str__.
    for text in (kind.title, kind.next_step):
        assert text[0].islower()
        assert not text.endswith(".")
        assert "|" not in text
