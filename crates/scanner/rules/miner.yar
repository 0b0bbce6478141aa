// Programs that mine coins on somebody else's machine.

rule miner_pool_address {
  meta:
    title = "The address of a mining pool is built in."
    severity = "blocker"
    remedy = "Remove the miner; software sold here may not use its buyers' machines."
  strings:
    $pool = /\bstratum\+(tcp|ssl|tls|udp):\/\/[a-z0-9.-]{4,100}:[0-9]{2,5}/ nocase
  condition:
    $pool
}

rule miner_browser {
  meta:
    title = "A script that mines in its visitors' browsers."
    severity = "blocker"
    remedy = "Remove the script."
  strings:
    $hive = /\b(CoinHive|Client|deepMiner|CryptoLoot)\.(Anonymous|User)\s*\(\s*["'][A-Za-z0-9]{16,64}["']/
    $load = /(coinhive|coin-hive|crypto-loot|webminepool|minero\.cc)[a-z0-9.\/-]{0,30}\.(min\.)?js/ nocase
  condition:
    any of them
}

rule miner_configuration {
  meta:
    title = "The settings of a coin miner are packed."
    severity = "review"
    remedy = "Remove the miner, or say in the README why the product is about mining."
  strings:
    $program = "xmrig" nocase fullword
    $donate = "donate-level" nocase
    $algorithm = /\b(randomx|cryptonight|rx\/0|cn\/r)\b/ nocase
    $pools = "\"pools\""
  condition:
    $program and 2 of ($donate, $algorithm, $pools)
}
