# SPDX-License-Identifier: GPL-3.0-or-later
"""What the report shows of a fabric, beside what is wrong with it."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.guarded.fabric.plugins.plugin_utils import drift_picture
from ansible_collections.guarded.fabric.plugins.plugin_utils.drift_conclusions import Seen

HERE, ELSEWHERE = "A1" * 20, "B2" * 20


def known(before: object) -> dict[str, Any]:
    return {"before": before, "unknown": [], "missing": None}


def certificate(purpose: str, thumbprint: str) -> dict[str, str]:
    times = {"not_before": "2026-01-01T00:00:00+00:00", "not_after": "2031-01-01T00:00:00+00:00"}
    return {"purpose": purpose, "subject": "CN=x", "thumbprint": thumbprint, **times}


def fabric(**machine: object) -> list[Seen]:
    """Return a node, a host with one machine, and a tenant who knows another fabric too."""
    service = [certificate("HGS signing", HERE), certificate("HGS encryption", "C3" * 20)]
    guardians = [{"name": "here", "signing_thumbprint": HERE}, {"name": "elsewhere", "signing_thumbprint": ELSEWHERE}]
    told = [certificate("guardian elsewhere, signing", ELSEWHERE)]
    vm = {"name": "vm01", "tpm": True, "shielded": True, **machine}
    host = {"hgs_client": known({"is_host_guarded": True}), "shielded_vms": known([vm])}
    return [
        Seen("hgs01", "hgs", {"resources": {}, "health": {"service_certificates": service}}),
        Seen("hv01", "host", {"resources": host}),
        Seen(
            "tenant01",
            "tenant",
            {"resources": {"guardians": known(guardians)}, "health": {"guardian_certificates": told}},
        ),
    ]


@pytest.mark.parametrize(
    ("guardians", "can_start", "names"),
    [
        ([HERE], True, ("here",)),
        ([ELSEWHERE], False, ("elsewhere",)),
        ([ELSEWHERE, HERE.lower()], True, ("elsewhere", "here")),
        ([], False, ()),
        (None, None, None),
    ],
)
def test_a_machine_starts_where_the_service_of_its_own_host_is_admitted(
    guardians: list[str] | None,
    can_start: bool | None,  # noqa: FBT001 - a value
    names: tuple[str, ...] | None,
) -> None:
    (machine,) = drift_picture.virtual_machines(fabric(guardians=guardians))
    assert (machine.can_start, machine.guardians) == (can_start, names)


def test_a_machine_without_virtual_tpm_starts_anywhere() -> None:
    (machine,) = drift_picture.virtual_machines(fabric(tpm=False, guardians=[]))
    assert machine.can_start is True
