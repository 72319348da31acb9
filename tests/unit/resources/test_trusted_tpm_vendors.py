# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from ansible_collections.guarded.fabric.plugins.plugin_utils.problems import FabricError
from ansible_collections.guarded.fabric.plugins.plugin_utils.resources.trusted_tpm_vendors import INSPECTION

from .test_host_readiness import HOST, ids, look

if TYPE_CHECKING:
    from .rollout import Stages


def test_what_a_node_trusts_is_told_whole_and_hosts_are_judged_by_it(stages: Stages) -> None:
    lab = stages.after("attest").lab
    told = lab.inspect("hgs01", INSPECTION, {})
    assert told["subjects"] == ["CN=Lab Silicon TPM EK Root CA, O=Lab Silicon"]
    assert ids(look(lab, trusted_roots=None, trusted_vendors=told["vendors"])) == []


def test_what_is_no_certificate_is_refused(stages: Stages) -> None:
    with pytest.raises(FabricError, match="GF-RDY-901"):
        look(stages.after("attest").lab, trusted_vendors={"roots": ["no base64!"]})


def test_a_machine_that_is_no_node_has_no_stores(stages: Stages) -> None:
    with pytest.raises(FabricError, match="GF-TPM-005"):
        stages.after("attest").lab.inspect(HOST, INSPECTION, {})
