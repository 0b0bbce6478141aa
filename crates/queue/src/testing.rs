//! For tests of programs that enqueue (JOB-22): see what was enqueued, run one handler by itself, or run everything that is
//! due until nothing is, in this task and in a predictable order, on the same statements as a worker.

mod worker;

pub use worker::{Held, Worker};

use crate::{
    admin::{JobFilter, JobRow, JobState, list},
    clock::{self, Clock},
    engine::{dispatch::Bench, judge, turns::Turns},
    handler::{Context, RunLog},
    job::{Job, JobId},
    registry::Registry,
    store::{self, Known, Registration, Settled, Verdict},
};
use sqlx::{PgConnection, PgPool};
use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Runs the handler of `job` once, by itself, as attempt 1: nothing is enqueued, claimed or recorded.
///
/// # Errors
/// As the handler fails.
///
/// # Panics
/// When nobody handles the kind.
pub async fn perform<J: Job, S: Send + Sync + 'static>(
    registry: &Registry<S>,
    state: Arc<S>,
    clock: Arc<dyn Clock>,
    job: &J,
) -> crate::Result {
    let cx = Context {
        state,
        job: JobId(0),
        attempt: 1,
        max_attempts: J::MAX_ATTEMPTS,
        cancelled: CancellationToken::new(),
        clock,
        log: RunLog::default(),
        pool: None,
        place: None,
    };
    let args = serde_json::to_value(job)?;
    registry.run(J::KIND, J::VERSION, args, cx).unwrap_or_else(|| panic!("nobody handles {}", J::KIND)).await
}

/// What [`drain`] ran.
#[derive(Clone, Debug, Default)]
pub struct Drained {
    /// Each run, in order.
    pub runs: Vec<DrainedRun>,
}

/// One run of [`drain`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DrainedRun {
    /// The job.
    pub job: JobId,
    /// Its kind.
    pub kind: String,
    /// `done`, `retried`, `dead`, `snoozed` or `cancelled`.
    pub outcome: &'static str,
    /// What went wrong.
    pub error: Option<String>,
}

impl Drained {
    /// Runs of kind `kind` that ended as `outcome`.
    pub fn count(&self, kind: &str, outcome: &str) -> usize {
        self.runs.iter().filter(|run| run.kind == kind && run.outcome == outcome).count()
    }

    /// Kinds in the order they ran.
    pub fn kinds(&self) -> Vec<&str> {
        self.runs.iter().map(|run| run.kind.as_str()).collect()
    }

    /// Fails the test when a run failed.
    ///
    /// # Panics
    /// When one did, with what it said.
    pub fn assert_no_failure(&self) -> &Self {
        let failed: Vec<_> = self.runs.iter().filter(|run| run.error.is_some()).collect();
        assert!(failed.is_empty(), "runs failed: {failed:#?}");
        self
    }
}

impl fmt::Display for Drained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.runs
            .iter()
            .try_for_each(|run| writeln!(f, "{} {} {}", run.kind, run.outcome, run.error.as_deref().unwrap_or_default()))
    }
}

/// Runs everything due by `clock`, and what that enqueues, one job at a time, until nothing is due. A failed job waits for its
/// backoff: move the clock and drain again. Kinds that `registry` does not know are left.
///
/// # Errors
/// When the database refuses.
pub async fn drain<S: Send + Sync + 'static>(
    pool: &PgPool,
    registry: &Arc<Registry<S>>,
    state: Arc<S>,
    clock: Arc<dyn Clock>,
) -> Result<Drained, sqlx::Error> {
    let kinds = registry.kinds();
    let known = Known {
        names: kinds.iter().map(|kind| kind.name.to_owned()).collect(),
        versions: kinds.iter().map(|kind| kind.version).collect(),
    };
    let bench = Bench {
        registry: Arc::clone(registry),
        state,
        clock: Arc::clone(&clock),
        pool: pool.clone(),
        grace: Duration::from_secs(1),
    };
    let worker = Uuid::new_v4();
    let about = Registration {
        name: "drain".to_owned(),
        group: "test".to_owned(),
        release: "test".to_owned(),
        queues: Vec::new(),
        kinds: known.names.clone(),
        capacity: 1,
    };
    store::register(&mut *pool.acquire().await?, worker, &about, false).await?;

    let mut drained = Drained::default();
    while let Some(job) = next_due(pool, &known, worker, &*clock).await? {
        let Some(kind) = registry.kind(&job.kind) else { break };
        let (id, lease, name, attempt, limit) = (job.id, job.lease, job.kind.clone(), job.attempt, job.max_attempts);
        let (queue, waited, place) = (job.queue.clone(), job.waited, job.place());
        let (log, began) = (RunLog::of(&job), Instant::now());
        let answer = bench.run(job, kind.timeout, CancellationToken::new(), log.clone()).await;
        let error = answer.as_ref().err().map(|failure| format!("{failure:#}"));
        let verdict = judge::verdict(answer, &name, attempt, limit, kind.backoff, None);
        drained.runs.push(DrainedRun { job: JobId(id), kind: name.clone(), outcome: verdict.outcome(), error });
        let (took, log) = (began.elapsed(), log.text());
        let settled = Settled { id, lease, queue, kind: name, waited, verdict, took, max_attempts: limit, log, place };
        write(pool, settled, worker, &*clock).await?;
    }
    store::depart(&mut *pool.acquire().await?, worker).await?;
    Ok(drained)
}

/// The next job in any queue: the most urgent of the first queue that has one; those under a limit come after the others.
async fn next_due(pool: &PgPool, known: &Known, worker: Uuid, clock: &dyn Clock) -> Result<Option<store::Claimed>, sqlx::Error> {
    let mut c = pool.acquire().await?;
    let now = clock::given(clock);
    store::beat(&mut c, worker, 0, None).await?;
    store::pulse(&mut c, &[], worker, now).await?;
    let queues = sqlx::query_scalar!("SELECT DISTINCT queue FROM queue.jobs WHERE state = 'available' ORDER BY queue")
        .fetch_all(&mut *c)
        .await?;
    for queue in queues {
        let ask = store::Ask { queue: &queue, known, worker, now, capped: true };
        let mut turns = Turns::default();
        while turns.has_more() {
            if let Some(job) = turns.claim(&mut c, &ask, 1, 1).await?.pop() {
                return Ok(Some(job));
            }
        }
    }
    Ok(None)
}

async fn write(pool: &PgPool, settled: Settled, worker: Uuid, clock: &dyn Clock) -> Result<(), sqlx::Error> {
    debug_assert!(!matches!(settled.verdict, Verdict::HandedBack { .. }), "a drained run is never handed back");
    let mut c = pool.acquire().await?;
    store::settle(&mut c, &[settled], worker, "test", clock::given(clock)).await.map(drop)
}

/// Arguments of every waiting job of kind `J`, oldest first.
///
/// # Errors
/// When the database refuses.
///
/// # Panics
/// When a job's arguments are not those of `J`.
pub async fn enqueued<J: Job>(c: &mut PgConnection) -> Result<Vec<J>, sqlx::Error> {
    let args = sqlx::query_scalar!("SELECT args FROM queue.jobs WHERE kind = $1 AND state <> 'running' ORDER BY id", J::KIND)
        .fetch_all(c)
        .await?;
    let read = |args| serde_json::from_value(args).unwrap_or_else(|error| panic!("arguments of {}: {error}", J::KIND));
    Ok(args.into_iter().map(read).collect())
}

/// Fails the test unless a job of kind `J` that `matches` waits; returns it.
///
/// # Panics
/// When none does, with those that wait.
pub async fn assert_enqueued<J: Job>(c: &mut PgConnection, matches: impl Fn(&J) -> bool) -> J {
    let waiting = unfinished(c).await.unwrap_or_else(|error| panic!("the queue cannot be read: {error}"));
    let jobs = enqueued::<J>(c).await.unwrap_or_else(|error| panic!("the queue cannot be read: {error}"));
    jobs.into_iter().find(matches).unwrap_or_else(|| panic!("no such {} waits; there are: {}", J::KIND, listed(&waiting)))
}

/// Jobs that wait, run, or ended badly. Call it at the end of a test with the kinds it means to leave behind.
///
/// # Panics
/// When there is a job of another kind, with all of those.
pub async fn assert_nothing_left(c: &mut PgConnection, expected: &[&str]) {
    let mut left = unfinished(c).await.unwrap_or_else(|error| panic!("the queue cannot be read: {error}"));
    left.retain(|job| !expected.contains(&job.kind.as_str()));
    assert!(left.is_empty(), "jobs are left that the test did not expect: {}", listed(&left));
}

/// Jobs that wait, run, or ended badly.
///
/// # Errors
/// When the database refuses.
pub async fn unfinished(c: &mut PgConnection) -> Result<Vec<JobRow>, sqlx::Error> {
    let states =
        [JobState::Scheduled, JobState::Available, JobState::Held, JobState::Running, JobState::Dead, JobState::Quarantined];
    list(c, &JobFilter { states: states.into(), limit: 1_000, ..JobFilter::default() }).await
}

fn listed(jobs: &[JobRow]) -> String {
    let line =
        |job: &JobRow| format!("\n  {} {} {} {}", job.kind, job.state, job.args, job.last_error.as_deref().unwrap_or_default());
    if jobs.is_empty() { "none".to_owned() } else { jobs.iter().map(line).collect() }
}
