// Code that runs whatever a visitor sends.

rule webshell_php_request {
  meta:
    title = "PHP runs text that comes with a request."
    severity = "blocker"
    remedy = "Never pass request data to eval, assert, system or their like; remove this code."
  strings:
    $call = /\b(eval|assert|system|passthru|shell_exec|exec|popen|proc_open|create_function)\s*\(\s*((base64_decode|stripslashes|gzinflate|str_rot13|trim)\s*\(\s*|@){0,4}\$_(GET|POST|REQUEST|COOKIE|SERVER|FILES)\s*[\[{]/ nocase
    $variable = /\$_(GET|POST|REQUEST|COOKIE)\s*\[[^\]]{1,40}\]\s*\(\s*\$_(GET|POST|REQUEST|COOKIE)/ nocase
    $backtick = /`\s*\{?\$_(GET|POST|REQUEST|COOKIE)\s*\[/ nocase
    $include = /\b(include|require)(_once)?\s*\(?\s*\$_(GET|POST|REQUEST|COOKIE)\s*\[/ nocase
  condition:
    any of them
}

rule webshell_known_name {
  meta:
    title = "The name of a known web shell appears in PHP code."
    severity = "blocker"
    remedy = "Remove the file; this program gives strangers control over a server."
  strings:
    $php = "<?php" nocase
    $a = "FilesMan" fullword
    $b = "c99shell" nocase fullword
    $c = "r57shell" nocase fullword
    $d = "b374k" nocase fullword
    $e = "weevely" nocase fullword
  condition:
    $php and any of ($a, $b, $c, $d, $e)
}

rule webshell_python_request {
  meta:
    title = "Python runs text that comes with a request."
    severity = "blocker"
    remedy = "Never pass request data to a shell, eval or exec; remove this code."
  strings:
    $call = /\b(os\.(system|popen)|subprocess\.[a-z_]{2,20}|eval|exec)\s*\(\s*(str\s*\(\s*)?request\.(args|form|values|json|data|GET|POST|query_params|get_json|params)\b/ nocase
  condition:
    $call
}

rule webshell_node_request {
  meta:
    title = "JavaScript runs text that comes with a request."
    severity = "blocker"
    remedy = "Never pass request data to eval, Function or a child process; remove this code."
  strings:
    $call = /\b(eval|exec|execSync|spawn|spawnSync|Function)\s*\(\s*(req|request|ctx\.request|ctx)\.(query|body|params|headers|cookies)\b/
  condition:
    $call
}

rule webshell_jvm_dotnet_request {
  meta:
    title = "A page runs text that comes with a request."
    severity = "blocker"
    remedy = "Never pass request data to a process; remove this code."
  strings:
    $jsp = /getRuntime\s*\(\s*\)\s*\.\s*exec\s*\(\s*request\s*\.\s*getParameter/
    $asp = /\beval\s*\(\s*Request(\.(Item|Form|QueryString))?\s*[\[(]/ nocase
    $net = /Process\.Start\s*\([^)\n]{0,60}Request\.(Form|QueryString|Params)/
  condition:
    any of them
}
