//! How far a running job says it is and what it has logged so far, in a table of its own, for whoever watches.

use crate::{
    job::JobId,
    store::{self, Database},
};
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

/// What a run in progress has logged so far.
#[derive(Clone, Debug)]
pub(crate) struct LogSoFar {
    pub job: i64,
    pub lease: i32,
    pub log: String,
}

pub(crate) async fn show_logs(database: &Database, logs: Vec<LogSoFar>) -> Result<(), sqlx::Error> {
    store::run(database, move |c| async move { write_logs(c, &logs).await }.boxed()).await
}

/// A worker that has lost the job, and does not know it yet, does not write over the log of the run that came after its own.
async fn write_logs(c: &mut PgConnection, logs: &[LogSoFar]) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO queue.progress AS p (job_id, lease, log)
         SELECT *
         FROM unnest($1::bigint[], $2::integer[], $3::text[]) AS shown (job_id, lease, log)
         ORDER BY job_id
         ON CONFLICT (job_id) DO UPDATE
         SET lease = excluded.lease, log = excluded.log
         WHERE p.lease <= excluded.lease",
        &logs.iter().map(|shown| shown.job).collect::<Vec<_>>(),
        &logs.iter().map(|shown| shown.lease).collect::<Vec<_>>(),
        &logs.iter().map(|shown| shown.log.clone()).collect::<Vec<_>>(),
    )
    .execute(c)
    .await
    .map(drop)
}
