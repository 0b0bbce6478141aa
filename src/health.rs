//! What the database alone can tell of how things are: whether it answers, and how long the oldest job has waited. Read by the
//! web tier's `/health` and by `mywork check`.

use crate::db::Db;
use chrono::{DateTime, Duration, Utc};

/// How long the job that has waited longest has been ready to run; zero when none waits.
///
/// # Errors
/// When the database cannot be reached.
pub async fn queue_age(db: &Db, now: DateTime<Utc>) -> Result<Duration, sqlx::Error> {
    let oldest =
        sqlx::query_scalar!("SELECT min(run_at) FROM queue.jobs WHERE state = 'available'").fetch_one(db.public()).await?;
    Ok(oldest.map_or(Duration::zero(), |oldest| (now - oldest).max(Duration::zero())))
}
