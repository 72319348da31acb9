# SPDX-License-Identifier: GPL-3.0-or-later
#
# What the start of PowerShell and Ansible's wrapper cost without a module.

#Requires -Version 5.1

'{"changed":false,"results":[]}'
