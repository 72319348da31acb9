# SPDX-License-Identifier: GPL-3.0-or-later
"""The hardened XML loader: what it refuses, and the canonical form that signatures are made over."""

from __future__ import annotations

import copy
import time
from contextlib import suppress

import pytest
from ansible_collections.guarded.fabric.plugins.module_utils import xml_document
from ansible_collections.guarded.fabric.plugins.module_utils.format_error import FormatError
from hypothesis import given
from hypothesis import strategies as st

ENTITIES = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10 if n else "laugh" * 10}">' for n in range(10))


def test_format_error_says_what_where_and_expected_and_survives_copying() -> None:
    error = FormatError("TCG event log", "4 bytes", 32)
    assert str(error) == "TCG event log: expected 4 bytes at offset 32 (0x20)"
    again = copy.copy(error)
    assert (again.what, again.offset, again.expected) == ("TCG event log", 32, "4 bytes")
    assert str(FormatError("policy", "XML")) == "policy: expected XML"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "text",
        "<a>",
        "<a/><b/>",
        "<!DOCTYPE a><a/>",
        '<!DOCTYPE a SYSTEM "http://192.0.2.1/a.dtd"><a/>',
        '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/hostname">]><a>&x;</a>',
        f"<!DOCTYPE a [{ENTITIES}]><a>&e9;</a>",
        f'<!DOCTYPE a [{ENTITIES}]><a b="&e9;"/>',
        "<a>" * 5000 + "</a>" * 5000,
    ],
)
def test_refused(text: str) -> None:
    started = time.monotonic()
    with pytest.raises(FormatError) as caught:
        xml_document.load(text.encode(), "thing")
    assert caught.value.what == "thing"
    assert time.monotonic() - started < 1


BOMB = f"<!DOCTYPE a [{ENTITIES}]><a>&e9;</a>"
EXTERNAL = '<!DOCTYPE a [<!ENTITY % x SYSTEM "file:///etc/hostname"> %x;]><a/>'


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-7", "cp037", "iso-8859-1"])
@pytest.mark.parametrize("text", [BOMB, EXTERNAL])
@pytest.mark.parametrize("declaration", ['<?xml version="1.0" encoding="{}"?>', ""])
def test_a_bomb_is_refused_in_every_encoding(text: str, encoding: str, declaration: str) -> None:
    document = declaration.format(encoding) + text
    started = time.monotonic()
    with pytest.raises(FormatError):
        xml_document.load(document.encode(encoding), "thing")
    assert time.monotonic() - started < 1


@pytest.mark.parametrize(
    "text",
    [
        # Deep, wide, and long: what is not too large takes neither a second nor the stack.
        "<a>" * 100_000,
        "<a" + "".join(f' b{number}="{number}"' for number in range(20_000)) + "/>",
        "<a>" + "<b/>" * 200_000 + "</a>",
        '<a b="' + "x" * 12_000_000 + '"/>',
        "<" + "a" * 12_000_000 + "/>",
        "<!--" + "-" * 12_000_000 + "--><a/>",
        "<a xmlns:x='" + "u" * 1_000_000 + "'>" + "<x:b/>" * 10_000 + "</a>",
        "<?" + "a" * 12_000_000 + "?><a/>",
        "<a>&#0;</a>",
        "<a>\ud800</a>",
        "\0" * 1000,
    ],
)
def test_what_is_deep_wide_or_long_is_read_or_refused_in_time(text: str) -> None:
    started = time.monotonic()
    with suppress(FormatError):
        xml_document.load(text.encode("utf-8", "surrogatepass"), "thing")
    assert time.monotonic() - started < 5


def test_too_large_is_refused_before_it_is_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xml_document, "MAXIMUM_SIZE", 10)
    assert xml_document.load(b"<a>12</a>", "thing").text == "12"
    with pytest.raises(FormatError, match="at most 10 bytes, not 11"):
        xml_document.load(b"<a>1234</a>", "thing")


def test_utf_16_with_byte_order_mark_is_read() -> None:
    assert xml_document.load('<?xml version="1.0" encoding="utf-16"?><a>é</a>'.encode("utf-16"), "thing").text == "é"


def test_canonical_form_of_a_part_carries_only_the_namespaces_it_uses() -> None:
    # Derived by hand from https://www.w3.org/TR/xml-exc-c14n/ section 3: "u:unused" is not rendered, "n:" is,
    # attributes are sorted, the empty element is written with an end tag, the comment is left out.
    root = xml_document.load(b'<r xmlns:u="u:unused" xmlns:n="n:used"><n:a z="1" b="2"/><!-- c --></r>', "thing")
    assert xml_document.canonical(root[0]) == b'<n:a xmlns:n="n:used" b="2" z="1"></n:a>'
    assert xml_document.canonical(root) == b'<r><n:a xmlns:n="n:used" b="2" z="1"></n:a></r>'


def test_relative_namespace_has_no_canonical_form() -> None:
    with pytest.raises(FormatError, match="canonical form"):
        xml_document.canonical(xml_document.load(b'<a xmlns="../relative"/>', "thing"))


@given(st.binary(max_size=200) | st.text(alphabet="<>/a&;'\"!-[]?= \0é", max_size=60).map(str.encode))
def test_only_format_error_escapes(data: bytes) -> None:
    try:
        root = xml_document.load(data, "thing")
    except FormatError:
        return
    assert root.tag
