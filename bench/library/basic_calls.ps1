# SPDX-License-Identifier: GPL-3.0-or-later
#
# What invoke_cmdlets.ps1 does for simple calls, written as modules of Windows collections usually are: with Ansible.Basic,
# whose C# the host compiles at each task. Only for comparison.

#AnsibleRequires -CSharpUtil Ansible.Basic

$call = @{
    type = 'list'; elements = 'dict'; required = $true
    options = @{
        id = @{ type = 'str'; required = $true }
        cmdlet = @{ type = 'str'; required = $true }
        parameters = @{ type = 'dict'; default = @{} }
        select = @{ type = 'list'; elements = 'str'; default = @() }
    }
}
$module = [Ansible.Basic.AnsibleModule]::Create($args, @{ options = @{ calls = $call }; supports_check_mode = $true })
$module.Result.results = @(foreach ($item in $module.Params.calls) {
        $parameters = $item.parameters
        $output = @(& $item.cmdlet @parameters | Select-Object -Property $item.select | ForEach-Object {
                $object = @{}
                foreach ($property in $_.PSObject.Properties) { $object[$property.Name] = [string]$property.Value }
                $object
            })
        @{ id = $item.id; output = $output; warnings = @() }
    })
$module.ExitJson()
