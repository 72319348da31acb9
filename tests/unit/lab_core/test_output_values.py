# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest
from ansible_collections.guarded.fabric.lab.cmdlets.certificate_object import certificate_object
from ansible_collections.guarded.fabric.lab.cmdlets.registry import PSObject, SecureString
from ansible_collections.guarded.fabric.lab.output_values import MISSING, answer, output, part
from ansible_collections.guarded.fabric.lab.world import certificates

INNER = PSObject(
    "Inner", {"Name": "a", "List": [PSObject("X", {"Id": 1}), PSObject("X", {"Id": 2}), PSObject("Y", {})]}
)


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (None, None),
        (True, True),
        (7, 7),
        (b"\0\xff", {"$bytes": "AP8="}),
        (datetime(2026, 11, 24, 20, 1, 2, 345, timezone(timedelta(hours=1))), "2026-11-24T19:01:02.0003450Z"),
        (timedelta(hours=30, seconds=5), "1.06:00:05"),
        (timedelta(milliseconds=1500), "00:00:01.5000000"),
        (-timedelta(minutes=1), "-00:01:00"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (SecureString("secret"), {"$secret": True}),
        ({"a": [b"", None]}, {"a": [{"$bytes": ""}, None]}),
    ],
)
def test_values_have_the_documented_json_form(value: object, wanted: object) -> None:
    assert answer(value) == wanted


def test_a_certificate_is_shown_by_five_properties() -> None:
    made = certificates.self_signed("test", datetime(2026, 1, 1, tzinfo=UTC))
    shown = answer(certificate_object(made))
    assert isinstance(shown, dict)
    assert list(shown) == ["Thumbprint", "Subject", "Issuer", "NotBefore", "NotAfter"]
    assert shown["Subject"] == "CN=test"
    assert shown["NotBefore"] == "2026-01-01T00:00:00.0000000Z"


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("name", "a"),
        ("List.Id", [1, 2]),
        ("List.1.ID", 2),
        ("List.7", MISSING),
        ("List.Nothing", MISSING),
        ("Name.Length", MISSING),
    ],
)
def test_a_dotted_name_walks_into_properties_and_lists(path: str, wanted: object) -> None:
    assert part(INNER, path.split(".")) == wanted


def test_values_pass_and_objects_need_select() -> None:
    items = ["text", INNER, {"Name": "b"}]
    assert output(items, []) == ["text"]
    assert output(items, ["Name"]) == ["text", {"Name": "a"}, {"Name": "b"}]
