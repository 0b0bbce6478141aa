//! One job with everything known about it, as it may be shown: what its kind hides is hidden here, once, for everybody who
//! shows jobs (JOB-21).

use crate::{
    admin::redaction::{Redactor, redacted},
    job::{JobId, Subject},
};
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
    /// In line, but its kind is paused.
    Held,
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
    pub const ALL: [Self; 9] = [
        Self::Scheduled,
        Self::Available,
        Self::Held,
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
            Self::Held => "held",
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
        !matches!(self, Self::Scheduled | Self::Available | Self::Held | Self::Running)
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
    /// Its arguments; what its kind hides is [`HIDDEN`](crate::admin::redaction::HIDDEN).
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
    /// The key whose jobs run at most so many at once.
    pub concurrency_key: Option<String>,
    /// The bucket its runs draw from.
    pub rate_key: Option<String>,
    /// The workflow it belongs to …
    pub workflow: Option<i64>,
    /// … the step of it …
    pub step: Option<String>,
    /// … and which of the step's jobs, where it has many.
    pub child: Option<i32>,
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
    /// What the run in progress has logged so far.
    pub log: Option<String>,
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

impl Progress {
    /// A row that only holds a log says nothing of progress.
    pub(crate) fn unless_silent(self) -> Option<Self> {
        (self.done > 0 || self.total > 0 || !self.message.is_empty()).then_some(self)
    }
}

/// A job that serves or served an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Serving {
    /// Its number.
    pub id: JobId,
    /// Where it is in its life.
    pub state: JobState,
}

/// One job with its runs and its progress.
///
/// # Errors
/// When the database refuses.
pub async fn find(c: &mut PgConnection, id: JobId) -> Result<Option<JobDetail>, sqlx::Error> {
    let Some(stored) = stored(c, &[id.0], None).await?.pop() else { return Ok(None) };
    let redactor = stored.redactor();
    let job = stored.shown(&redactor);
    let mut attempts = runs(c, id).await?;
    for text in attempts.iter_mut().flat_map(|run| run.error.iter_mut().chain(&mut run.log)) {
        redactor.scrub(text);
    }
    let told = sqlx::query!(
        "SELECT p.done, p.total, p.message, p.updated_at, CASE WHEN p.lease = j.lease THEN p.log END AS log
         FROM queue.progress p
         LEFT JOIN queue.jobs j ON j.id = p.job_id AND j.state = 'running'
         WHERE p.job_id = $1",
        id.0,
    )
    .fetch_optional(&mut *c)
    .await?;
    let mut detail = JobDetail { job, attempts, progress: None, log: None };
    if let Some(told) = told {
        let message = redactor.text(told.message).into_owned();
        detail.progress = Progress { done: told.done, total: told.total, message, updated_at: told.updated_at }.unless_silent();
        detail.log = told.log.filter(|log| !log.is_empty()).map(|log| redactor.text(log).into_owned());
    }
    Ok(Some(detail))
}

/// The runs of a job, oldest first.
///
/// # Errors
/// When the database refuses.
pub async fn attempts(c: &mut PgConnection, id: JobId) -> Result<Vec<AttemptRow>, sqlx::Error> {
    Ok(find(c, id).await?.map(|detail| detail.attempts).unwrap_or_default())
}

async fn runs(c: &mut PgConnection, id: JobId) -> Result<Vec<AttemptRow>, sqlx::Error> {
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

/// The jobs of these numbers, newest first, as they may be shown. None of those that are over was so before `since`.
pub(crate) async fn rows(c: &mut PgConnection, ids: &[i64], since: Option<DateTime<Utc>>) -> Result<Vec<JobRow>, sqlx::Error> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let stored = stored(c, ids, since).await?;
    Ok(stored
        .into_iter()
        .map(|row| {
            let redactor = row.redactor();
            row.shown(&redactor)
        })
        .collect())
}

async fn stored(c: &mut PgConnection, ids: &[i64], since: Option<DateTime<Utc>>) -> Result<Vec<Stored>, sqlx::Error> {
    sqlx::query_file_as!(Stored, "src/admin/rows.sql", ids, since).fetch_all(c).await
}

/// A job as it is stored, with what nobody shall see. It leaves this file as a [`JobRow`] only.
struct Stored {
    id: i64,
    queue: String,
    kind: String,
    version: i16,
    state: JobState,
    priority: i16,
    run_at: DateTime<Utc>,
    args: Value,
    attempt: i16,
    max_attempts: i16,
    rescues: i16,
    worker: Option<Uuid>,
    started_at: Option<DateTime<Utc>>,
    expires_at: Option<DateTime<Utc>>,
    unique_key: Option<String>,
    subject_kind: Option<String>,
    subject_id: Option<String>,
    tags: Vec<String>,
    actor: Option<Uuid>,
    trace: Option<String>,
    parent: Option<i64>,
    concurrency_key: Option<String>,
    rate_key: Option<String>,
    workflow: Option<i64>,
    step: Option<String>,
    child: Option<i32>,
    redact: Vec<String>,
    last_error: Option<String>,
    reason: Option<String>,
    cancel_requested_at: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
    finished_at: Option<DateTime<Utc>>,
}

impl Stored {
    fn redactor(&self) -> Redactor {
        Redactor::new(&self.args, &self.redact)
    }

    /// The keys of a job are often made of its arguments, so its secrets are taken out of every text.
    fn shown(self, redactor: &Redactor) -> JobRow {
        let text = |text: String| redactor.text(text).into_owned();
        JobRow {
            id: JobId(self.id),
            queue: self.queue,
            kind: self.kind,
            version: self.version,
            state: self.state,
            priority: self.priority,
            run_at: self.run_at,
            args: redacted(self.args, &self.redact),
            attempt: self.attempt,
            max_attempts: self.max_attempts,
            rescues: self.rescues,
            worker: self.worker,
            started_at: self.started_at,
            expires_at: self.expires_at,
            unique_key: self.unique_key.map(text),
            subject_kind: self.subject_kind,
            subject_id: self.subject_id.map(text),
            tags: self.tags.into_iter().map(text).collect(),
            actor: self.actor,
            trace: self.trace,
            parent: self.parent.map(JobId),
            concurrency_key: self.concurrency_key.map(text),
            rate_key: self.rate_key.map(text),
            workflow: self.workflow,
            step: self.step,
            child: self.child,
            last_error: self.last_error.map(text),
            reason: self.reason.map(text),
            cancel_requested_at: self.cancel_requested_at,
            created_at: self.created_at,
            finished_at: self.finished_at,
        }
    }
}
