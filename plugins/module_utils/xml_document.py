# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""XML from other machines, read without trusting it: no DTD, no entities, no network, bounded size and depth."""

from __future__ import annotations

from contextlib import suppress

from ansible_collections.guarded.fabric.plugins.module_utils.format_error import FormatError

with suppress(ImportError):  # plugin_utils/requirements.py names what is missing, before anything needs it
    from lxml import etree

    Element = etree._Element  # noqa: SLF001 - lxml publishes its element type under no other name

MAXIMUM_SIZE = 32 * 1024 * 1024
"""Bytes. The largest published code integrity policy is half a MiB; a parsed tree takes some ten times the text."""


def load(data: bytes, what: str) -> Element:
    """Return the root element of `data`; `what` names the document in errors. Raises FormatError."""
    if len(data) > MAXIMUM_SIZE:
        raise FormatError(what, f"an XML document of at most {MAXIMUM_SIZE} bytes, not {len(data)}", MAXIMUM_SIZE)
    # A parser for each document: lxml's parsers keep state and are not to be shared between threads.
    parser = etree.XMLParser(
        resolve_entities=False,
        load_dtd=False,
        no_network=True,
        dtd_validation=False,
        huge_tree=False,
        collect_ids=False,
    )
    try:
        root = etree.fromstring(data, parser)
    except etree.XMLSyntaxError as error:
        line, column = error.position
        reason = error.msg or "it is empty"
        raise FormatError(what, f"well-formed XML, but line {line} column {column}: {reason}") from error
    if root.getroottree().docinfo.internalDTD is not None:
        raise FormatError(what, "an XML document without a DOCTYPE")
    return root


def canonical(element: Element) -> bytes:
    """Return `element` in exclusive canonical form without comments (http://www.w3.org/2001/10/xml-exc-c14n#), UTF-8.

    Raises FormatError where the canonical form is not defined, such as for relative namespace names.
    """
    try:
        return etree.tostring(element, method="c14n", exclusive=True, with_comments=False)
    except etree.C14NError as error:
        raise FormatError("XML document", f"an element with a canonical form: {error}") from error
