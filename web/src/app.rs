//! What every handler is given: the database as the web role, the clock, configuration, and the few vendors the web tier may
//! reach. `crates/cli` (or a test) fills [`Parts`]; handlers take `State(app): State<App>` and reach the parts directly.

use crate::{
    admin::jobs::live::Live,
    assets::Assets,
    auth,
    discovery::views::Views,
    error::Error,
    limits::{Limits, Policy},
    ops::health::Health,
    templates::Templates,
};
use chrono::{DateTime, Utc};
use metrics_exporter_prometheus::PrometheusHandle;
use mywork::{clock::Clock, config::Config, db::Db, search::SearchEngine};
use mywork_vendors::{resend::Mailer, storage::Storage, stripe::Stripe};
use std::{ops::Deref, sync::Arc};
use tokio_util::sync::CancellationToken;

/// The application; cheap to clone.
#[derive(Clone)]
pub struct App(Arc<Parts>);

/// What the application is made of.
pub struct Parts {
    /// Connections that have taken on [`mywork::db::Role::Web`].
    pub db: Db,
    pub clock: Arc<dyn Clock>,
    pub config: Arc<Config>,
    pub templates: Templates,
    pub assets: Assets,
    pub storage: Storage,
    pub stripe: Stripe,
    /// Only its health is asked here; e-mails are sent by jobs.
    pub mailer: Mailer,
    pub auth: auth::Keys,
    pub limits: Limits,
    pub search: Arc<dyn SearchEngine>,
    /// Counts how often products are looked at.
    pub views: Views,
    /// Who watches what of the job system.
    pub live: Live,
    /// What `/metrics` shows; see [`crate::ops::metrics::install`].
    pub metrics: Option<PrometheusHandle>,
    pub health: Health,
    /// Cancelled when the process is to stop: a stream that would go on for ever ends then.
    pub shutdown: CancellationToken,
}

impl App {
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }

    /// The time, as acts of the domain are given it.
    pub fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// An absolute address of a page of ours, for e-mails and for vendors that send people back.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.config.base_url.as_str().trim_end_matches('/'))
    }

    /// Whether the site is reached over TLS, so that cookies are `Secure` and browsers are told to stay on it.
    pub fn is_https(&self) -> bool {
        self.config.base_url.scheme() == "https"
    }

    /// Counts one use of `policy` by `subject` (an account, an address) and refuses it when there were too many.
    ///
    /// # Errors
    /// [`Error::TooMany`], which answers 429 and says when to come back.
    pub async fn throttle(&self, policy: &Policy, subject: &str) -> Result<(), Error> {
        self.limits.take(&self.db, policy, subject, self.now()).await.into_result().map(drop)
    }
}

impl Deref for App {
    type Target = Parts;
    fn deref(&self) -> &Parts {
        &self.0
    }
}
