//! Taking back the runs of workers that are gone: see `rescue.sql`.

use sqlx::PgConnection;
use std::time::Duration;

/// A run taken back, and what became of its job.
#[derive(Clone, Debug)]
pub(crate) struct Fate {
    pub id: i64,
    pub queue: String,
    pub kind: String,
    /// `quarantined`, `dead` or `cancelled`; nothing when it runs again.
    pub ends_as: Option<String>,
}

/// Rescues jobs whose worker has not been heard of for `lease`. The third rescue of a job quarantines it.
pub(crate) async fn rescue(c: &mut PgConnection, lease: Duration) -> Result<Vec<Fate>, sqlx::Error> {
    sqlx::query_file_as!(
        Fate,
        "src/store/rescue.sql",
        lease.as_secs_f64(),
        3,
        "The worker died, or lost the database, while this job ran.",
    )
    .fetch_all(c)
    .await
}
