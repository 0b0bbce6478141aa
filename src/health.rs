//! What the database alone can tell of how things are: whether it answers, and how long the oldest job has waited. Read by the
//! web tier's `/health` and by `mywork check`.

use crate::db::Db;
use chrono::{DateTime, Duration, Utc};

/// How long the job that has waited longest has been ready to run; zero when none waits.
///
/// # Errors
/// When the database cannot be reached.
pub async fn queue_age(db: &Db, now: DateTime<Utc>) -> Result<Duration, sqlx::Error> {
    // The first of each line, hopping along the claim index from one priority to the next: a million waiting jobs cost no more
    // than a few.
    let oldest = sqlx::query_scalar!(
        "WITH RECURSIVE line AS (
           (SELECT queue, priority, run_at
            FROM queue.jobs
            WHERE state = 'available'
            ORDER BY queue, priority DESC, run_at, id
            LIMIT 1)
           UNION ALL
           SELECT next.queue, next.priority, next.run_at
           FROM line
           CROSS JOIN LATERAL (
             (SELECT j.queue, j.priority, j.run_at, 1 AS turn
              FROM queue.jobs j
              WHERE j.state = 'available' AND j.queue = line.queue AND j.priority < line.priority
              ORDER BY j.priority DESC, j.run_at, j.id
              LIMIT 1)
             UNION ALL
             (SELECT j.queue, j.priority, j.run_at, 2
              FROM queue.jobs j
              WHERE j.state = 'available' AND j.queue > line.queue
              ORDER BY j.queue, j.priority DESC, j.run_at, j.id
              LIMIT 1)
             ORDER BY turn
             LIMIT 1
           ) AS next
         )
         SELECT min(run_at) FROM line"
    )
    .fetch_one(db.public())
    .await?;
    Ok(oldest.map_or(Duration::zero(), |oldest| (now - oldest).max(Duration::zero())))
}
