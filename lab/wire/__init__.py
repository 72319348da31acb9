# SPDX-License-Identifier: GPL-3.0-or-later
"""WS-Management, WinRS and PowerShell remoting as stock Ansible speaks them, in front of emulated machines."""
