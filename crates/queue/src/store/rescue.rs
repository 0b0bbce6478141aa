//! Taking back the runs of workers that are gone: see `rescue.sql`.

use sqlx::PgConnection;
use std::time::Duration;

/// A run taken back, and what became of its job.
#[derive(Clone, Debug)]
pub(crate) struct Fate {
    pub id: i64,
    pub queue: String,
    pub kind: String,
    /// Of the worker that died.
    pub release: String,
    pub fingerprint: String,
    /// Seconds until it was taken back.
    pub took: f64,
    /// `quarantined`, `dead` or `cancelled`; nothing when it runs again.
    pub ends_as: Option<String>,
}

/// What the job says afterwards.
pub(crate) const WORKER_LOST: &str = "The worker died, or lost the database, while this job ran.";

/// Rescues jobs whose worker has not been heard of for `lease`; with `strays`, also those whose worker nobody remembers. The third
/// rescue of a job quarantines it.
pub(crate) async fn rescue(c: &mut PgConnection, lease: Duration, strays: bool) -> Result<Vec<Fate>, sqlx::Error> {
    sqlx::query_file_as!(Fate, "src/store/rescue.sql", lease.as_secs_f64(), 3, WORKER_LOST, strays).fetch_all(c).await
}
