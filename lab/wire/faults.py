# SPDX-License-Identifier: GPL-3.0-or-later
"""The SOAP faults that a WinRM service answers with; codes and texts are those of the Windows SDK's wsmerror.h."""

from __future__ import annotations


class WsManFaultError(Exception):
    """A fault: numeric code, SOAP subcode, and the WMI error that some quota faults carry beside it."""

    def __init__(self, code: int, subcode: str, text: str, wmi_error: int | None = None) -> None:
        super().__init__(text)
        self.code = code
        self.subcode = subcode
        self.wmi_error = wmi_error


def timed_out() -> WsManFaultError:
    """ERROR_WSMAN_OPERATION_TIMEDOUT: nothing to receive yet; clients ask again."""
    return WsManFaultError(
        2150858793,
        "w:TimedOut",
        "The WS-Management service cannot complete the operation within the time specified in OperationTimeout.",
    )


def unknown_shell(shell_id: str) -> WsManFaultError:
    """ERROR_WSMAN_UNEXPECTED_SELECTORS for a shell."""
    return WsManFaultError(
        2150858843,
        "w:InvalidSelectors",
        f"The request for the Windows Remote Shell with ShellId {shell_id} failed because the shell was not "
        "found on the server. Possible causes are: the specified ShellId is incorrect or the shell no longer "
        "exists on the server. Provide the correct ShellId or create a new shell and retry the operation.",
    )


def unknown_command() -> WsManFaultError:
    """ERROR_WSMAN_UNEXPECTED_SELECTORS for a command."""
    return WsManFaultError(
        2150858843,
        "w:InvalidSelectors",
        "The Windows Remote Shell received a request to perform an operation on a command identifier that does not "
        "exist. Either the command has completed execution or the client specified an invalid command identifier.",
    )


def invalid_action(action: str) -> WsManFaultError:
    """ERROR_WSMAN_INVALID_ACTIONURI."""
    return WsManFaultError(
        2150858753,
        "a:ActionNotSupported",
        f"The WS-Management service cannot process the request. The WS-Addressing action URI is invalid: {action}",
    )


def invalid_resource(uri: str) -> WsManFaultError:
    """ERROR_WSMAN_INVALID_RESOURCE_URI."""
    return WsManFaultError(
        2150858811,
        "a:DestinationUnreachable",
        f"The WS-Management service cannot process the request. The resource URI ({uri}) was not found in the "
        "WS-Management catalog.",
    )


def invalid_body(why: str) -> WsManFaultError:
    """ERROR_WSMAN_INVALID_SOAP_BODY."""
    return WsManFaultError(
        2150858791,
        "w:SchemaValidationError",
        f"The WS-Management service cannot process the request. The SOAP body is invalid: {why}",
    )


def envelope_too_large(size: int, limit: int) -> WsManFaultError:
    """ERROR_WSMAN_ENVELOPE_TOO_LARGE."""
    return WsManFaultError(
        2150858790,
        "w:EncodingLimit",
        f"The WS-Management service cannot process the request because its envelope of {size} bytes exceeds the "
        f"maximum of {limit} bytes.",
    )


def too_many_shells(limit: int) -> WsManFaultError:
    """ERROR_WSMAN_QUOTA_MAX_SHELLS."""
    return WsManFaultError(
        2150859173,
        "w:QuotaLimit",
        "The WS-Management service cannot process the request. This user is allowed a maximum number of "
        f"{limit} concurrent shells, which has been exceeded. Close existing shells or raise the quota for this user.",
        wmi_error=2150859173,
    )


def too_much_input(limit: int) -> WsManFaultError:
    """Refuse input beyond what the lab keeps for one shell (on Windows the shell's memory quota ends it)."""
    return WsManFaultError(
        2150859173,
        "w:QuotaLimit",
        f"The lab keeps at most {limit} bytes of input for the commands of one shell.",
    )


def too_many_commands(limit: int) -> WsManFaultError:
    """Refuse commands beyond what the lab keeps for one shell (on Windows MaxProcessesPerShell does)."""
    return WsManFaultError(
        2150859173,
        "w:QuotaLimit",
        f"The lab keeps at most {limit} commands of one shell whose output was not received.",
    )


def aborted() -> WsManFaultError:
    """ERROR_OPERATION_ABORTED: the command or shell was ended while a client waited for its output."""
    return WsManFaultError(
        995,
        "w:InternalError",
        "The I/O operation has been aborted because of either a thread exit or an application request.",
    )


def internal_error(why: str) -> WsManFaultError:
    """ERROR_INTERNAL_ERROR, with what went wrong in the lab."""
    return WsManFaultError(1359, "w:InternalError", f"An internal error occurred. This is a bug of the lab: {why}")
