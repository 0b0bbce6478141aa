//! Reads the configuration: environment over `mywork.toml` over defaults. [`SETTINGS`] is the one list of everything that can
//! be set; `docs/configuration.md` is printed from it and a test holds the two together. Every fault is found and told at
//! once, each with the name of the setting and what to do.

use mywork::config::{Auth, AuthMode, Config, Database, Email, Log, Metrics, Secret, Storage, Stripe, Web};
use std::{collections::BTreeMap, fmt, path::Path, str::FromStr};

/// One thing that can be set.
#[derive(Debug)]
pub struct Setting {
    /// Name in the environment.
    pub env: &'static str,
    /// Path in `mywork.toml`.
    pub path: &'static str,
    pub default: Option<&'static str>,
    pub meaning: &'static str,
}

const fn setting(env: &'static str, path: &'static str, default: Option<&'static str>, meaning: &'static str) -> Setting {
    Setting { env, path, default, meaning }
}

/// Everything that can be set. A setting without a default is required, unless its meaning says otherwise.
#[rustfmt::skip]
pub const SETTINGS: &[Setting] = &[
    setting("BASE_URL", "base_url", Some("http://localhost:8080"), "Where people reach the site; links in e-mails start with it."),
    setting("PORT", "port", Some("8080"), "Port of the web process."),
    setting("DATABASE_URL", "database.url", None, "PostgreSQL 15 or newer with pgvector; a login that may migrate."),
    setting("WEB_DATABASE_URL", "database.web_url", Some(""), "Login of the web tier, a member of mywork_web; empty: DATABASE_URL."),
    setting("WORKER_DATABASE_URL", "database.worker_url", Some(""), "Login of workers, a member of mywork_worker; empty: DATABASE_URL."),
    setting("DATABASE_DIRECT_URL", "database.direct_url", Some(""), "An address without a pooler in between, for LISTEN and migrations; empty: the others have none."),
    setting("DATABASE_CONNECTIONS", "database.max_connections", Some("16"), "Connections per pool; a worker has two pools."),
    setting("AUTH_MODE", "auth.mode", Some("builtin"), "`builtin` for our own accounts, `clerk` for Clerk."),
    setting("AUTH_ISSUER", "auth.issuer", Some(""), "`iss` of accepted tokens; required for Clerk."),
    setting("AUTH_JWKS_URL", "auth.jwks_url", Some(""), "Where Clerk publishes its keys; required for Clerk."),
    setting("AUTH_SIGN_IN_URL", "auth.sign_in_url", Some(""), "Clerk's sign-in page; required for Clerk."),
    setting("CLERK_WEBHOOK_SECRETS", "auth.webhook_secrets", Some(""), "Secrets of Clerk's webhook endpoint, comma separated; two while one is rolled."),
    setting("STRIPE_SECRET_KEY", "stripe.secret_key", None, "Stripe's secret key."),
    setting("STRIPE_PUBLISHABLE_KEY", "stripe.publishable_key", None, "Stripe's publishable key, which browsers see."),
    setting("STRIPE_WEBHOOK_SECRETS", "stripe.webhook_secrets", None, "Secrets of the platform's webhook endpoint, comma separated; two while one is rolled."),
    setting("STRIPE_API_BASE", "stripe.api_base", Some("https://api.stripe.com/"), "Base of Stripe's API; another one only for the sandbox."),
    setting("STRIPE_JS_URL", "stripe.js_url", Some("https://js.stripe.com/v3/"), "The script of the card form."),
    setting("S3_ENDPOINT", "storage.endpoint", None, "S3 endpoint, as browsers and the program reach it."),
    setting("S3_REGION", "storage.region", Some("auto"), "Region of the bucket."),
    setting("S3_BUCKET", "storage.bucket", Some("mywork"), "Bucket of packages and images."),
    setting("S3_ACCESS_KEY", "storage.access_key", None, "Access key of the bucket."),
    setting("S3_SECRET_KEY", "storage.secret_key", None, "Secret key of the bucket."),
    setting("RESEND_API_KEY", "email.api_key", None, "Resend's API key."),
    setting("RESEND_API_BASE", "email.api_base", Some("https://api.resend.com/"), "Base of Resend's API; another one only for the sandbox."),
    setting("EMAIL_FROM", "email.from", None, "Sender, as in `MyWork <hello@example.com>`."),
    setting("RESEND_WEBHOOK_SECRETS", "email.webhook_secrets", Some(""), "Secrets of Resend's webhook endpoint, comma separated."),
    setting("TRUSTED_PROXIES", "web.trusted_proxies", Some(""), "Addresses of proxies whose X-Forwarded-For is believed, comma separated."),
    setting("RATE_PER_MINUTE", "web.rate_per_minute", Some("100"), "API requests per minute and address."),
    setting("CRON_SECRET", "web.cron_secret", Some(""), "Shared secret of /api/cron/…; empty: those routes are closed."),
    setting("METRICS_PORT", "metrics.port", Some(""), "Port on which a worker or scheduler answers /metrics and /health/…; empty: none. The web answers on its own."),
    setting("LOG_JSON", "log.json", Some("true"), "One JSON object a line; `false` for lines that people read."),
    setting("LOG", "log.filter", Some("info"), "Filter of log lines, as `info` or `mywork_web=debug,info`."),
];

/// What is wrong with the configuration, all of it.
#[derive(Debug, PartialEq, Eq)]
pub struct Faults(pub Vec<String>);

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the configuration has {} fault(s):", self.0.len())?;
        self.0.iter().try_for_each(|fault| write!(f, "\n  - {fault}"))
    }
}

impl std::error::Error for Faults {}

/// Reads `mywork.toml` from the working directory, where there is one, and the environment.
///
/// # Errors
/// All faults at once.
pub fn load() -> Result<Config, Faults> {
    let file = match std::fs::read_to_string(Path::new("mywork.toml")) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(e) => return Err(Faults(vec![format!("mywork.toml cannot be read ({e}): check its permissions")])),
    };
    read(&file, |name| std::env::var(name).ok())
}

/// The configuration that `file` and `environment` describe.
///
/// # Errors
/// All faults at once.
pub fn read(file: &str, environment: impl Fn(&str) -> Option<String>) -> Result<Config, Faults> {
    let mut faults = Vec::new();
    let in_file = flatten(file, &mut faults);
    for path in in_file.keys() {
        if !SETTINGS.iter().any(|s| s.path == path) {
            faults.push(format!("mywork.toml: `{path}` is not a setting; the list is in docs/configuration.md"));
        }
    }
    let mut values = BTreeMap::new();
    for s in SETTINGS {
        match environment(s.env).or_else(|| in_file.get(s.path).cloned()).or_else(|| s.default.map(str::to_owned)) {
            Some(value) => drop(values.insert(s.path, value.trim().to_owned())),
            None => faults.push(format!("{} is not set. {} Or `{}` in mywork.toml.", s.env, s.meaning, s.path)),
        }
    }
    let mut reader = Reader { values, faults };
    let config = reader.config();
    if reader.faults.is_empty() { Ok(config.expect("without a fault every value was read")) } else { Err(Faults(reader.faults)) }
}

/// `[stripe] secret_key = "x"` becomes `stripe.secret_key → x`; lists are joined by commas.
fn flatten(file: &str, faults: &mut Vec<String>) -> BTreeMap<String, String> {
    fn walk(prefix: &str, value: &toml::Value, into: &mut BTreeMap<String, String>) {
        match value {
            toml::Value::Table(table) => {
                for (key, value) in table {
                    walk(&if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") }, value, into);
                }
            }
            toml::Value::String(s) => drop(into.insert(prefix.to_owned(), s.clone())),
            toml::Value::Array(items) => {
                let items: Vec<_> = items.iter().map(|i| i.as_str().map_or_else(|| i.to_string(), str::to_owned)).collect();
                into.insert(prefix.to_owned(), items.join(","));
            }
            other => drop(into.insert(prefix.to_owned(), other.to_string())),
        }
    }
    let mut flat = BTreeMap::new();
    match file.parse::<toml::Table>() {
        Ok(table) => walk("", &toml::Value::Table(table), &mut flat),
        Err(e) => faults.push(format!("mywork.toml is not valid TOML: {}", e.to_string().trim().replace('\n', " "))),
    }
    flat
}

/// Turns texts into values and remembers what it could not read.
struct Reader {
    values: BTreeMap<&'static str, String>,
    faults: Vec<String>,
}

impl Reader {
    fn config(&mut self) -> Option<Config> {
        // Every field is read before any is unwrapped, so that one fault does not hide another.
        let base_url = self.value("base_url", "an address such as https://market.example.com");
        let port = self.value("port", "a number from 1 to 65535");
        let database = (self.text("database.url"), self.value("database.max_connections", "a number such as 16"));
        let mode = match self.values.get("auth.mode").map(String::as_str) {
            Some("builtin") => Some(AuthMode::Builtin),
            Some("clerk") => Some(AuthMode::Clerk),
            _ => self.fault("auth.mode", "`builtin` or `clerk`"),
        };
        let auth = (
            self.optional("auth.issuer"),
            self.optional_value("auth.jwks_url", "an address"),
            self.optional_value("auth.sign_in_url", "an address"),
        );
        if mode == Some(AuthMode::Clerk) {
            for path in ["auth.issuer", "auth.jwks_url", "auth.sign_in_url", "auth.webhook_secrets"] {
                if self.optional(path).is_none() {
                    let env = env_of(path);
                    self.faults.push(format!("{env} is empty: Clerk needs it. Set it, or AUTH_MODE=builtin."));
                }
            }
        }
        let stripe =
            (self.text("stripe.secret_key"), self.text("stripe.publishable_key"), self.secrets("stripe.webhook_secrets"));
        let stripe_urls = (self.value("stripe.api_base", "an address"), self.value("stripe.js_url", "an address"));
        let endpoint = self.value("storage.endpoint", "an address such as https://<account>.r2.cloudflarestorage.com");
        let storage = (
            self.text("storage.region"),
            self.text("storage.bucket"),
            self.text("storage.access_key"),
            self.text("storage.secret_key"),
        );
        let email = (self.text("email.api_key"), self.value("email.api_base", "an address"), self.text("email.from"));
        let rate = self.value("web.rate_per_minute", "a number such as 100");
        let proxies = self.list("web.trusted_proxies", "IP addresses, comma separated");
        let metrics = self.optional_value("metrics.port", "a number from 1 to 65535, or empty");
        let json = self.value("log.json", "`true` or `false`");
        let filter = self.text("log.filter");

        Some(Config {
            base_url: base_url?,
            port: port?,
            database: Database {
                url: Secret::new(database.0?),
                web_url: self.optional("database.web_url").map(Secret::new),
                worker_url: self.optional("database.worker_url").map(Secret::new),
                direct_url: self.optional("database.direct_url").map(Secret::new),
                max_connections: database.1?,
            },
            auth: Auth {
                mode: mode?,
                issuer: auth.0,
                jwks_url: auth.1,
                sign_in_url: auth.2,
                webhook_secrets: self.secrets("auth.webhook_secrets")?,
            },
            stripe: Stripe {
                secret_key: Secret::new(stripe.0?),
                publishable_key: stripe.1?,
                webhook_secrets: stripe.2?,
                api_base: stripe_urls.0?,
                js_url: stripe_urls.1?,
            },
            storage: Storage {
                endpoint: endpoint?,
                region: storage.0?,
                bucket: storage.1?,
                access_key: storage.2?,
                secret_key: Secret::new(storage.3?),
            },
            email: Email {
                api_key: Secret::new(email.0?),
                api_base: email.1?,
                from: email.2?,
                webhook_secrets: self.secrets("email.webhook_secrets")?,
            },
            web: Web {
                trusted_proxies: proxies?,
                rate_per_minute: rate?,
                cron_secret: self.optional("web.cron_secret").map(Secret::new),
            },
            metrics: Metrics { port: metrics },
            log: Log { json: json?, filter: filter? },
        })
    }

    /// A text that must not be empty; a missing one is told already.
    fn text(&mut self, path: &'static str) -> Option<String> {
        match self.values.get(path) {
            Some(value) if value.is_empty() => self.fault(path, "a value"),
            value => value.cloned(),
        }
    }

    fn optional(&self, path: &str) -> Option<String> {
        self.values.get(path).filter(|v| !v.is_empty()).cloned()
    }

    fn value<T: FromStr>(&mut self, path: &'static str, wanted: &str) -> Option<T> {
        let text = self.values.get(path)?;
        text.parse().ok().or_else(|| self.fault(path, wanted))
    }

    fn optional_value<T: FromStr>(&mut self, path: &'static str, wanted: &str) -> Option<T> {
        self.optional(path).and_then(|_| self.value(path, wanted))
    }

    fn list<T: FromStr>(&mut self, path: &'static str, wanted: &str) -> Option<Vec<T>> {
        let text = self.values.get(path)?;
        let items: Result<Vec<T>, _> = text.split(',').map(str::trim).filter(|s| !s.is_empty()).map(str::parse).collect();
        items.ok().or_else(|| self.fault(path, wanted))
    }

    fn secrets(&mut self, path: &'static str) -> Option<Vec<Secret>> {
        Some(self.list::<String>(path, "texts, comma separated")?.into_iter().map(Secret::new).collect())
    }

    /// Notes what should have stood there; the value itself is never repeated, it may be a secret in the wrong place.
    fn fault<T>(&mut self, path: &'static str, wanted: &str) -> Option<T> {
        self.faults.push(format!("{} should be {wanted}.", env_of(path)));
        None
    }
}

fn env_of(path: &str) -> &'static str {
    SETTINGS.iter().find(|s| s.path == path).map_or("?", |s| s.env)
}

/// The table of `docs/configuration.md`.
pub fn table() -> String {
    let mut out = String::from("| environment | `mywork.toml` | default | meaning |\n|---|---|---|---|\n");
    for s in SETTINGS {
        let default = s.default.map_or("required".to_owned(), |d| if d.is_empty() { String::new() } else { format!("`{d}`") });
        out += &format!("| `{}` | `{}` | {default} | {} |\n", s.env, s.path, s.meaning);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = r#"
        [database]
        url = "postgres://localhost/mywork"
        [stripe]
        secret_key = "sk_live_x"
        publishable_key = "pk_live_x"
        webhook_secrets = ["whsec_a", "whsec_b"]
        [storage]
        endpoint = "https://s3.example.com"
        access_key = "a"
        secret_key = "b"
        [email]
        api_key = "re_x"
        from = "MyWork <hello@example.com>"
    "#;

    #[test]
    fn the_environment_wins_over_the_file_and_the_file_over_the_default() {
        let config = read(WHOLE, |name| (name == "PORT").then(|| "9000".into())).unwrap();
        assert_eq!(config.port, 9000);
        assert_eq!(config.stripe.webhook_secrets.len(), 2);
        assert_eq!(config.web.rate_per_minute, 100);
        assert!(!format!("{config:?}").contains("sk_live_x"));
    }

    #[test]
    fn every_fault_is_told_at_once() {
        let faults = read("prot = 1", |name| (name == "PORT").then(|| "many".into())).unwrap_err().0;
        let required = SETTINGS.iter().filter(|s| s.default.is_none()).count();
        assert_eq!(faults.len(), required + 2, "{faults:#?}");
        assert!(faults.iter().any(|f| f.contains("`prot` is not a setting")));
        assert!(faults.iter().any(|f| f == "PORT should be a number from 1 to 65535."));
    }

    #[test]
    fn clerk_needs_its_addresses() {
        let faults = read(WHOLE, |name| (name == "AUTH_MODE").then(|| "clerk".into())).unwrap_err().0;
        assert_eq!(faults.len(), 4, "{faults:#?}");
    }

    #[test]
    fn the_documentation_is_the_list() {
        let documented = include_str!("../../../docs/configuration.md");
        assert!(documented.contains(&table()), "docs/configuration.md: replace its table by\n{}", table());
    }
}
