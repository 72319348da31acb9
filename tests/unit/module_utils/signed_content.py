# SPDX-License-Identifier: GPL-3.0-or-later
"""Signed envelopes for tests."""

from __future__ import annotations


def der(tag: int, *parts: bytes) -> bytes:
    body = b"".join(parts)
    size = len(body).to_bytes(3, "big").lstrip(b"\0") or b"\0"
    return bytes([tag]) + (bytes([len(body)]) if len(body) < 128 else bytes([0x80 + len(size)]) + size) + body


CERTIFICATE = der(0x30, b"a certificate")


def signed(content: bytes, content_type: str = "2b0601040182374f01") -> bytes:
    """CMS SignedData as RFC 5652 lays it out, without signer infos."""
    return der(
        0x30,
        der(0x06, bytes.fromhex("2a864886f70d010702")),
        der(
            0xA0,
            der(
                0x30,
                der(0x02, b"\x01"),
                der(0x31),
                der(0x30, der(0x06, bytes.fromhex(content_type)), der(0xA0, der(0x04, content))),
                der(0xA0, CERTIFICATE, CERTIFICATE),
                der(0x31),
            ),
        ),
    )
