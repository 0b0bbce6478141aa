// Code that hides what it runs.

rule loader_python {
  meta:
    title = "Python unpacks hidden code and runs it."
    severity = "blocker"
    remedy = "Ship the code itself: buyers must be able to read what they run."
  strings:
    $direct = /\b(exec|eval)\s*\(\s*(compile\s*\(\s*)?((__import__\s*\(\s*["']\w{2,10}["']\s*\)|base64|zlib|marshal|codecs|bz2|lzma|binascii)\s*\.\s*\w{4,20}\s*\(\s*){1,5}b?["'\w]/
    $lambda = /exec\s*\(\s*\(\s*_\s*\)\s*\(\s*b["']/
  condition:
    any of them
}

rule loader_javascript {
  meta:
    title = "JavaScript unpacks hidden code and runs it."
    severity = "blocker"
    remedy = "Ship the code itself: buyers must be able to read what they run."
  strings:
    $atob = /\b(eval|Function)\s*\(\s*(window\.|globalThis\.)?(atob|unescape|decodeURIComponent)\s*\(\s*["'`][A-Za-z0-9+\/=%]{40,}/
    $buffer = /\b(eval|Function|runInThisContext)\s*\(\s*Buffer\.from\s*\(\s*["'`][A-Za-z0-9+\/=]{40,}["'`]\s*,\s*["'](base64|hex)["']/
    $packer = /eval\s*\(\s*function\s*\(\s*p\s*,\s*a\s*,\s*c\s*,\s*k\s*,\s*e\s*,\s*[dr]\s*\)/
    $codes = /\b(eval|Function)\s*\(\s*String\.fromCharCode\s*\(\s*([0-9]{1,3}\s*,\s*){20,}/
  condition:
    any of them
}

rule loader_php {
  meta:
    title = "PHP unpacks hidden code and runs it."
    severity = "blocker"
    remedy = "Ship the code itself: buyers must be able to read what they run."
  strings:
    $chain = /\b(eval|assert)\s*\(\s*(@?\s*(gzinflate|gzuncompress|gzdecode|str_rot13|strrev|rawurldecode|base64_decode|convert_uudecode|hex2bin)\s*\(\s*){1,6}["'$]/ nocase
    $preg = /preg_replace\s*\(\s*["']\/[^\n"']{0,40}\/[a-z]{0,4}e[a-z]{0,4}["']\s*,/
  condition:
    any of them
}

rule loader_powershell {
  meta:
    title = "PowerShell downloads or unpacks hidden code and runs it."
    severity = "blocker"
    remedy = "Ship the script itself and say in the README what it does."
  strings:
    $encoded = /powershell(\.exe)?\s[^\n]{0,120}-e(nc(odedcommand)?)?\s+["']?[A-Za-z0-9+\/=]{60,}/ nocase
    $download = /\b(iex|invoke-expression)\b[\s(&]{1,8}(\(?new-object\s+(system\.)?net\.webclient\)?\s*\)?\.downloadstring|\(?i(wr|nvoke-webrequest)\b)/ nocase
    $reflect = /\[(System\.)?Reflection\.Assembly\]::Load\s*\(\s*\[(System\.)?Convert\]::FromBase64String/ nocase
  condition:
    any of them
}

rule loader_download_and_run {
  meta:
    title = "A script from the network is piped into a shell."
    severity = "review"
    remedy = "Pin what is downloaded and check its hash, or describe the step in the README and let the buyer run it."
  strings:
    $pipe = /\b(curl|wget)\s[^\n|;]{4,200}\|\s*(sudo\s+)?(ba|z)?sh\b/
    $substitute = /\b(ba|z)?sh\s+(-c\s+)?["']?[<$]\(\s*(curl|wget)\s/
    $certutil = /certutil(\.exe)?\s[^\n]{0,40}-urlcache/ nocase
  condition:
    any of them
}

rule loader_obfuscated_names {
  meta:
    title = "The code went through an obfuscator; nobody can review it."
    severity = "review"
    remedy = "Ship readable sources; minify in the build instead."
  strings:
    $name = /_0x[a-f0-9]{4,6}\b/
    $hex = /(\\x[0-9a-fA-F]{2}){80}/
  condition:
    #name > 60 or $hex
}

rule loader_install_script {
  meta:
    title = "Installing the package runs a command that reaches out to the network or hides code."
    severity = "blocker"
    remedy = "Remove the install script; let buyers run such a step by hand."
  strings:
    $hook = /"(preinstall|install|postinstall)"\s*:\s*"[^"\n]{0,200}(curl|wget|powershell|node\s+-e|python3?\s+-c|base64|\/dev\/tcp)[^"\n]{0,200}"/
  condition:
    $hook
}
