// Programs that take files hostage, or pull up the ladder first.

rule ransom_note {
  meta:
    title = "The text of a ransom note."
    severity = "blocker"
    remedy = "Remove the file."
  strings:
    $taken = /\byour\s+(important\s+)?(files|data|documents|network)\s+(has|have|are|were)\s+(all\s+)?(been\s+)?(encrypted|locked)/ nocase
    $pay = /\b(send|pay|transfer)\b[^\n]{0,60}\b(bitcoin|btc|monero|xmr)\b/ nocase
    $onion = /[a-z2-7]{16,56}\.onion/
    $key = /\b(decryption key|private key|decryptor|recover your files|restore your files)\b/ nocase
  condition:
    $taken and any of ($pay, $onion) and $key
}

rule ransom_no_way_back {
  meta:
    title = "A command that deletes a system's backups."
    severity = "blocker"
    remedy = "Remove the command."
  strings:
    $shadows = /vssadmin(\.exe)?["',\s]+delete["',\s]+shadows/ nocase
    $wmic = /wmic(\.exe)?["',\s]+shadowcopy["',\s]+delete/ nocase
    $catalog = /wbadmin(\.exe)?["',\s]+delete["',\s]+(catalog|systemstatebackup)/ nocase
    $recovery = /bcdedit(\.exe)?[^\n]{0,40}recoveryenabled["',\s]+no\b/ nocase
  condition:
    any of them
}
