# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Values as Windows gives them: enums as names or numbers, lists of one that came as the one, names in any case."""

from __future__ import annotations

from collections.abc import Mapping

from ansible_collections.guarded.fabric.plugins.module_utils.protection_algorithms import thumbprint


def same_text(before: object, after: object) -> bool:
    """Compare as Windows compares names: without regard to case."""
    return str(before or "").casefold() == str(after or "").casefold()


def texts(value: object) -> list[str]:
    """Return the texts of a list, of a single value, or of nothing."""
    if value is None:
        return []
    return [str(item) for item in value] if isinstance(value, (list, tuple)) else [str(value)]


def name_in(item: Mapping[str, object], name: str) -> str:
    """Return the property by which Windows names a thing.

    Raises ValueError where it is no text: what else a host gives for a name, str() would make one of, such as None.
    """
    value = item.get(name)
    if not isinstance(value, str) or not value:
        message = f"{name} is no name but {type(value).__name__ if value != '' else 'empty'}"
        raise ValueError(message)
    return value


def name_of(value: object, names: Mapping[int, str]) -> str:
    """Return the name of an enum's value, whether it came as name or as number; a number that is not known as text."""
    text = str(value if value is not None else "").strip()
    return names.get(int(text), text) if text.isdigit() else text


def thumbprint_of(certificate: object) -> str:
    """Return the thumbprint of a certificate that came as an X509Certificate2 or as its bytes; empty for none.

    MSFT_HgsGuardian has bytes, and scripts read `.Thumbprint` of what the cmdlets make of them.
    """
    if isinstance(certificate, bytes):
        return thumbprint(certificate)
    return str(certificate.get("Thumbprint", "")).upper() if isinstance(certificate, Mapping) else ""


def same_texts(before: object, after: object) -> bool:
    """Compare lists of texts without regard to case; nothing is the empty list."""
    return [text.casefold() for text in texts(before)] == [text.casefold() for text in texts(after)]
