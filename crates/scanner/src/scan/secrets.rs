//! Secrets that were packed by mistake. A key that opens somebody's account blocks the version; what only looks like one is
//! for review. Samples that vendors publish in their documentation, and placeholders, are neither.

use super::{
    Window,
    excerpt::{Lines, excerpt},
};
use crate::{Finding, Severity};
use regex::bytes::Regex;
use std::ops::Range;

/// One secret in a window.
pub(super) struct Secret<'d> {
    kind: &'d Kind,
    /// The secret part of the match.
    pub span: Range<usize>,
    line: u32,
}

impl Secret<'_> {
    /// As a finding, with this and all other secrets masked.
    pub fn finding(&self, window: &Window<'_>, masks: &[Range<usize>]) -> Finding {
        Finding {
            severity: self.kind.severity,
            rule: self.kind.rule.to_owned(),
            title: self.kind.title.to_owned(),
            path: Some(window.path.to_owned()),
            line: Some(self.line),
            excerpt: Some(excerpt(window.bytes, &self.span, masks)),
            remedy: self.kind.remedy.to_owned(),
        }
    }
}

/// What a secret looks like. Group 1 of the pattern, where there is one, is the part to hide.
struct Kind {
    rule: &'static str,
    severity: Severity,
    title: &'static str,
    pattern: &'static str,
    /// Judges what the pattern cannot: whole match, secret part.
    accept: fn(&str, &str) -> bool,
    remedy: &'static str,
}

const REVOKE: &str =
    "Revoke this key where it was made, then read it from the environment and pack an .env.example without values.";
const OUT_OF_CODE: &str = "If it is real, change it; read it from the environment instead of the code.";

const KINDS: &[Kind] = &[
    Kind {
        rule: "secret.aws-access-key",
        severity: Severity::Blocker,
        title: "An AWS access key is packed.",
        pattern: r"\b((?:AKIA|ASIA)[A-Z0-9]{16})\b",
        accept: real,
        remedy: REVOKE,
    },
    Kind {
        rule: "secret.aws-secret-key",
        severity: Severity::Blocker,
        title: "An AWS secret key is packed.",
        pattern: r#"(?i)aws[a-z_.\- ]{0,20}(?:secret|private)[a-z_.\- ]{0,20}["']?\s{0,4}(?:=>|[:=])\s{0,4}["']?([A-Za-z0-9/+]{40})(?:[^A-Za-z0-9/+=]|$)"#,
        accept: random,
        remedy: REVOKE,
    },
    Kind {
        rule: "secret.gcp-api-key",
        severity: Severity::Review,
        title: "A Google API key is packed.",
        pattern: r"\b(AIza[0-9A-Za-z_\-]{35})(?:[^0-9A-Za-z_\-]|$)",
        accept: real,
        remedy: "If it is not meant for browsers, revoke it; if it is, restrict it to your own domains.",
    },
    Kind {
        rule: "secret.gcp-oauth-secret",
        severity: Severity::Blocker,
        title: "A Google OAuth client secret is packed.",
        pattern: r"\b(GOCSPX-[0-9A-Za-z_\-]{28})(?:[^0-9A-Za-z_\-]|$)",
        accept: real,
        remedy: REVOKE,
    },
    Kind {
        rule: "secret.azure-storage-key",
        severity: Severity::Blocker,
        title: "An Azure storage account key is packed.",
        pattern: r"AccountKey=([A-Za-z0-9+/]{86}==)",
        accept: real,
        remedy: REVOKE,
    },
    Kind {
        rule: "secret.azure-client-secret",
        severity: Severity::Blocker,
        title: "An Azure client secret is packed.",
        pattern: r"\b([A-Za-z0-9_~.]{3}[0-9]Q~[A-Za-z0-9_~.\-]{31,34})(?:[^A-Za-z0-9_~.\-]|$)",
        accept: real,
        remedy: REVOKE,
    },
    Kind {
        rule: "secret.stripe-live-key",
        severity: Severity::Blocker,
        title: "A Stripe key for live payments is packed.",
        pattern: r"\b((?:sk|rk)_live_[0-9A-Za-z]{16,247})\b",
        accept: real,
        remedy: REVOKE,
    },
    Kind {
        rule: "secret.stripe-webhook",
        severity: Severity::Review,
        title: "The secret of a Stripe webhook is packed.",
        pattern: r"\b(whsec_[0-9A-Za-z+/=]{32,90})(?:[^0-9A-Za-z+/=]|$)",
        accept: random,
        remedy: OUT_OF_CODE,
    },
    Kind {
        rule: "secret.github-token",
        severity: Severity::Blocker,
        title: "A GitHub token is packed.",
        pattern: r"\b(gh[pousr]_[0-9A-Za-z]{36,251}|github_pat_[0-9A-Za-z_]{60,244})\b",
        accept: real,
        remedy: REVOKE,
    },
    Kind {
        rule: "secret.gitlab-token",
        severity: Severity::Blocker,
        title: "A GitLab token is packed.",
        pattern: r"\b((?:glpat|gldt|glrt|glcbt|glptt)-[0-9A-Za-z_\-]{20,64})(?:[^0-9A-Za-z_\-]|$)",
        accept: real,
        remedy: REVOKE,
    },
    Kind {
        rule: "secret.slack-token",
        severity: Severity::Blocker,
        title: "A Slack token is packed.",
        pattern: r"\b(xox[abeoprs]-[0-9A-Za-z\-]{10,250}|xapp-[0-9]-[0-9A-Za-z\-]{20,250})",
        accept: real,
        remedy: REVOKE,
    },
    Kind {
        rule: "secret.slack-webhook",
        severity: Severity::Review,
        title: "The address of a Slack webhook is packed; who knows it can post.",
        pattern: r"https://hooks\.slack\.com/services/(T[0-9A-Z]{8,12}/B[0-9A-Z]{8,12}/[0-9A-Za-z]{20,28})",
        accept: random,
        remedy: OUT_OF_CODE,
    },
    Kind {
        rule: "secret.openai-key",
        severity: Severity::Blocker,
        title: "An OpenAI key is packed.",
        pattern: r"\b(sk-(?:proj-|svcacct-|admin-)?[0-9A-Za-z_\-]{20,90}T3BlbkFJ[0-9A-Za-z_\-]{20,90})",
        accept: real,
        remedy: REVOKE,
    },
    Kind {
        rule: "secret.anthropic-key",
        severity: Severity::Blocker,
        title: "An Anthropic key is packed.",
        pattern: r"\b(sk-ant-(?:api|admin)[0-9]{2}-[0-9A-Za-z_\-]{80,120})",
        accept: real,
        remedy: REVOKE,
    },
    Kind {
        rule: "secret.sendgrid-key",
        severity: Severity::Blocker,
        title: "A SendGrid key is packed.",
        pattern: r"\b(SG\.[0-9A-Za-z_\-]{22}\.[0-9A-Za-z_\-]{43})(?:[^0-9A-Za-z_\-]|$)",
        accept: real,
        remedy: REVOKE,
    },
    Kind {
        rule: "secret.registry-token",
        severity: Severity::Blocker,
        title: "A token that may publish packages is packed.",
        pattern: r"\b(npm_[0-9A-Za-z]{36}|pypi-AgEIcHlwaS5vcmc[0-9A-Za-z_\-]{50,200}|dop_v1_[0-9a-f]{64})\b",
        accept: real,
        remedy: REVOKE,
    },
    Kind {
        rule: "secret.telegram-token",
        severity: Severity::Blocker,
        title: "The token of a Telegram bot is packed.",
        pattern: r"\b([0-9]{8,10}:AA[0-9A-Za-z_\-]{33})(?:[^0-9A-Za-z_\-]|$)",
        accept: real,
        remedy: REVOKE,
    },
    Kind {
        rule: "secret.private-key",
        severity: Severity::Blocker,
        title: "A private key is packed.",
        pattern: r#"-----BEGIN (?:[A-Z]{2,10} ){0,2}PRIVATE KEY(?: BLOCK)?-----(?:\\[nr]|[\s"'+,>|]){1,20}((?:[A-Za-z0-9+/=]|\\[nr]|[\s"'+,]){64,8000})"#,
        accept: key_material,
        remedy: "Replace the key pair everywhere it is used, and let the buyer make their own.",
    },
    Kind {
        rule: "secret.connection-string",
        severity: Severity::Blocker,
        title: "The address of a database is packed with its password.",
        pattern: r#"\b(?:postgres(?:ql)?|mysql|mariadb|mongodb(?:\+srv)?|rediss?|amqps?|mssql|sqlserver)(?:\+[a-z0-9]{2,12})?://[^\s:@/"'<>]{0,64}:([^\s@"'<>{}$%*]{3,128})@[^\s/"':?,<>]{1,200}"#,
        accept: reachable_database,
        remedy: "Change the password, then read the address from the environment.",
    },
    Kind {
        rule: "secret.jwt",
        severity: Severity::Review,
        title: "A signed token is packed.",
        pattern: r"\b(eyJ[0-9A-Za-z_\-]{10,2000}\.eyJ[0-9A-Za-z_\-]{10,4000}\.[0-9A-Za-z_\-]{20,1000})",
        accept: real,
        remedy: OUT_OF_CODE,
    },
    Kind {
        rule: "secret.assignment",
        severity: Severity::Review,
        title: "A value that looks like a secret is written in the code.",
        pattern: r#"(?i)(?:api[_-]?key|secret[_-]?key|client[_-]?secret|app[_-]?secret|access[_-]?token|auth[_-]?token|private[_-]?token|passw(?:or)?d|signing[_-]?key|encryption[_-]?key)["'\]]{0,2}\s{0,4}(?::=|=>|[:=])\s{0,4}["'`]([^"'`\s\\]{20,200})["'`]"#,
        accept: random_text,
        remedy: OUT_OF_CODE,
    },
];

/// Keys that vendors publish as samples, by a part of them.
const PUBLISHED: &[&str] = &[
    "AKIAIOSFODNN7EXAMPLE",
    "wJalrXUtnFEMI",                                        // its secret half
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2U", // the storage emulator's account
    "eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9lIi",   // John Doe of jwt.io
    "eyJpc3MiOiJzdXBhYmFzZS1kZW1vIi",                       // Supabase's local demo
    "123456:ABC-DEF1234ghIkl-zyx57W2v1u123ew11",            // Telegram's documentation
    "MIIEpAIBAAKCAQEAvE",                                   // start of several documentation keys
];

/// Words that nobody puts into a real secret.
const PLACEHOLDERS: &[&str] = &[
    "example",
    "placeholder",
    "changeme",
    "change_me",
    "change-me",
    "replace",
    "dummy",
    "sample",
    "redacted",
    "your",
    "xxxx",
    "0000",
    "1234567890",
    "insert",
    "todo",
    "fake",
    "notreal",
    "not-real",
    "aaaa",
    "....",
    "secret-key",
    "mysecret",
    "supersecret",
];

/// Matches of one kind in one window beyond which counting on tells nothing new.
const ENOUGH: usize = 200;

/// The patterns, compiled.
pub(super) struct Detectors(Vec<(Regex, &'static Kind)>);

impl Detectors {
    pub fn new() -> Self {
        Self(
            KINDS.iter().map(|kind| (Regex::new(&format!("(?-u){}", kind.pattern)).expect("a constant, tested"), kind)).collect(),
        )
    }

    /// All secrets of the window, in order of place.
    pub fn find(&self, window: &Window<'_>) -> Vec<Secret<'static>> {
        let mut secrets: Vec<Secret<'static>> = Vec::new();
        for (regex, kind) in &self.0 {
            let mut lines = Lines::of(window);
            for found in regex.captures_iter(window.bytes).take(ENOUGH) {
                let Some((whole, secret)) = found.get(0).zip(found.get(1)) else { continue };
                let text = |bytes| String::from_utf8_lossy(bytes);
                if whole.start() < window.end && (kind.accept)(&text(whole.as_bytes()), &text(secret.as_bytes())) {
                    secrets.push(Secret { kind, span: secret.range(), line: lines.at(secret.start()) });
                }
            }
        }
        // A guess about a value that a surer detector names as well says nothing more.
        secrets.sort_by_key(|secret| (secret.span.start, secret.kind.rule == "secret.assignment"));
        secrets.dedup_by(|later, earlier| later.span.start < earlier.span.end);
        secrets
    }
}

/// Neither published nor a placeholder.
fn real(_: &str, secret: &str) -> bool {
    let lower = secret.to_lowercase();
    !PUBLISHED.iter().any(|known| secret.contains(known))
        && !PLACEHOLDERS.iter().any(|word| lower.contains(word))
        && entropy(secret) > 2.5
}

/// Real, and as disordered as a key.
fn random(whole: &str, secret: &str) -> bool {
    real(whole, secret) && entropy(secret) > 3.7
}

/// Random, and neither words, a path, an address nor a reference to where the secret is kept.
fn random_text(whole: &str, secret: &str) -> bool {
    let digits = secret.chars().filter(char::is_ascii_digit).count();
    let letters = secret.chars().filter(char::is_ascii_alphabetic).count();
    random(whole, secret)
        && digits >= 3
        && letters >= 6
        && !secret.contains("://")
        && !secret.contains(['$', '{', '<', '(', '%'])
        && !secret.starts_with(['/', '.', '#'])
}

/// Long enough to be a key once line ends and quotes are gone.
fn key_material(_: &str, body: &str) -> bool {
    let material: String =
        body.replace("\\n", "").replace("\\r", "").chars().filter(|c| c.is_ascii_alphanumeric() || "+/=".contains(*c)).collect();
    material.len() >= 64 && entropy(&material) > 4.0 && !PUBLISHED.iter().any(|known| material.contains(known))
}

/// A password that is no placeholder, for a server that others can reach.
fn reachable_database(whole: &str, password: &str) -> bool {
    const USUAL: &[&str] = &[
        "password", "passwd", "pass", "postgres", "mysql", "root", "secret", "admin", "user", "guest", "redis", "pwd", "test",
        "app",
    ];
    let host = whole.rsplit('@').next().unwrap_or_default().to_lowercase();
    let elsewhere = host.contains('.')
        && !["127.0.0.1", "0.0.0.0"].contains(&host.as_str())
        && !host.ends_with(".local")
        && !host.ends_with(".internal");
    let lower = password.to_lowercase();
    elsewhere
        && !host.contains("example")
        && !USUAL.contains(&lower.as_str())
        && !PLACEHOLDERS.iter().any(|word| lower.contains(word))
        && password.chars().collect::<std::collections::HashSet<_>>().len() >= 4
}

/// Shannon entropy in bits per character.
fn entropy(text: &str) -> f64 {
    let mut counts = [0u32; 256];
    text.bytes().for_each(|byte| counts[usize::from(byte)] += 1);
    let total = text.len() as f64;
    counts.iter().filter(|count| **count > 0).map(|count| f64::from(*count) / total).map(|p| -p * p.log2()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(text: &str) -> Vec<&'static str> {
        let window = Window { path: "a.env", bytes: text.as_bytes(), first_line: 1, end: text.len() };
        Detectors::new().find(&window).iter().map(|secret| secret.kind.rule).collect()
    }

    /// Samples are put together here, so that this file trips no scanner of its own.
    #[test]
    fn real_keys_are_found() {
        let random = "q7Zr2LxW9vKd4TnB8sYc3HfM6jPg1RaE5uXo0iVt7Nw2QkJ8bDzL4mSy";
        let (r16, r28, r36, r43) = (&random[..16], &random[..28], &random[..36], &random[..43]);
        for (rule, text) in [
            ("secret.aws-access-key", format!("id = AKIA{}", &r16.to_uppercase())),
            ("secret.aws-secret-key", format!("aws_secret_access_key = \"{}\"", &random[..40])),
            ("secret.gcp-api-key", format!("key: 'AIza{}'", &random[..35])),
            ("secret.gcp-oauth-secret", format!("GOCSPX-{r28}")),
            ("secret.azure-storage-key", format!("AccountKey={}==", &random.repeat(2)[..86])),
            ("secret.stripe-live-key", format!("sk_live_{}", &random[..24])),
            ("secret.github-token", format!("ghp_{r36}")),
            ("secret.gitlab-token", format!("glpat-{}", &random[..20])),
            ("secret.slack-token", format!("xoxb-123412341234-{}", &random[..24])),
            ("secret.sendgrid-key", format!("SG.{}.{r43}", &random[..22])),
            ("secret.registry-token", format!("//registry/:_authToken=npm_{r36}")),
            ("secret.telegram-token", format!("TOKEN=987654321:AA{}", &random[..33])),
            ("secret.private-key", format!("-----BEGIN {}PRIVATE KEY-----\n{random}\n{random}\n", "RSA ")),
            ("secret.private-key", format!("\"private_key\": \"-----BEGIN {}PRIVATE KEY-----\\n{random}\\n{random}\\n", "")),
            ("secret.connection-string", "postgres://app:q7Zr2LxW9v@db.prod.acme.io:5432/app".to_owned()),
            ("secret.jwt", format!("eyJ{r28}.eyJ{r36}.{r43}")),
            ("secret.assignment", format!("const API_KEY = \"{r36}\";")),
        ] {
            assert_eq!(rules(&text), [rule], "{text}");
        }
    }

    #[test]
    fn samples_and_placeholders_are_not() {
        for text in [
            "AWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE",
            "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            "STRIPE_SECRET_KEY=sk_test_4eC39HqLyjWDarjtT1zdp7dc",
            "STRIPE_SECRET_KEY=sk_live_xxxxxxxxxxxxxxxxxxxxxxxx",
            "DATABASE_URL=postgres://postgres:postgres@localhost:5432/app",
            "DATABASE_URL=postgres://app:s3cr3tpw@db:5432/app",
            "DATABASE_URL=postgresql://user:password@ep-cool.neon.tech/app",
            "url = f\"postgres://{user}:{password}@{host}/{name}\"",
            "-----BEGIN PRIVATE KEY-----\n...\n-----END PRIVATE KEY-----",
            "apiKey: process.env.API_KEY ?? 'set-your-api-key-in-the-environment'",
            "password: 'correct-horse-battery-staple'",
            "secret_key = os.environ[\"SECRET_KEY_BASE_FROM_ENVIRONMENT\"]",
        ] {
            assert_eq!(rules(text), [] as [&str; 0], "{text}");
        }
    }

    #[test]
    fn a_guess_yields_to_a_surer_detector() {
        let text = format!("apiKey = 'ghp_{}'", "q7Zr2LxW9vKd4TnB8sYc3HfM6jPg1RaE5uXo");
        assert_eq!(rules(&text), ["secret.github-token"]);
    }
}
