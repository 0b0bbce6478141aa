//! Configuration as the program needs it: read once at start from the environment over `mywork.toml` over defaults, checked
//! as a whole, handed around as a value. Only `crates/cli` reads it; the domain is given what it needs.
//!
//! A secret is a [`Secret`]: it prints as `[redacted]` wherever it is shown.

use std::{fmt, net::IpAddr};
use url::Url;

/// A value that never appears in output.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Secret(String);

impl Secret {
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value, for the one place that has to send it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "[empty]" } else { "[redacted]" })
    }
}

/// Everything that can be set.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where people reach the site; links in e-mails and return addresses start with it.
    pub base_url: Url,
    /// Port of the web process.
    pub port: u16,
    pub database: Database,
    pub auth: Auth,
    pub stripe: Stripe,
    pub storage: Storage,
    pub email: Email,
    pub web: Web,
    pub metrics: Metrics,
    pub log: Log,
}

#[derive(Clone, Debug)]
pub struct Database {
    /// Login that may become any of the three roles, and that migrates.
    pub url: Secret,
    /// Login of the web tier where it has one of its own.
    pub web_url: Option<Secret>,
    /// Login of workers where they have one of their own.
    pub worker_url: Option<Secret>,
    /// An address without a pooler in between, where the others have one.
    pub direct_url: Option<Secret>,
    /// Connections per pool.
    pub max_connections: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthMode {
    /// Our own accounts.
    Builtin,
    /// Clerk signs people in.
    Clerk,
}

#[derive(Clone, Debug)]
pub struct Auth {
    pub mode: AuthMode,
    /// `iss` of accepted tokens; of our own accounts, the base URL.
    pub issuer: Option<String>,
    /// Where the provider publishes its keys (Clerk).
    pub jwks_url: Option<Url>,
    /// Page of the provider where people sign in (Clerk).
    pub sign_in_url: Option<Url>,
    /// Secrets of Clerk's webhooks; two while one is rolled.
    pub webhook_secrets: Vec<Secret>,
}

#[derive(Clone, Debug)]
pub struct Stripe {
    pub secret_key: Secret,
    pub publishable_key: String,
    /// Secrets of the platform's webhook endpoint; two while one is rolled.
    pub webhook_secrets: Vec<Secret>,
    /// Base of the API; another one only for the sandbox.
    pub api_base: Url,
    /// The script of the card form.
    pub js_url: Url,
}

#[derive(Clone, Debug)]
pub struct Storage {
    /// S3 endpoint as browsers and we reach it.
    pub endpoint: Url,
    pub region: String,
    pub bucket: String,
    pub access_key: String,
    pub secret_key: Secret,
}

#[derive(Clone, Debug)]
pub struct Email {
    pub api_key: Secret,
    /// Base of the API; another one only for the sandbox.
    pub api_base: Url,
    /// `MyWork <hello@example.com>`
    pub from: String,
    pub webhook_secrets: Vec<Secret>,
}

#[derive(Clone, Debug)]
pub struct Web {
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpAddr>,
    /// Requests per minute and address.
    pub rate_per_minute: u32,
    /// Shared secret of `/api/cron/…`; without one those routes are closed.
    pub cron_secret: Option<Secret>,
}

#[derive(Clone, Copy, Debug, Default)]
pub struct Metrics {
    /// Port on which workers and schedulers answer monitors; the web process does so on its own.
    pub port: Option<u16>,
}

#[derive(Clone, Debug)]
pub struct Log {
    /// One JSON object a line, for machines; otherwise for eyes.
    pub json: bool,
    /// Filter in the syntax of `RUST_LOG`.
    pub filter: String,
}
