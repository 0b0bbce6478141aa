//! E-mail through Resend, by its official client.
//!
//! Every send carries our own idempotency key, which Resend remembers for 24 hours: a job that runs twice sends one e-mail,
//! provided it builds the same message. The caller keeps that promise and stops repeating a key that is older.
//!
//! The client library throttles itself to nine calls and then one per 1.1 seconds, whatever the account allows. Rates are
//! the queue's business here, so each call takes a fresh library client over one shared connection pool.

use crate::jwks::chain;
use reqwest::Client;
use resend_rs::{
    Config, ConfigBuilder, Error, Resend,
    list_opts::ListOptions,
    types::{CreateEmailBaseOptions, ErrorKind},
};
use std::time::Duration;
use url::Url;

const TIMEOUT: Duration = Duration::from_secs(15);

/// How to reach Resend.
#[derive(Clone)]
pub struct Settings {
    pub api_key: String,
    /// `https://api.resend.com/`, or the sandbox.
    pub api_base: Url,
    /// `MyWork <hello@example.com>`; the domain is verified at Resend.
    pub from: String,
}

/// One e-mail to one person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub to: String,
    pub subject: String,
    pub text: String,
    pub html: String,
    pub headers: Vec<(String, String)>,
}

/// Why an e-mail was not sent, or why we do not know.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    #[error("the e-mail settings are not usable: {0}")]
    Settings(String),
    #[error("Resend refused the e-mail ({name}): {message}")]
    Refused { name: String, message: String },
    #[error("Resend asks for fewer e-mails per second")]
    RateLimited { retry_after: Option<Duration> },
    #[error("Resend could not be reached or was busy: {0}")]
    Unavailable(String),
}

impl MailError {
    /// Whether the same message under the same key may go through later.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::RateLimited { .. } | Self::Unavailable(_))
    }

    /// How long to leave Resend alone, where it asked for that; a second when it did not say how long, since it counts by
    /// the second: <https://resend.com/docs/api-reference/rate-limit>.
    pub fn slow_down(&self) -> Option<Duration> {
        match self {
            Self::RateLimited { retry_after } => Some(retry_after.unwrap_or(Duration::from_secs(1))),
            _ => None,
        }
    }
}

/// Sends e-mail.
#[derive(Clone)]
pub struct Mailer {
    settings: Settings,
    http: Client,
}

impl Mailer {
    pub fn new(settings: &Settings) -> Result<Self, MailError> {
        let http = Client::builder().timeout(TIMEOUT).build().map_err(|error| MailError::Settings(chain(&error)))?;
        Ok(Self { settings: settings.clone(), http })
    }

    /// Sends `message` once per `idempotency_key` and returns Resend's id of it.
    pub async fn send(&self, message: &Message, idempotency_key: &str) -> Result<String, MailError> {
        let mut email = CreateEmailBaseOptions::new(&self.settings.from, [&message.to], &message.subject)
            .with_text(&message.text)
            .with_html(&message.html);
        for (name, value) in &message.headers {
            email = email.with_header(name, value);
        }
        let sent = self.client().emails.send(email.with_idempotency_key(idempotency_key)).await?;
        Ok(sent.id.to_string())
    }

    /// Whether Resend answers and knows the key. A key that may only send is enough.
    pub async fn ping(&self) -> Result<(), MailError> {
        match self.client().domains.list(ListOptions::default()).await {
            Ok(_) => Ok(()),
            Err(Error::Resend(refusal)) if refusal.kind() == ErrorKind::RestrictedApiKey => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn client(&self) -> Resend {
        let config: Config =
            ConfigBuilder::new(&self.settings.api_key).base_url(self.settings.api_base.clone()).client(self.http.clone()).build();
        Resend::with_config(config)
    }
}

impl From<Error> for MailError {
    fn from(error: Error) -> Self {
        match error {
            Error::RateLimit { ratelimit_reset, .. } => {
                Self::RateLimited { retry_after: ratelimit_reset.map(Duration::from_secs) }
            }
            Error::Resend(refusal) => {
                let busy = matches!(
                    refusal.kind(),
                    ErrorKind::ConcurrentIdempotentRequests
                        | ErrorKind::ResourceLocked
                        | ErrorKind::RateLimitExceeded
                        | ErrorKind::ApplicationError
                        | ErrorKind::ServiceUnavailable
                );
                if busy || refusal.status_code >= 500 {
                    Self::Unavailable(refusal.to_string())
                } else {
                    Self::Refused { name: refusal.name, message: refusal.message }
                }
            }
            Error::Http(error) => Self::Unavailable(chain(&error.without_url())),
            // A page of a proxy instead of an answer of the API: nothing is known, the key makes another try safe.
            Error::Parse { .. } => Self::Unavailable("the answer was not the API's".into()),
            Error::Other(reason) => Self::Unavailable(reason),
        }
    }
}
