# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from ansible_collections.guarded.fabric.lab.world import tpm
from ansible_collections.guarded.fabric.plugins.module_utils.protection_algorithms import thumbprint
from ansible_collections.guarded.fabric.plugins.plugin_utils.calls import File
from ansible_collections.guarded.fabric.plugins.plugin_utils.problems import FabricError
from ansible_collections.guarded.fabric.plugins.plugin_utils.resources import trusted_tpm_certificates as resource
from ansible_collections.guarded.fabric.tests.unit.engine.lab_driver import NOW, beats
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

if TYPE_CHECKING:
    from ansible_collections.guarded.fabric.plugins.plugin_utils.resource import Item

    from .rollout import Stages

RESOURCE = resource.RESOURCE


@pytest.fixture(scope="module")
def der() -> bytes:
    return tpm.new_vendor("Contoso", NOW).der


def refused(config: list[Item], stages: Stages) -> list[object]:
    with pytest.raises(FabricError) as error:
        stages.after("build_hgs").lab.run("hgs01", RESOURCE, config)
    return [problem.kind for problem in error.value.problems]


def test_a_certificate_is_the_same_in_either_form(stages: Stages, der: bytes) -> None:
    lab = stages.after("build_hgs").lab
    pem = x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM)
    assert beats(lab, "hgs01", RESOURCE, [{"path": File(der, "a.cer"), "store": "root"}]).changed
    assert not lab.run("hgs01", RESOURCE, [{"path": File(pem, "b.pem"), "store": "root"}]).changed


def test_a_certificate_moves_to_the_store_it_belongs_to(stages: Stages, der: bytes) -> None:
    lab = stages.after("build_hgs").lab
    beats(lab, "hgs01", RESOURCE, [{"path": File(der, "a.cer"), "store": "root"}])
    beats(lab, "hgs01", RESOURCE, [{"path": File(der, "a.cer"), "store": "intermediate"}])
    stores = lab.machine("hgs01").stores
    assert [item.der for item in stores["localmachine\\trustedtpm_intermediateca"]] == [der]
    assert der not in [item.der for item in stores["localmachine\\trustedtpm_rootca"]]


def test_overriding_trusts_nobody_else(stages: Stages, der: bytes) -> None:
    lab = stages.after("build_hgs").lab
    assert lab.machine("hgs01").stores["localmachine\\trustedtpm_rootca"]
    beats(lab, "hgs01", RESOURCE, [{"path": File(der, "a.cer"), "store": "root"}], state="overridden")
    assert [item.der for item in lab.machine("hgs01").stores["localmachine\\trustedtpm_rootca"]] == [der]


def test_a_certificate_is_removed_by_its_thumbprint_as_windows_shows_it(stages: Stages, der: bytes) -> None:
    lab = stages.after("build_hgs").lab
    lab.run("hgs01", RESOURCE, [{"path": File(der, "a.cer"), "store": "root"}])
    spaced = " ".join(thumbprint(der).lower()[index : index + 2] for index in range(0, 40, 2))
    assert beats(lab, "hgs01", RESOURCE, [{"thumbprint": spaced}], state="deleted").changed
    assert der not in [item.der for item in lab.machine("hgs01").stores["localmachine\\trustedtpm_rootca"]]


def test_what_is_wrong_with_config_is_said_before_the_host_is_asked(stages: Stages, der: bytes) -> None:
    assert refused([{"path": File(b"text", "a.cer")}], stages) == [resource.CERTIFICATE_INVALID]
    assert refused([{"path": File(der, "a.cer"), "thumbprint": "00" * 20}], stages) == [resource.OTHER_THUMBPRINT]
    assert refused([{"store": "root"}], stages) == [resource.UNNAMED]
    assert refused([{"thumbprint": "00" * 20}], stages) == [resource.NO_FILE]


def test_a_server_without_the_stores_is_named(stages: Stages, der: bytes) -> None:
    with pytest.raises(FabricError) as error:
        stages.after("nothing").lab.run("dns01", RESOURCE, [{"path": File(der, "a.cer")}])
    assert [problem.kind for problem in error.value.problems] == [resource.STORE_MISSING]
