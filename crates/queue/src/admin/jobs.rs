//! Finding jobs: lists by filter, newest first, paged by number; one job with everything known about it.

use crate::job::{JobId, Subject};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::PgConnection;
use std::{fmt, str::FromStr};
use uuid::Uuid;

/// Where a job is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum JobState {
    /// Waits for its time: delayed, snoozed or between attempts.
    Scheduled,
    /// In line.
    Available,
    /// A worker has it.
    Running,
    /// Did what it should.
    Done,
    /// Gave up: a person must look.
    Dead,
    /// Nobody wants it any more.
    Cancelled,
    /// Its time was over before it began.
    Expired,
    /// Its worker died under it three times: a person must look.
    Quarantined,
}

impl JobState {
    /// All states, in the order of a job's life.
    pub const ALL: [Self; 8] = [
        Self::Scheduled,
        Self::Available,
        Self::Running,
        Self::Done,
        Self::Dead,
        Self::Cancelled,
        Self::Expired,
        Self::Quarantined,
    ];

    /// As the database and the API write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Available => "available",
            Self::Running => "running",
            Self::Done => "done",
            Self::Dead => "dead",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
            Self::Quarantined => "quarantined",
        }
    }

    /// Whether it is over.
    pub fn is_finished(self) -> bool {
        !matches!(self, Self::Scheduled | Self::Available | Self::Running)
    }
}

impl fmt::Display for JobState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for JobState {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let all = || Self::ALL.map(Self::as_str).join(", ");
        Self::ALL.into_iter().find(|state| state.as_str() == s).ok_or_else(|| format!("no state {s:?}; there are {}", all()))
    }
}

/// Which jobs to list. Everything absent does not narrow.
#[derive(Clone, Debug, Default)]
pub struct JobFilter {
    /// In one of these states.
    pub states: Vec<JobState>,
    /// In this queue.
    pub queue: Option<String>,
    /// Of this kind.
    pub kind: Option<String>,
    /// Serving this object.
    pub subject: Option<Subject>,
    /// With this tag.
    pub tag: Option<String>,
    /// Whose last error contains this, in any case of letters.
    pub error: Option<String>,
    /// Older than this job: the last of the page before.
    pub before: Option<JobId>,
    /// At most this many; 0 is 50.
    pub limit: u32,
}

/// A job in a list.
#[derive(Clone, Debug, Serialize)]
pub struct JobRow {
    /// Its number.
    pub id: JobId,
    /// The queue it is or was in.
    pub queue: String,
    /// Its kind.
    pub kind: String,
    /// The version of its arguments.
    pub version: i16,
    /// Where it is in its life.
    pub state: JobState,
    /// Higher runs first.
    pub priority: i16,
    /// When it is due, or was.
    pub run_at: DateTime<Utc>,
    /// Its arguments.
    pub args: Value,
    /// Attempts so far that count.
    pub attempt: i16,
    /// Attempts it has.
    pub max_attempts: i16,
    /// How often its worker died under it.
    pub rescues: i16,
    /// The worker that has it.
    pub worker: Option<Uuid>,
    /// When the run in progress began, or the last one.
    pub started_at: Option<DateTime<Utc>>,
    /// When it is no longer worth starting.
    pub expires_at: Option<DateTime<Utc>>,
    /// The key it is unique by.
    pub unique_key: Option<String>,
    /// Kind of the object it serves.
    pub subject_kind: Option<String>,
    /// The object it serves.
    pub subject_id: Option<String>,
    /// Words to find it by.
    pub tags: Vec<String>,
    /// Who caused it.
    pub actor: Option<Uuid>,
    /// The trace it belongs to.
    pub trace: Option<String>,
    /// The job that enqueued it.
    pub parent: Option<JobId>,
    /// Why its last attempt failed.
    pub last_error: Option<String>,
    /// Why it was cancelled.
    pub reason: Option<String>,
    /// When somebody asked to cancel it while it ran.
    pub cancel_requested_at: Option<DateTime<Utc>>,
    /// When it was enqueued.
    pub created_at: DateTime<Utc>,
    /// When it was over.
    pub finished_at: Option<DateTime<Utc>>,
}

/// A job with everything known about it.
#[derive(Clone, Debug, Serialize)]
pub struct JobDetail {
    /// The job.
    pub job: JobRow,
    /// Its runs, oldest first.
    pub attempts: Vec<AttemptRow>,
    /// How far it said it was.
    pub progress: Option<Progress>,
}

/// One run of a job.
#[derive(Clone, Debug, Serialize)]
pub struct AttemptRow {
    /// With the job, which run.
    pub lease: i32,
    /// Which attempt it counted as.
    pub attempt: i16,
    /// Who ran it.
    pub worker: Option<Uuid>,
    /// The worker's name, while it is remembered.
    pub worker_name: Option<String>,
    /// The version of the program.
    pub release: String,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// When it ended.
    pub ended_at: DateTime<Utc>,
    /// `done`, `snoozed`, `cancelled`, `handed_back`, `retried`, `dead` or `lost`.
    pub outcome: String,
    /// The error's type.
    pub error_class: Option<String>,
    /// Same for errors that differ only in numbers.
    pub fingerprint: Option<String>,
    /// The error with its causes.
    pub error: Option<String>,
    /// What the handler logged.
    pub log: Option<String>,
}

/// How far a job said it was.
#[derive(Clone, Debug, Serialize)]
pub struct Progress {
    /// So much …
    pub done: i64,
    /// … of so much.
    pub total: i64,
    /// In words.
    pub message: String,
    /// When it said so.
    pub updated_at: DateTime<Utc>,
}

/// A job that serves or served an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Serving {
    /// Its number.
    pub id: JobId,
    /// Where it is in its life.
    pub state: JobState,
}

/// Jobs by `filter`, newest first.
///
/// # Errors
/// When the database refuses.
pub async fn list(c: &mut PgConnection, filter: &JobFilter) -> Result<Vec<JobRow>, sqlx::Error> {
    let limit = if filter.limit == 0 { 50 } else { i64::from(filter.limit) };
    rows(c, None, filter, limit).await
}

/// One job with its runs and its progress.
///
/// # Errors
/// When the database refuses.
pub async fn find(c: &mut PgConnection, id: JobId) -> Result<Option<JobDetail>, sqlx::Error> {
    let Some(job) = rows(c, Some(id), &JobFilter::default(), 1).await?.pop() else { return Ok(None) };
    let progress =
        sqlx::query_as!(Progress, "SELECT done, total, message, updated_at FROM queue.progress WHERE job_id = $1", id.0)
            .fetch_optional(&mut *c)
            .await?;
    Ok(Some(JobDetail { job, attempts: attempts(c, id).await?, progress }))
}

/// The runs of a job, oldest first.
///
/// # Errors
/// When the database refuses.
pub async fn attempts(c: &mut PgConnection, id: JobId) -> Result<Vec<AttemptRow>, sqlx::Error> {
    sqlx::query_as!(
        AttemptRow,
        r#"
        SELECT a.lease, a.attempt, a.worker_id AS worker, w.name AS "worker_name?", a.release, a.started_at, a.ended_at, a.outcome,
               a.error_class, a.fingerprint, a.error, a.log
        FROM queue.attempts a
        LEFT JOIN queue.workers w ON w.id = a.worker_id
        WHERE a.job_id = $1
        ORDER BY a.lease
        "#,
        id.0,
    )
    .fetch_all(c)
    .await
}

/// The jobs of one kind that serve an object: unfinished ones, then those that are over, each the newest first; at most ten.
/// Asks the indexes by subject only, so that it is quick however long the history.
///
/// # Errors
/// When the database refuses.
pub async fn serving(c: &mut PgConnection, kind: &str, subject: &Subject) -> Result<Vec<Serving>, sqlx::Error> {
    sqlx::query_as!(
        Serving,
        r#"
        SELECT id AS "id!: JobId", state AS "state!: JobState"
        FROM (
          SELECT id, kind, state, false AS is_over FROM queue.jobs WHERE subject_kind = $2 AND subject_id = $3
          UNION ALL
          SELECT id, kind, state, true FROM queue.finished_jobs WHERE subject_kind = $2 AND subject_id = $3
        ) AS job
        WHERE kind = $1
        ORDER BY is_over, id DESC
        LIMIT 10
        "#,
        kind,
        subject.kind.as_ref(),
        subject.id,
    )
    .fetch_all(c)
    .await
}

async fn rows(c: &mut PgConnection, id: Option<JobId>, filter: &JobFilter, limit: i64) -> Result<Vec<JobRow>, sqlx::Error> {
    let states: Vec<String> = filter.states.iter().map(ToString::to_string).collect();
    let error = filter.error.as_ref().map(|text| text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_"));
    sqlx::query_file_as!(
        JobRow,
        "src/admin/jobs.sql",
        id.map(|id| id.0),
        &states,
        filter.queue.as_deref(),
        filter.kind.as_deref(),
        filter.subject.as_ref().map(|subject| subject.kind.as_ref()),
        filter.subject.as_ref().map(|subject| subject.id.as_str()),
        filter.tag.as_deref(),
        error,
        filter.before.map(|id| id.0),
        limit,
    )
    .fetch_all(c)
    .await
}
