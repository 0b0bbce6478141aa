// Programs that collect what belongs to the person who runs them.

rule stealer_browser_passwords {
  meta:
    title = "The code opens the password store of web browsers."
    severity = "blocker"
    remedy = "Remove this code; no product needs its buyers' saved passwords."
  strings:
    $login = /["'\\\/]Login Data["']/
    $state = /["'\\\/]Local State["']/
    $unprotect = "CryptUnprotectData"
    $table = /select\s[^\n]{0,80}password_value\s[^\n]{0,20}from\s+logins/ nocase
    $firefox = "logins.json"
    $nss = "PK11SDR_Decrypt"
  condition:
    ($login and ($unprotect or $table)) or ($state and $unprotect) or ($firefox and $nss)
}

rule stealer_discord_tokens {
  meta:
    title = "The code looks for Discord tokens on the machine it runs on."
    severity = "blocker"
    remedy = "Remove this code."
  strings:
    $storage = /Local Storage["'\\\/,\s]{1,8}leveldb/ nocase
    $token = /\[\\w-\]\{24\}\\\.\[\\w-\]\{6\}\\\.\[\\w-\]\{(27|25,110)\}/
    $mfa = /mfa\\?\.\[\\w-\]\{84\}/
    $hook = /discord(app)?\.com\/api\/webhooks\//
  condition:
    ($storage and ($hook or $token or $mfa)) or ($token and $hook)
}

rule stealer_wallets {
  meta:
    title = "The code collects cryptocurrency wallets."
    severity = "blocker"
    remedy = "Remove this code."
  strings:
    $metamask = "nkbihfbeogaeaoehlefnkodbefgpgknn"
    $exodus = "exodus.wallet"
    $electrum = /Electrum["'\\\/,\s]{1,8}wallets/
    $dat = "wallet.dat"
    $send = /(discord(app)?\.com\/api\/webhooks|api\.telegram\.org\/bot|requests\.post|sendDocument)/
  condition:
    2 of ($metamask, $exodus, $electrum, $dat) and $send
}

rule stealer_keylogger {
  meta:
    title = "The code records what is typed and sends it away."
    severity = "blocker"
    remedy = "Remove this code."
  strings:
    $listener = /(pynput\.keyboard|keyboard)\.(Listener|on_press|hook)\s*\(/
    $hook = "SetWindowsHookEx"
    $send = /(discord(app)?\.com\/api\/webhooks|api\.telegram\.org\/bot|smtplib\.SMTP)/
  condition:
    ($listener or $hook) and $send
}

rule stealer_credentials_sent {
  meta:
    title = "The code reads keys of the person who runs it and talks to a chat service."
    severity = "review"
    remedy = "Explain in the README what is read and where it is sent, or remove it."
  strings:
    $ssh = /\.ssh[\/\\](id_rsa|id_ed25519|id_ecdsa)/
    $aws = /\.aws[\/\\]credentials/
    $npm = /\.npmrc\b/
    $send = /(discord(app)?\.com\/api\/webhooks|api\.telegram\.org\/bot)/
  condition:
    any of ($ssh, $aws, $npm) and $send
}
