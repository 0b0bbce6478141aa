//! Stand-ins for the marketplace's vendors in one process: Stripe, S3, Resend and Clerk by their own wire protocols, and a
//! private PostgreSQL.
//!
//! The real clients reach them by a base URL, so the code under test is the code that ships; nothing here knows the
//! marketplace. Everything is kept in a data folder, so that payments and e-mails survive a restart of `mywork dev`. Faults
//! are switched by [`Faults`] or over HTTP. Every route, card and switch is listed in `docs/sandbox.md`.

// Stripe's objects are long, and `json!` recurses once per field.
#![recursion_limit = "256"]

pub mod clerk;
pub mod faults;
mod index;
mod journal;
mod page;
pub mod postgres;
pub mod resend;
pub mod s3;
pub mod stripe;
mod webhook;

pub use crate::{
    clerk::Clerk,
    faults::Faults,
    postgres::{Cluster, ClusterError, ClusterOptions},
    resend::Outbox,
    stripe::Stripe,
    webhook::Target,
};

use axum::Router;
use base64::{Engine, engine::general_purpose::STANDARD};
use std::{io, net::SocketAddr, path::PathBuf, sync::Arc};
use tokio::{net::TcpListener, task::JoinHandle};

/// Keys that the stand-ins ask for, and with which they sign.
#[derive(Clone, PartialEq, Eq)]
pub struct Secrets {
    pub stripe_secret_key: String,
    pub stripe_publishable_key: String,
    pub resend_api_key: String,
    pub s3_access_key: String,
    pub s3_secret_key: String,
}

impl Default for Secrets {
    /// Known to everybody: they open nothing but a sandbox.
    fn default() -> Self {
        Self {
            stripe_secret_key: "sk_test_sandbox".into(),
            stripe_publishable_key: "pk_test_sandbox".into(),
            resend_api_key: "re_sandbox".into(),
            s3_access_key: "sandbox".into(),
            s3_secret_key: "sandbox-secret".into(),
        }
    }
}

/// The secret of Stripe's webhooks, unless a [`Target`] names another.
pub const STRIPE_WEBHOOK_SECRET: &str = "whsec_sandbox";

/// The secret of Clerk's webhooks, unless a [`Target`] names another.
pub fn clerk_webhook_secret() -> String {
    format!("whsec_{}", STANDARD.encode("the sandbox signs with this"))
}

/// What to start.
#[derive(Clone)]
pub struct SandboxOptions {
    /// Where Stripe, Resend and Clerk listen; port 0 takes a free one.
    pub http: SocketAddr,
    /// Where S3 listens; port 0 takes a free one.
    pub s3: SocketAddr,
    /// Name by which browsers and clients reach both; `localhost` shares cookies with a site on another port of it.
    pub host: String,
    /// Everything that survives a restart.
    pub data: PathBuf,
    pub secrets: Secrets,
    /// Where Stripe's events go.
    pub stripe_webhooks: Vec<Target>,
    /// Where Clerk's events go.
    pub clerk_webhooks: Vec<Target>,
}

impl SandboxOptions {
    /// Free ports of the loopback address, well-known keys, no webhooks.
    pub fn new(data: impl Into<PathBuf>) -> Self {
        Self {
            http: SocketAddr::from(([127, 0, 0, 1], 0)),
            s3: SocketAddr::from(([127, 0, 0, 1], 0)),
            host: "127.0.0.1".into(),
            data: data.into(),
            secrets: Secrets::default(),
            stripe_webhooks: Vec::new(),
            clerk_webhooks: Vec::new(),
        }
    }
}

/// Why the sandbox did not start.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    #[error("port {0} is taken: stop what listens there, or set PORT to another")]
    PortTaken(u16),
    #[error("the sandbox cannot listen on {address}: {source}")]
    Listen { address: SocketAddr, source: io::Error },
    #[error("{} cannot be {act}: {source}", .path.display())]
    File { path: PathBuf, act: &'static str, source: io::Error },
    #[error("the sandbox's storage could not be opened: {0}")]
    Storage(String),
}

/// The running stand-ins. Dropping it stops them.
pub struct Sandbox {
    parts: Arc<Parts>,
    servers: Vec<JoinHandle<()>>,
}

/// What the pages and handlers share.
pub(crate) struct Parts {
    base_url: String,
    s3_url: String,
    secrets: Secrets,
    faults: Faults,
    stripe: Stripe,
    outbox: Outbox,
    clerk: Clerk,
    storage: s3::Storage,
}

impl Sandbox {
    pub async fn start(options: SandboxOptions) -> Result<Self, SandboxError> {
        std::fs::create_dir_all(&options.data).map_err(|source| SandboxError::File {
            path: options.data.clone(),
            act: "made",
            source,
        })?;
        let (http, http_port) = listen(options.http).await?;
        let (s3, s3_port) = listen(options.s3).await?;
        let base_url = format!("http://{}:{http_port}", options.host);
        let s3_url = format!("http://{}:{s3_port}", options.host);

        let faults = Faults::default();
        let storage = s3::Storage::open(&options.data, &options.secrets, faults.clone())?;
        let stripe = Stripe::open(&options.data, &base_url, &options.secrets, faults.clone(), options.stripe_webhooks)?;
        let clerk = Clerk::open(&options.data, &base_url, faults.clone(), options.clerk_webhooks)?;
        let outbox = Outbox::open(&options.data)?;
        let parts = Arc::new(Parts { base_url, s3_url, secrets: options.secrets, faults, stripe, outbox, clerk, storage });

        let app = router(&parts);
        let pages = tokio::spawn(async move {
            if let Err(error) = axum::serve(http, app).await {
                tracing::error!(%error, "the sandbox stopped serving");
            }
        });
        let files = tokio::spawn(s3::serve(s3, parts.storage.clone()));
        Ok(Self { parts, servers: vec![pages, files] })
    }

    /// Base of Stripe's and Resend's API and issuer of Clerk's tokens, without a slash at its end.
    pub fn base_url(&self) -> &str {
        &self.parts.base_url
    }

    /// Endpoint of the storage.
    pub fn s3_url(&self) -> &str {
        &self.parts.s3_url
    }

    /// The stand-in of Stripe.js.
    pub fn stripe_js_url(&self) -> String {
        format!("{}/v3/", self.parts.base_url)
    }

    pub fn jwks_url(&self) -> String {
        format!("{}/.well-known/jwks.json", self.parts.base_url)
    }

    pub fn secrets(&self) -> &Secrets {
        &self.parts.secrets
    }

    pub fn faults(&self) -> &Faults {
        &self.parts.faults
    }

    pub fn stripe(&self) -> &Stripe {
        &self.parts.stripe
    }

    pub fn outbox(&self) -> &Outbox {
        &self.parts.outbox
    }

    pub fn clerk(&self) -> &Clerk {
        &self.parts.clerk
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        for server in &self.servers {
            server.abort();
        }
        self.parts.stripe.stop();
        self.parts.clerk.stop();
    }
}

fn router(parts: &Arc<Parts>) -> Router {
    Router::new()
        .merge(index::routes(Arc::clone(parts)))
        .merge(faults::routes(parts.faults.clone()))
        .merge(stripe::routes(parts.stripe.clone()))
        .merge(resend::routes(parts.outbox.clone(), &parts.secrets, parts.faults.clone()))
        .merge(clerk::routes(parts.clerk.clone()))
        .fallback(page::not_found)
}

async fn listen(address: SocketAddr) -> Result<(TcpListener, u16), SandboxError> {
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::AddrInUse => SandboxError::PortTaken(address.port()),
        _ => SandboxError::Listen { address, source },
    };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let port = listener.local_addr().map_err(failed)?.port();
    Ok((listener, port))
}
