// Code that opens a shell to a machine elsewhere.

rule reverse_shell_one_line {
  meta:
    title = "A command that gives a remote machine a shell."
    severity = "blocker"
    remedy = "Remove the command."
  strings:
    $bash = /\b(ba|z|k)?sh\s+-i\s*(>&|>|<|&>)\s*\/dev\/(tcp|udp)\//
    $tcp = /exec\s+[0-9]{1,3}<>\s*\/dev\/tcp\/[^\s]{3,80}/
    $nc = /\b(nc|ncat|netcat)(\.traditional)?\s+([^\n;|&]{1,80}\s)?-[a-z]{0,4}[ec]\s+\/?(usr\/)?(bin\/)?(ba)?sh\b/
    $fifo = /mkfifo\s+\/tmp\/[a-z0-9]{1,12}\s*;[^\n]{0,120}\b(nc|ncat|netcat|openssl)\b/
    $perl = /perl\s+-e\s+['"]use\s+Socket;[^\n]{0,400}exec\s*[\({]?["']\/bin\/(ba)?sh/
    $socat = /socat\s+[^\n]{0,80}exec:['"]?(ba)?sh\b/ nocase
  condition:
    any of them
}

rule reverse_shell_python {
  meta:
    title = "Python ties a network connection to a shell."
    severity = "blocker"
    remedy = "Remove this code."
  strings:
    $socket = "socket.socket(" 
    $dup = /os\.dup2\s*\(\s*\w{1,20}\.fileno\s*\(\s*\)\s*,\s*[012]\s*\)/
    $shell = /(pty\.spawn|subprocess\.(call|run|Popen)|os\.system)\s*\(\s*\[?\s*["'](\/bin\/)?(ba|z)?sh["']/
  condition:
    $socket and $dup and $shell
}

rule reverse_shell_script {
  meta:
    title = "A network connection is tied to a shell."
    severity = "blocker"
    remedy = "Remove this code."
  strings:
    $php = /fsockopen\s*\([^)\n]{3,80}\)\s*;[^\n]{0,80}(exec|system|proc_open|shell_exec)\s*\(\s*["']\/bin\/(ba)?sh/
    $node = /\.pipe\s*\(\s*\w{1,20}\.stdin\s*\)[^}]{0,120}\w{1,20}\.stdout\.pipe\s*\(/
    $node_spawn = /spawn\s*\(\s*["'](\/bin\/)?(ba)?sh["']|spawn\s*\(\s*["']cmd(\.exe)?["']/
    $node_net = /\.connect\s*\(\s*[0-9]{2,5}\s*,\s*["'][0-9a-z.-]{4,60}["']/
    $powershell = /New-Object\s+(System\.)?Net\.Sockets\.TCPClient\s*\(/ nocase
    $iex = /\b(iex|Invoke-Expression)\b/ nocase
  condition:
    $php or ($node and $node_spawn and $node_net) or ($powershell and $iex)
}
