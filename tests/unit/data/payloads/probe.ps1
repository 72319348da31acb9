#!powershell

# SPDX-License-Identifier: GPL-3.0-or-later

#Requires -Version 5.1

@{ changed = $false } | ConvertTo-Json
