//! What people do with schedules: look, pause, resume, edit, run by hand.

use crate::{
    admin::redaction::redacted,
    enqueue::EnqueueError,
    job::JobId,
    schedule::{
        expression::{Expression, ExpressionError},
        plan::{CatchUp, Overlap},
        scheduler::{Due, occur},
    },
};
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use sqlx::PgConnection;

/// A schedule as it stands.
#[derive(Clone, Debug, Serialize)]
pub struct ScheduleRow {
    /// Its name.
    pub name: String,
    /// When, in five fields.
    pub cron: String,
    /// In which time zone.
    pub zone: String,
    /// The kind of job.
    pub kind: String,
    /// The queue.
    pub queue: String,
    /// The arguments; what the kind hides is [`HIDDEN`](crate::admin::redaction::HIDDEN).
    pub args: Value,
    #[serde(skip)]
    redact: Vec<String>,
    /// What it does about times missed.
    pub catch_up: CatchUp,
    /// What it does when the job before is still at work.
    pub overlap: Overlap,
    /// When next; nothing until a scheduler has looked at it.
    pub next_at: Option<DateTime<Utc>>,
    /// Since when it is paused.
    pub paused_at: Option<DateTime<Utc>>,
    /// Why it cannot run.
    pub fault: Option<String>,
    /// Its latest occurrence.
    pub last_at: Option<DateTime<Utc>>,
    /// The latest job it enqueued.
    pub last_job: Option<JobId>,
}

/// One time a schedule's time came.
#[derive(Clone, Debug, Serialize)]
pub struct Occurrence {
    /// The time it stands for.
    pub occurrence: DateTime<Utc>,
    /// Its job; nothing when it was left out because the job before was still at work.
    pub job: Option<JobId>,
    /// When it was enqueued.
    pub created_at: DateTime<Utc>,
}

/// Why an act was refused.
#[derive(Debug, thiserror::Error)]
pub enum ScheduleError {
    /// There is no such schedule.
    #[error("there is no schedule {0:?}")]
    NotFound(String),
    /// Its times cannot be understood.
    #[error(transparent)]
    Expression(#[from] ExpressionError),
    /// The job before is still at work, and the schedule leaves such times out.
    #[error("the job before of schedule {0:?} is still at work")]
    Busy(String),
    /// Its job could not be enqueued.
    #[error(transparent)]
    Enqueue(#[from] EnqueueError),
    /// The database refused.
    #[error("schedules cannot be reached: {0}")]
    Database(#[from] sqlx::Error),
}

/// All schedules, by name.
///
/// # Errors
/// When the database refuses.
pub async fn list(c: &mut PgConnection) -> Result<Vec<ScheduleRow>, sqlx::Error> {
    let mut schedules = sqlx::query_as!(
        ScheduleRow,
        r#"
        SELECT s.name, s.cron, s.zone, s.kind, s.queue, s.args, s.redact, s.catch_up AS "catch_up: CatchUp", s.overlap AS "overlap: Overlap",
               s.next_at, s.paused_at, s.fault, last.occurrence AS "last_at?", last.job_id AS "last_job?: JobId"
        FROM queue.schedules s
        LEFT JOIN LATERAL (
          SELECT occurrence, job_id
          FROM queue.occurrences
          WHERE schedule = s.name
          ORDER BY occurrence DESC
          LIMIT 1
        ) AS last ON true
        ORDER BY s.name
        "#
    )
    .fetch_all(c)
    .await?;
    for schedule in &mut schedules {
        schedule.args = redacted(std::mem::take(&mut schedule.args), &schedule.redact);
    }
    Ok(schedules)
}

/// The latest occurrences of a schedule, latest first.
///
/// # Errors
/// When the database refuses.
pub async fn occurrences(c: &mut PgConnection, name: &str, limit: i64) -> Result<Vec<Occurrence>, sqlx::Error> {
    sqlx::query_as!(
        Occurrence,
        r#"
        SELECT occurrence, job_id AS "job: JobId", created_at
        FROM queue.occurrences
        WHERE schedule = $1
        ORDER BY occurrence DESC
        LIMIT $2
        "#,
        name,
        limit,
    )
    .fetch_all(c)
    .await
}

/// Nothing is enqueued until it is resumed.
///
/// # Errors
/// When there is no such schedule.
pub async fn pause(c: &mut PgConnection, name: &str) -> Result<(), ScheduleError> {
    let paused = sqlx::query!(
        "UPDATE queue.schedules SET paused_at = coalesce(paused_at, now()), updated_at = now() WHERE name = $1",
        name
    )
    .execute(c)
    .await?;
    changed(paused.rows_affected(), name)
}

/// Goes on with the next time from now; times that passed during the pause are not made up for.
///
/// # Errors
/// When there is no such schedule.
pub async fn resume(c: &mut PgConnection, name: &str) -> Result<(), ScheduleError> {
    let resumed = sqlx::query!(
        "UPDATE queue.schedules
         SET next_at = CASE WHEN paused_at IS NULL THEN next_at END, paused_at = NULL, updated_at = now()
         WHERE name = $1",
        name
    )
    .execute(c)
    .await?;
    changed(resumed.rows_affected(), name)
}

/// Gives a schedule other times.
///
/// # Errors
/// When they cannot be understood, or there is no such schedule.
pub async fn edit(c: &mut PgConnection, name: &str, cron: &str, zone: &str) -> Result<(), ScheduleError> {
    Expression::parse(cron, zone)?;
    let edited = sqlx::query!(
        "UPDATE queue.schedules SET cron = $2, zone = $3, next_at = NULL, fault = NULL, updated_at = now() WHERE name = $1",
        name,
        cron,
        zone
    )
    .execute(c)
    .await?;
    changed(edited.rows_affected(), name)
}

/// Enqueues the job once, now, besides its regular times; also while the schedule is paused.
///
/// # Errors
/// When there is no such schedule, or the job before is still at work and it leaves such times out.
pub async fn run_now(c: &mut PgConnection, name: &str, now: DateTime<Utc>) -> Result<JobId, ScheduleError> {
    let schedule = sqlx::query_as!(
        Due,
        r#"
        SELECT name, cron, zone, queue, kind, version, args, priority, max_attempts, rate, redact, catch_up AS "catch_up: CatchUp",
               overlap AS "overlap: Overlap", next_at, $2::timestamptz AS "now!"
        FROM queue.schedules
        WHERE name = $1
        FOR UPDATE
        "#,
        name,
        now,
    )
    .fetch_optional(&mut *c)
    .await?
    .ok_or_else(|| ScheduleError::NotFound(name.to_owned()))?;
    occur(c, &schedule, now).await?.ok_or_else(|| ScheduleError::Busy(name.to_owned()))
}

fn changed(rows: u64, name: &str) -> Result<(), ScheduleError> {
    if rows == 1 { Ok(()) } else { Err(ScheduleError::NotFound(name.to_owned())) }
}
