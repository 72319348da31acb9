# SPDX-License-Identifier: GPL-3.0-or-later
r"""Code integrity policies as they come out of a scan of a machine's programs.

Lab only: the content of a program file is whatever the world holds, so rules use its plain hashes, not Authenticode;
programs below C:\Windows count as signed by Microsoft, all others as unsigned. As on Windows each scan ends in another
policy (WSD guarded-fabric-manage-hgs says to keep the file): the scan meets the script that PowerShell puts into the
temporary directory to find out its language mode, and files in no fixed order.
"""

from __future__ import annotations

import hashlib
import secrets
import uuid
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from ansible_collections.guarded.fabric.plugins.module_utils.si_policy import (
    AUDIT_MODE,
    KERNEL_MODE,
    USER_MODE,
    FileRule,
    Policy,
    RuleKind,
    Scenario,
    Signer,
    SignerGroup,
    SignerReference,
    with_option,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from .model import Machine

_VERSION: Final = 10 << 48
_MICROSOFT_FOLDER: Final = "c:\\windows\\"
_TEMPORARY_FOLDER: Final = "C:\\Users\\Administrator\\AppData\\Local\\Temp\\"
_WINDOWS_ROOT: Final = 6
"""Well-known root "Microsoft Root Certificate Authority 2010"."""
_WINDOWS_EKU: Final = bytes.fromhex("010a2b0601040182370a0306")
"""1.3.6.1.4.1.311.10.3.6, Windows System Component Verification, as the binary form writes it."""

SIGNED_LEVELS: Final = frozenset(
    {
        "SignedVersion",
        "Publisher",
        "FilePublisher",
        "LeafCertificate",
        "PcaCertificate",
        "RootCertificate",
        "WHQL",
        "WHQLPublisher",
        "WHQLFilePublisher",
    }
)
"""Rule levels that need a signed file."""


@dataclass(frozen=True)
class Program:
    """A file that a scan found."""

    path: str
    content: bytes

    @property
    def name(self) -> str:
        """The file's name without its folder."""
        return self.path.rpartition("\\")[2]

    @property
    def is_driver(self) -> bool:
        """Whether the file runs in kernel mode."""
        return self.path.lower().endswith(".sys")

    @property
    def is_signed(self) -> bool:
        """Whether the file counts as signed by Microsoft."""
        return self.path.lower().startswith(_MICROSOFT_FOLDER)


def scan(machine: Machine, below: str, omitted: Iterable[str], *, user_mode: bool) -> list[Program]:
    """Find drivers, and with `user_mode` all other programs, below a path and outside of the omitted ones."""
    start = below.lower()
    left_out = tuple(path.lower().rstrip("\\") + "\\" for path in omitted)
    programs = [Program(path, content) for path, content in machine.installed_software.items()]
    if user_mode:
        name = f"__PSScriptPolicyTest_{secrets.token_hex(4)}.{secrets.token_hex(2)}.ps1"
        programs.append(Program(_TEMPORARY_FOLDER + name, secrets.token_bytes(60)))
    found = [
        program
        for program in programs
        if program.path.lower().startswith(start)
        and not program.path.lower().startswith(left_out)
        and (user_mode or program.is_driver)
    ]
    return sorted(found, key=lambda _: secrets.randbits(64))


def policy_for(programs: Iterable[Program], levels: Sequence[str], *, user_mode: bool, deny: bool) -> Policy:
    """Make the policy that allows (or denies) these programs, each by the first level that is possible for it.

    As New-CIPolicy makes it: in audit mode, unsigned, with the advanced boot menu, updatable without restart.
    """
    draft = _Draft(RuleKind.DENY if deny else RuleKind.ALLOW)
    for program in programs:
        draft.add(program, levels)
    policy = replace(draft.policy(), version=_VERSION)
    for option in (6, 9, 16, AUDIT_MODE, *((0,) if user_mode else ())):
        policy = with_option(policy, option)
    return policy


def with_new_identity(policy: Policy) -> Policy:
    """Give a policy an identity of its own: the multiple-policy format, or -ResetPolicyID."""
    identity = uuid.uuid4()
    return replace(policy, policy_id=identity, base_policy_id=identity, type_id=identity)


def supplementing(policy: Policy, base: uuid.UUID) -> Policy:
    """Make a policy one that adds to another."""
    return replace(policy, policy_id=uuid.uuid4(), base_policy_id=base, type_id=base, supplemental=True)


class _Draft:
    """A policy in the making: rules found so far, and which of the two scenarios refers to which."""

    def __init__(self, kind: RuleKind) -> None:
        self._kind = kind
        self._rules: list[FileRule] = []
        self._hashes: dict[int, list[int]] = {KERNEL_MODE: [], USER_MODE: []}
        self._attribs: dict[int, list[int]] = {KERNEL_MODE: [], USER_MODE: []}
        self._signed: set[int] = set()

    def add(self, program: Program, levels: Sequence[str]) -> None:
        """Add rules for a program by the first possible level; none is possible: it gets no rule."""
        scenario = KERNEL_MODE if program.is_driver else USER_MODE
        for level in levels:
            if level in SIGNED_LEVELS and program.is_signed:
                self._add_signed(program, scenario, level)
                return
            if rules := _unsigned_rules(program, level, self._kind):
                for rule in rules:
                    self._hashes[scenario].append(len(self._rules))
                    self._rules.append(rule)
                return

    def _add_signed(self, program: Program, scenario: int, level: str) -> None:
        self._signed.add(scenario)
        if "File" in level:
            self._attribs[scenario].append(len(self._rules))
            self._rules.append(
                FileRule(
                    RuleKind.FILE_ATTRIB,
                    file_name=program.name,
                    minimum_version=_VERSION,
                    id=f"ID_FILEATTRIB_F_{len(self._rules):X}",
                    friendly_name=f"{program.path} FileAttribute",
                )
            )

    def policy(self) -> Policy:
        """Return the policy; a scenario without any file is left out."""
        used = [value for value in (KERNEL_MODE, USER_MODE) if value in self._signed or self._hashes[value]]
        signers = {value: index for index, value in enumerate(sorted(self._signed, reverse=True))}
        return Policy(
            version=0,
            ekus=(_WINDOWS_EKU,) if signers else (),
            file_rules=tuple(self._rules),
            signers=tuple(self._signer(value) for value in signers),
            ci_signers=tuple(index for value, index in signers.items() if value == USER_MODE),
            scenarios=tuple(self._scenario(value, signers) for value in used),
        )

    def _signer(self, scenario: int) -> Signer:
        return Signer(
            _WINDOWS_ROOT,
            ekus=(0,),
            publisher="Microsoft Windows",
            file_attribs=tuple(self._attribs[scenario]),
            id=f"ID_SIGNER_S_{scenario:X}",
            name="Microsoft Windows",
        )

    def _scenario(self, value: int, signers: Mapping[int, int]) -> Scenario:
        trusted = (SignerReference(signers[value]),) if value in signers else ()
        denies = self._kind is RuleKind.DENY
        group = SignerGroup(
            allowed=() if denies else trusted,
            denied=trusted if denies else (),
            file_rules=tuple(self._hashes[value]),
        )
        name = "ID_SIGNINGSCENARIO_DRIVERS_1" if value == KERNEL_MODE else "ID_SIGNINGSCENARIO_WINDOWS"
        return Scenario(value, product=group, id=name)


def _unsigned_rules(program: Program, level: str, kind: RuleKind) -> list[FileRule]:
    label = kind.name.capitalize()
    unique = secrets.token_hex(4).upper()
    if level == "Hash":
        digests = {
            "Sha1": hashlib.sha1(program.content, usedforsecurity=False).digest(),
            "Sha256": hashlib.sha256(program.content).digest(),
        }
        return [
            FileRule(kind, hash=digest, id=f"ID_{label.upper()}_A_{unique}_{name.upper()}", friendly_name=text)
            for name, digest in digests.items()
            for text in [f"{program.path} Hash {name}"]
        ]
    if level == "FileName":
        return [FileRule(kind, file_name=program.name, id=f"ID_{label.upper()}_A_{unique}", friendly_name=program.path)]
    if level == "FilePath":
        return [FileRule(kind, file_path=program.path, id=f"ID_{label.upper()}_A_{unique}", friendly_name=program.path)]
    return []
