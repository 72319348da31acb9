# SPDX-License-Identifier: GPL-3.0-or-later
"""The Windows module ServerManager: roles and features."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from ansible_collections.guarded.fabric.lab.world import features, restarts

from .registry import CmdletError, NotEmulatedError, PSObject, cmdlet
from .wildcards import matches

if TYPE_CHECKING:
    from ansible_collections.guarded.fabric.lab.world.features import Feature
    from ansible_collections.guarded.fabric.lab.world.model import Machine

    from .registry import Bound, Session

MODULE: Final = "ServerManager"
_RESTART_DELAY: Final = timedelta(seconds=5)


@cmdlet(MODULE, "Get-WindowsFeature")
def get_windows_feature(session: Session, p: Bound) -> object:
    """Return the features of this Windows; a name that it does not have gives nothing."""
    _only_here(p)
    patterns = p.texts("Name") or ["*"]
    return [
        _feature(session.machine, feature)
        for feature in features.available(session.machine)
        if any(matches(pattern, feature.name) for pattern in patterns)
    ]


@cmdlet(MODULE, "Install-WindowsFeature")
def install_windows_feature(session: Session, p: Bound) -> object:
    """Install features with all they depend on; with -Restart the computer restarts where one of them needs that."""
    _only_here(p)
    machine = session.machine
    by_name = {feature.name.lower(): feature for feature in features.available(machine)}
    names = p.texts("Name")
    unknown = [name for name in names if name.lower() not in by_name]
    if unknown:
        raise CmdletError(
            "ArgumentNotValid: The role, role service, or feature name is not valid: "
            f"'{', '.join(unknown)}'. The name was not found.",
            "NameDoesNotExist,Microsoft.Windows.ServerManager.Commands.AddWindowsFeatureCommand",
            "InvalidArgument",
            "System.Exception",
        )
    wanted = features.closure((by_name[name.lower()] for name in names), with_tools=p.flag("IncludeManagementTools"))
    new = features.install(machine, wanted)
    restart = bool(machine.pending_features)
    if restart and p.flag("Restart"):
        restarts.schedule(machine, session.clock.now(), _RESTART_DELAY)
    elif restart:
        session.warn("You must restart this server to finish the installation process.")
    exit_code = "NoChangeNeeded" if not new else "SuccessRestartRequired" if restart else "Success"
    return PSObject(
        "Microsoft.Windows.ServerManager.Commands.FeatureOperationResult",
        {
            "Success": True,
            "RestartNeeded": "Yes" if restart else "No",
            "ExitCode": exit_code,
            "FeatureResult": [_feature(machine, feature) for feature in new],
        },
    )


def _only_here(p: Bound) -> None:
    for name in ("ComputerName", "Credential", "Vhd", "ConfigurationFilePath", "IncludeAllSubFeature", "Source"):
        if name in p:
            raise NotEmulatedError(f"the lab does not emulate -{name} of the feature cmdlets")


def _feature(machine: Machine, feature: Feature) -> PSObject:
    pending = feature.name in machine.pending_features
    installed = feature.name in machine.features
    return PSObject(
        "Microsoft.Windows.ServerManager.Commands.Feature",
        {
            "Name": feature.name,
            "DisplayName": feature.display_name,
            "Installed": installed,
            "InstallState": "InstallPending" if pending else "Installed" if installed else "Available",
            "FeatureType": feature.type,
            "DependsOn": list(feature.depends_on),
            "RestartNeeded": pending,
        },
        base=feature,
    )
