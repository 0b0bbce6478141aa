//! Putting jobs into the queue, on the caller's own connection: the job exists exactly if the caller's transaction commits.
//!
//! A duplicate of a unique job is no error and aborts nothing: the caller learns which job was there. Uniqueness is decided
//! by indexes, so two callers at once cannot both win. Nothing here notifies: a NOTIFY inside the transaction would make
//! commits queue up behind each other; see [`Notifier`](crate::Notifier).

use crate::{
    job::{Job, JobId},
    options::{Conflict, Options, Unique, While},
    trace::Origin,
};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use std::borrow::Cow;

/// The job that now stands for what was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Enqueued {
    /// Its number.
    pub id: JobId,
    /// Whether it is new; otherwise a job with the same unique key was there already.
    pub fresh: bool,
}

/// Why a job could not be enqueued.
#[derive(Debug, thiserror::Error)]
pub enum EnqueueError {
    /// The arguments cannot be stored.
    #[error("arguments of job {kind} cannot be written as JSON: {source}")]
    Unserialisable {
        /// The kind of job.
        kind: &'static str,
        /// What the serialiser says.
        source: serde_json::Error,
    },
    /// Its unique key changed hands under every try.
    #[error("job {kind} could not be enqueued: its unique key {key:?} changes hands faster than it can be read")]
    Contended {
        /// The kind of job.
        kind: String,
        /// The key.
        key: String,
    },
    /// The database refused.
    #[error("job could not be enqueued: {0}")]
    Database(#[from] sqlx::Error),
}

/// Enqueues `job` as its kind asks.
///
/// # Errors
/// When the database refuses or the arguments cannot be written.
pub async fn enqueue<J: Job>(c: &mut PgConnection, job: &J) -> Result<Enqueued, EnqueueError> {
    enqueue_with(c, job, Options::default()).await
}

/// Enqueues `job` with the caller's `options`, completed by its kind's.
///
/// # Errors
/// When the database refuses or the arguments cannot be written.
pub async fn enqueue_with<J: Job>(c: &mut PgConnection, job: &J, options: Options) -> Result<Enqueued, EnqueueError> {
    NewJob::of(job, options)?.insert(c).await
}

/// Enqueues many jobs of one kind and returns them in the same order; those without a unique key in few statements.
///
/// # Errors
/// When the database refuses or the arguments cannot be written. Then the caller's transaction should not be committed.
pub async fn enqueue_many<J: Job>(c: &mut PgConnection, jobs: &[J]) -> Result<Vec<Enqueued>, EnqueueError> {
    let mut enqueued = Vec::with_capacity(jobs.len());
    for chunk in jobs.chunks(5_000) {
        let new = chunk.iter().map(|job| NewJob::of(job, Options::default())).collect::<Result<Vec<_>, _>>()?;
        if new.iter().all(|job| job.options.unique.is_none()) {
            enqueued.extend(insert_plain(c, &new).await?);
        } else {
            for job in &new {
                enqueued.push(job.insert(c).await?);
            }
        }
    }
    Ok(enqueued)
}

/// A job about to be enqueued, its type forgotten: schedules and the command line know only the kind, and a workflow keeps the
/// jobs of its steps in this form until their time has come.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct NewJob {
    pub kind: Cow<'static, str>,
    pub queue: Cow<'static, str>,
    pub version: i16,
    pub max_attempts: i16,
    pub args: String,
    pub rate: Option<String>,
    pub redact: Vec<String>,
    pub options: Options,
    #[serde(skip)]
    pub place: Option<Place>,
}

/// Where in a workflow a job stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub workflow: i64,
    pub step: String,
    /// Which of a fan-out's jobs.
    pub child: Option<i32>,
}

impl NewJob {
    pub(crate) fn of<J: Job>(job: &J, options: Options) -> Result<Self, EnqueueError> {
        let args = serde_json::to_string(job).map_err(|source| EnqueueError::Unserialisable { kind: J::KIND, source })?;
        Ok(Self {
            kind: J::KIND.into(),
            queue: J::QUEUE.into(),
            version: J::VERSION,
            max_attempts: J::MAX_ATTEMPTS,
            args,
            rate: J::RATE.map(str::to_owned),
            redact: J::REDACT.iter().map(ToString::to_string).collect(),
            options: options.over(job.options()),
            place: None,
        })
    }

    /// As a workflow has kept it.
    pub(crate) fn stored(kept: &serde_json::Value) -> Result<Self, serde_json::Error> {
        Self::deserialize(kept)
    }

    /// The bucket its runs draw from.
    fn rate_key(&self) -> Option<String> {
        let rate = self.rate.as_ref()?;
        Some(self.options.rate_key.as_ref().map_or_else(|| rate.clone(), |apart| format!("{rate}:{apart}")))
    }

    fn concurrency_key(&self) -> Option<String> {
        self.options.concurrency.as_ref().map(|limit| limit.key.clone())
    }

    fn concurrency_limit(&self) -> Option<i16> {
        self.options.concurrency.as_ref().map(|limit| limit.at_most)
    }

    pub(crate) async fn insert(&self, c: &mut PgConnection) -> Result<Enqueued, EnqueueError> {
        let Some(unique) = &self.options.unique else {
            let id = insert_plain(c, std::slice::from_ref(self)).await?.pop().ok_or(sqlx::Error::RowNotFound)?;
            return Ok(id);
        };
        // The holder of the key may finish between our insert and our look at it; then the key is free again.
        for _ in 0..8 {
            if let Some(id) = insert_unique(c, self, unique).await? {
                count(&self.queue, &self.kind, 1);
                return Ok(Enqueued { id, fresh: true });
            }
            if let Some(id) = find_holder(c, &self.kind, unique).await? {
                yield_to_newer(c, id, self, unique.conflict).await?;
                return Ok(Enqueued { id, fresh: false });
            }
        }
        Err(EnqueueError::Contended { kind: self.kind.to_string(), key: unique.key.clone() })
    }
}

/// A delayed job is `scheduled` even when its time has come by the database's clock: only the workers' clock says when it is
/// due, and in tests that is another.
pub(crate) async fn insert_plain(c: &mut PgConnection, jobs: &[NewJob]) -> Result<Vec<Enqueued>, EnqueueError> {
    let Some(first) = jobs.first() else { return Ok(Vec::new()) };
    let origin = Origin::current();
    let column = |f: fn(&NewJob) -> Option<String>| jobs.iter().map(f).collect::<Vec<_>>();

    let mut ids = sqlx::query_scalar!(
        r#"
        INSERT INTO queue.jobs (queue, kind, version, state, priority, run_at, args, max_attempts, expires_at,
                                subject_kind, subject_id, tags, actor, trace, parent_id, concurrency_key, concurrency_limit,
                                rate_key, redact, workflow_id, step, child)
        SELECT $1, $2, $3, CASE WHEN n.run_at IS NULL THEN 'available' ELSE 'scheduled' END, n.priority,
               coalesce(n.run_at, now()), n.args::jsonb, n.max_attempts, n.expires_at,
               n.subject_kind, n.subject_id, string_to_array(n.tags, E'\n'), coalesce(n.actor, $13), coalesce(n.trace, $14), $15,
               n.concurrency_key, n.concurrency_limit, n.rate_key, $20, n.workflow_id, n.step, n.child
        FROM unnest($4::text[], $5::smallint[], $6::timestamptz[], $7::smallint[], $8::timestamptz[], $9::text[], $10::text[],
                    $11::text[], $12::uuid[], $16::text[], $17::text[], $18::smallint[], $19::text[], $21::bigint[], $22::text[],
                    $23::integer[])
             WITH ORDINALITY AS n (args, priority, run_at, max_attempts, expires_at, subject_kind, subject_id, tags, actor,
                                   trace, concurrency_key, concurrency_limit, rate_key, workflow_id, step, child, ordinal)
        ORDER BY n.ordinal
        RETURNING id
        "#,
        &first.queue,
        &first.kind,
        first.version,
        &jobs.iter().map(|job| job.args.clone()).collect::<Vec<_>>(),
        &jobs.iter().map(|job| job.options.priority).collect::<Vec<_>>(),
        &jobs.iter().map(|job| job.options.run_at).collect::<Vec<_>>() as _,
        &jobs.iter().map(|job| job.options.max_attempts.unwrap_or(job.max_attempts)).collect::<Vec<_>>(),
        &jobs.iter().map(|job| job.options.expires_at).collect::<Vec<_>>() as _,
        &column(|job| job.options.subject.as_ref().map(|subject| subject.kind.to_string())) as _,
        &column(|job| job.options.subject.as_ref().map(|subject| subject.id.clone())) as _,
        &column(|job| Some(job.options.tags.join("\n"))) as _,
        &jobs.iter().map(|job| job.options.actor).collect::<Vec<_>>() as _,
        origin.actor.get(),
        origin.trace,
        origin.parent.map(|job| job.0),
        &column(|job| job.options.trace.clone()) as _,
        &column(NewJob::concurrency_key) as _,
        &jobs.iter().map(NewJob::concurrency_limit).collect::<Vec<_>>() as _,
        &column(NewJob::rate_key) as _,
        &first.redact,
        &jobs.iter().map(|job| job.place.as_ref().map(|place| place.workflow)).collect::<Vec<_>>() as _,
        &column(|job| job.place.as_ref().map(|place| place.step.clone())) as _,
        &jobs.iter().map(|job| job.place.as_ref().and_then(|place| place.child)).collect::<Vec<_>>() as _,
    )
    .fetch_all(c)
    .await?;

    ids.sort_unstable(); // numbers are drawn in the order of the input; RETURNING promises no order
    count(&first.queue, &first.kind, ids.len());
    Ok(ids.into_iter().map(|id| Enqueued { id: JobId(id), fresh: true }).collect())
}

/// The new job's id, or nothing when the key is taken.
async fn insert_unique(c: &mut PgConnection, job: &NewJob, unique: &Unique) -> Result<Option<JobId>, EnqueueError> {
    let origin = Origin::current();
    let options = &job.options;
    let on_row = match unique.within {
        While::Pending => Some("pending"),
        While::Unfinished => Some("unfinished"),
        While::Period(_) | While::Forever => None,
    };
    let seconds = match unique.within {
        While::Period(period) => Some(period.as_secs_f64()),
        _ => None,
    };

    // The key of a period or of forever is taken in `unique_keys` first, under the number the job is about to get: the row
    // lock on the key makes a rival wait for our commit.
    let id = sqlx::query_scalar!(
        r#"
        WITH drawn AS (
          SELECT nextval(pg_get_serial_sequence('queue.jobs', 'id')) AS id
        ),
        taken AS (
          INSERT INTO queue.unique_keys AS held (kind, key, job_id, until)
          SELECT $2, $17, drawn.id, now() + make_interval(secs => $19)
          FROM drawn
          WHERE $18::text IS NULL
          ON CONFLICT (kind, key) DO UPDATE
          SET job_id = excluded.job_id, until = excluded.until
          WHERE held.until <= now()
          RETURNING job_id AS id
        )
        INSERT INTO queue.jobs (id, queue, kind, version, state, priority, run_at, args, max_attempts, expires_at,
                                subject_kind, subject_id, tags, actor, trace, parent_id, unique_key, unique_while,
                                concurrency_key, concurrency_limit, rate_key, redact, workflow_id, step, child)
        SELECT winner.id, $1, $2, $3, CASE WHEN $6::timestamptz IS NULL THEN 'available' ELSE 'scheduled' END, $5,
               coalesce($6::timestamptz, now()), $4::text::jsonb, $7::smallint, $8::timestamptz, $9::text, $10::text, $11::text[], coalesce($12::uuid, $13), coalesce($14::text, $15), $16::bigint,
               CASE WHEN $18 IS NOT NULL THEN $17 END, $18,
               $20::text, $21::smallint, $22::text, $23::text[], $24::bigint, $25::text, $26::integer
        FROM (SELECT id FROM taken UNION ALL SELECT id FROM drawn WHERE $18 IS NOT NULL) AS winner
        ON CONFLICT DO NOTHING
        RETURNING id
        "#,
        &job.queue,
        &job.kind,
        job.version,
        &job.args,
        options.priority,
        options.run_at,
        options.max_attempts.unwrap_or(job.max_attempts),
        options.expires_at,
        options.subject.as_ref().map(|subject| subject.kind.as_ref()),
        options.subject.as_ref().map(|subject| subject.id.as_str()),
        &options.tags,
        options.actor,
        origin.actor.get(),
        options.trace.as_deref(),
        origin.trace,
        origin.parent.map(|parent| parent.0),
        unique.key,
        on_row,
        seconds,
        job.concurrency_key(),
        job.concurrency_limit(),
        job.rate_key(),
        &job.redact,
        job.place.as_ref().map(|place| place.workflow),
        job.place.as_ref().map(|place| place.step.as_str()),
        job.place.as_ref().and_then(|place| place.child),
    )
    .fetch_optional(c)
    .await?;
    Ok(id.map(JobId))
}

async fn find_holder(c: &mut PgConnection, kind: &str, unique: &Unique) -> Result<Option<JobId>, EnqueueError> {
    let id = match unique.within {
        While::Pending => {
            sqlx::query_scalar!(
                "SELECT id FROM queue.jobs WHERE kind = $1 AND unique_key = $2 AND unique_while = 'pending' AND lease = 0",
                kind,
                unique.key,
            )
            .fetch_optional(c)
            .await?
        }
        While::Unfinished => {
            sqlx::query_scalar!(
                "SELECT id FROM queue.jobs WHERE kind = $1 AND unique_key = $2 AND unique_while = 'unfinished'",
                kind,
                unique.key,
            )
            .fetch_optional(c)
            .await?
        }
        While::Period(_) | While::Forever => {
            sqlx::query_scalar!(
                "SELECT job_id FROM queue.unique_keys WHERE kind = $1 AND key = $2 AND (until IS NULL OR until > now())",
                kind,
                unique.key,
            )
            .fetch_optional(c)
            .await?
        }
    };
    Ok(id.map(JobId))
}

/// Does to the waiting job what its duplicate asks. A job that has been claimed meanwhile is left as it is.
async fn yield_to_newer(c: &mut PgConnection, id: JobId, newer: &NewJob, conflict: Conflict) -> Result<(), EnqueueError> {
    match conflict {
        Conflict::Keep => {}
        Conflict::Replace => {
            sqlx::query!(
                "UPDATE queue.jobs
                 SET args = $2::text::jsonb, version = $3
                 WHERE id = $1 AND state <> 'running'",
                id.0,
                newer.args,
                newer.version,
            )
            .execute(c)
            .await?;
        }
        Conflict::Debounce => {
            sqlx::query!(
                "UPDATE queue.jobs
                 SET args = $2::text::jsonb, version = $3, run_at = coalesce($4, now()),
                     state = CASE WHEN $4::timestamptz IS NULL THEN 'available' ELSE 'scheduled' END
                 WHERE id = $1 AND state <> 'running'",
                id.0,
                newer.args,
                newer.version,
                newer.options.run_at,
            )
            .execute(c)
            .await?;
        }
    }
    Ok(())
}

fn count(queue: &str, kind: &str, jobs: usize) {
    metrics::counter!("queue_jobs_enqueued_total", "queue" => queue.to_owned(), "kind" => kind.to_owned()).increment(jobs as u64);
}
