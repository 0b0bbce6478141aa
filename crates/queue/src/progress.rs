//! How far a running job says it is, in a table of its own.

use crate::{job::JobId, store};
use futures::FutureExt;
use sqlx::{PgConnection, PgPool};

pub(crate) async fn report(pool: &PgPool, job: JobId, done: u64, total: u64, message: String) -> Result<(), sqlx::Error> {
    store::in_transaction(pool, move |c| async move { write(c, job, done, total, &message).await }.boxed()).await
}

async fn write(c: &mut PgConnection, job: JobId, done: u64, total: u64, message: &str) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO queue.progress AS p (job_id, done, total, message)
         VALUES ($1, $2, $3, $4)
         ON CONFLICT (job_id) DO UPDATE
         SET done = excluded.done, total = excluded.total, message = excluded.message, updated_at = now()",
        job.0,
        i64::try_from(done).unwrap_or(i64::MAX),
        i64::try_from(total).unwrap_or(i64::MAX),
        message,
    )
    .execute(c)
    .await
    .map(drop)
}
