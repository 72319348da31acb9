# SPDX-License-Identifier: GPL-3.0-or-later
"""Published boot logs, policies and certificates, in `formats` of the directory that GUARDED_FABRIC_SAMPLES names."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from ansible_collections.guarded.fabric.plugins.module_utils.format_error import FormatError
from ansible_collections.guarded.fabric.plugins.plugin_utils.evidence import evidence

SAMPLES = Path(os.environ.get("GUARDED_FABRIC_SAMPLES", "/nonexistent")) / "formats"
pytestmark = pytest.mark.skipif(
    not SAMPLES.is_dir(), reason="published evidence is not in the repository; GUARDED_FABRIC_SAMPLES is not set"
)
KINDS = {"tcglogs": "boot_log", "sipolicy": "code_integrity_policy", "ek": "ek_certificate"}
SUFFIXES = {".bin", ".p7b", ".cip", ".xml", ".crt", ".cer", ".der", ".pem"}
NOT_READ = {
    "pywdac-2.p7b": "expected one of: platform_identifier",  # four bytes of text
    "hc-FullCoverage.Base.xml": "only binary formats from 10 on hold it",
}


FILES = [path for folder in KINDS for path in sorted((SAMPLES / folder).glob("*")) if path.suffix in SUFFIXES]


@pytest.mark.parametrize("path", [path for path in FILES if path.name not in NOT_READ], ids=lambda path: path.name)
def test_a_sample_is_told_and_said_in_plain_data(path: Path) -> None:
    found = evidence.read(path.read_bytes())
    assert found.kind.name == KINDS[path.parent.name]
    said = evidence.facts(found)
    assert json.loads(json.dumps(said)) == said
    evidence.problems(found, path.name)
    # What Linux' shim logs as an authority is none: such a log has no baseline to compare.
    if said.get("usable_as_baseline", True):
        assert evidence.differences(found, found, path.name) == []


@pytest.mark.parametrize("name", NOT_READ)
def test_what_is_not_read_is_told_why(name: str) -> None:
    with pytest.raises(FormatError, match=NOT_READ[name]):
        evidence.read((SAMPLES / "sipolicy" / name).read_bytes())
