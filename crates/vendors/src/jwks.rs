//! Fetches a JSON Web Key Set: the public keys with which an issuer (Clerk, or our own accounts) signs session tokens.
//!
//! Only the fetch lives here; when to fetch, how long to keep and how to verify belong to the caller. Redirects are not
//! followed: keys come from the configured address or not at all.

use jsonwebtoken::jwk::JwkSet;
use reqwest::{Client, redirect::Policy};
use std::{sync::OnceLock, time::Duration};
use url::Url;

const TIMEOUT: Duration = Duration::from_secs(5);
const LARGEST_SET: usize = 256 * 1024;

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
pub enum JwksError {
    #[error("the signing keys at {url} could not be fetched: {reason}")]
    Unavailable { url: Url, reason: String },
    #[error("the answer of {url} is not a key set: {reason}")]
    Unreadable { url: Url, reason: String },
}

impl JwksError {
    /// Whether the next try may succeed without anybody changing the configuration.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Unavailable { .. })
    }
}

/// The keys now published at `url`.
pub async fn fetch(url: &Url) -> Result<JwkSet, JwksError> {
    let unavailable = |error: reqwest::Error| JwksError::Unavailable { url: url.clone(), reason: chain(&error.without_url()) };
    let mut response = client().get(url.clone()).send().await.map_err(unavailable)?;
    if !response.status().is_success() {
        return Err(JwksError::Unavailable { url: url.clone(), reason: format!("HTTP status {}", response.status()) });
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(unavailable)? {
        if body.len() + chunk.len() > LARGEST_SET {
            return Err(JwksError::Unreadable { url: url.clone(), reason: format!("it is larger than {LARGEST_SET} bytes") });
        }
        body.extend_from_slice(&chunk);
    }
    serde_json::from_slice(&body).map_err(|error| JwksError::Unreadable { url: url.clone(), reason: error.to_string() })
}

fn client() -> &'static Client {
    static CLIENT: OnceLock<Client> = OnceLock::new();
    CLIENT.get_or_init(|| {
        Client::builder()
            .timeout(TIMEOUT)
            .redirect(Policy::none())
            .build()
            .expect("a client without custom certificates can always be built")
    })
}

/// An error with its causes: reqwest keeps "connection refused" two levels down.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}
