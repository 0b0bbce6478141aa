//! What happens next: one file per kind of job. A handler reads in one transaction, calls a vendor outside of any, and records
//! the outcome, with the jobs that follow from it, in another; so it may run twice, late, or be killed anywhere.
//!
//! No SQL here: a handler calls the same domain acts as the web tier does. The registration table below is the list of
//! everything a worker can do.

pub mod analytics;
pub mod catalog;
pub mod identity;
pub mod notifications;
pub mod orders;
pub mod retention;
pub mod webhooks;

mod picture_file;
mod vendor_failure;

use mywork::{clock::Clock, config::Config, db::Db};
use mywork_queue::{Registry, schedule::Plan};
use mywork_scanner::Scanner;
use mywork_vendors::{resend::Mailer, storage::Storage, stripe::Stripe};
use std::sync::{Arc, LazyLock};

/// What a handler may use.
pub struct Services {
    /// The database as `mywork_worker`.
    pub db: Db,
    pub clock: Arc<dyn Clock>,
    pub config: Arc<Config>,
    pub storage: Storage,
    pub stripe: Stripe,
    pub mailer: Mailer,
    /// Compiled when the first package needs it: takes a second and memory that other workers can spare.
    pub scanner: Arc<LazyLock<Scanner>>,
    pub emails: notifications::EmailTemplates,
}

/// A running job: what it may use, which attempt this is, how it reports.
pub type Context = mywork_queue::Context<Services>;

/// Every kind of job and its handler.
pub fn registry() -> Registry<Services> {
    let mut registry = Registry::new();
    mywork_queue::admin::bulk::register(&mut registry);
    analytics::register(&mut registry);
    catalog::register(&mut registry);
    identity::register(&mut registry);
    notifications::register(&mut registry);
    orders::register(&mut registry);
    retention::register(&mut registry);
    webhooks::register(&mut registry);
    registry
}

/// What runs by the clock; installed by `mywork migrate` where it is missing, edited by admins afterwards. All times are UTC.
///
/// # Errors
/// When a payload cannot be written as JSON, which no payload here does.
pub fn schedules() -> Result<Vec<Plan>, serde_json::Error> {
    Ok(vec![
        Plan::new("*/10 * * * *", &mywork::orders::jobs::ReleaseHold {})?,
        Plan::new("*/5 * * * *", &mywork::catalog::jobs::SweepChecks {})?,
        Plan::new("0 4 * * *", &mywork::retention::jobs::Prune {})?,
    ])
}
