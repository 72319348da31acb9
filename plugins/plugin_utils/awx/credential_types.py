# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Types of credential that AWX lacks, and what a job is given of each.

A job's credential reaches it as a file, a variable or the environment; nothing of it is shown with the job (AWX's
documentation, "Custom Credential Types").
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

# A template loses one line break at its end, and OpenSSH and PEM want theirs.
_PFX = "-----BEGIN PKCS12-----\n{{ %s }}\n-----END PKCS12-----\n\n"


@dataclass(frozen=True)
class CredentialType:
    """A type: its name after the prefix, and what AWX is told of it."""

    name: str
    inputs: Mapping[str, object]
    injectors: Mapping[str, object]


def _field(name: str, label: str, help_text: str = "", **more: bool) -> dict[str, object]:
    # AWX adds the type where it is missing, and the next run would find a difference.
    said = {"help_text": help_text} if help_text else {}
    return {"id": name, "type": "string", "label": label, **said, **more}


HGS = CredentialType(
    "HGS",
    {
        "fields": [
            _field("safe_mode_password", "Directory services restore mode password", secret=True),
            _field("signing_certificate", "Signing certificate", "PFX, in base64", secret=True, multiline=True),
            _field("signing_certificate_password", "Its password", secret=True),
            _field("encryption_certificate", "Encryption certificate", "PFX, in base64", secret=True, multiline=True),
            _field("encryption_certificate_password", "Its password", secret=True),
        ],
        "required": [
            "safe_mode_password",
            "signing_certificate",
            "signing_certificate_password",
            "encryption_certificate",
            "encryption_certificate_password",
        ],
    },
    {
        "file": {
            "template.signing": _PFX % "signing_certificate",
            "template.encryption": _PFX % "encryption_certificate",
        },
        "extra_vars": {
            "hgs_safe_mode_password": "{{ safe_mode_password }}",
            "hgs_signing_certificate": "{{ tower.filename.signing }}",
            "hgs_signing_certificate_password": "{{ signing_certificate_password }}",
            "hgs_encryption_certificate": "{{ tower.filename.encryption }}",
            "hgs_encryption_certificate_password": "{{ encryption_certificate_password }}",
        },
    },
)
# AWX's own type Source Control is for projects; it gives a job nothing.
EXCHANGE = CredentialType(
    "Exchange",
    {
        "fields": [
            _field("repository", "Repository", "such as ssh://git@git.example/guarded-fabric/exchange.git"),
            _field("branch", "Branch"),
            _field("ssh_key", "Deploy key that may write", secret=True, multiline=True),
            _field("known_hosts", "Host keys of the server", "as in known_hosts", multiline=True),
        ],
        "required": ["repository", "branch"],
    },
    {
        "file": {"template.key": "{{ ssh_key }}\n\n", "template.hosts": "{{ known_hosts }}\n\n"},
        "env": {
            "GIT_SSH_COMMAND": "ssh -i {{ tower.filename.key }} -o IdentitiesOnly=yes -o StrictHostKeyChecking=yes"
            " -o UserKnownHostsFile={{ tower.filename.hosts }}",
        },
        "extra_vars": {
            "exchange_repository": "{{ repository }}",
            "exchange_branch": "{{ branch }}",
        },
    },
)
# A job takes one credential of a type; with AWX's own type Machine it could not log on to guests as somebody else.
CUSTOM = (HGS, EXCHANGE)
