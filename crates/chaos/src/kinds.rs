//! The jobs: each leaves one effect under its own key, and a line about every run. Between them they end in all the ways a job
//! can end.

use mywork_queue::{Backoff, Context, Failure, Job, Kind, Options, Outcome, Registry};
use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use std::time::Duration;

/// What handlers have at hand.
pub struct Tools {
    pub pool: PgPool,
    /// The name of the process.
    pub process: String,
}

/// A job of the ordinary queue.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Errand {
    /// Of its effect.
    pub key: String,
    pub how: How,
    /// At most so many with this key at once.
    pub limit: Option<(String, i16)>,
}

/// What becomes of an errand.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub enum How {
    Succeeds,
    /// After so many milliseconds.
    SucceedsIn(u64),
    /// Once it has been tried more often than this.
    FailsFirst(i16),
    AlwaysFails,
    /// Finds that there is nothing to do.
    CancelsItself,
    /// Goes on until somebody cancels it.
    GoesOn,
    /// Looks again until it has run so often.
    Snoozes(i64),
}

const BACKOFF: Backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(2));

impl Job for Errand {
    const KIND: &'static str = "chaos.errand";
    const MAX_ATTEMPTS: i16 = 1_000; // an outage fails a run, never the job
    const TIMEOUT: Duration = Duration::from_secs(60);
    const BACKOFF: Backoff = BACKOFF;

    fn options(&self) -> Options {
        match &self.limit {
            Some((key, at_most)) => Options::default().concurrency(key, *at_most),
            None => Options::default(),
        }
    }
}

/// Kills the process that runs it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Poison {
    pub key: String,
}

impl Job for Poison {
    const KIND: &'static str = "chaos.poison";
    const QUEUE: &'static str = "poison";
    const BACKOFF: Backoff = BACKOFF;
}

/// One time of a schedule.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Tick {
    pub schedule: usize,
}

impl Job for Tick {
    const KIND: &'static str = "chaos.tick";
    const QUEUE: &'static str = "ticks";
    const MAX_ATTEMPTS: i16 = 1_000;
    const BACKOFF: Backoff = BACKOFF;
}

/// Asks one process whether it is at work.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Probe {}

impl Probe {
    /// The queues of the processes that can be asked.
    pub const QUEUES: [&'static str; 8] =
        ["probe-0", "probe-1", "probe-2", "probe-3", "probe-4", "probe-5", "probe-6", "probe-7"];

    /// As a job for the process in `slot` alone.
    pub fn kind(slot: usize) -> Kind {
        Kind { queue: Self::QUEUES[slot], ..Kind::of::<Self>() }
    }
}

impl Job for Probe {
    const KIND: &'static str = "chaos.probe";
    const QUEUE: &'static str = Self::QUEUES[0];
    const MAX_ATTEMPTS: i16 = 1_000;
    const BACKOFF: Backoff = BACKOFF;
}

/// All of them, with their handlers.
pub fn registry() -> Registry<Tools> {
    let mut registry = Registry::new();
    registry.add(errand).add(poison).add(tick).add(probe);
    registry
}

async fn errand(errand: Errand, cx: Context<Tools>) -> mywork_queue::Result {
    let limit = errand.limit.as_ref().map(|(key, _)| key.as_str());
    let run = Run::begin(&cx, &errand.key, Errand::KIND, limit).await?;
    match errand.how {
        How::Succeeds => {}
        How::SucceedsIn(millis) => tokio::time::sleep(Duration::from_millis(millis)).await,
        How::FailsFirst(times) if cx.attempt <= times => return run.fail("not yet").await,
        How::FailsFirst(_) => {}
        How::AlwaysFails => return run.fail("never").await,
        How::CancelsItself => {
            run.end(false).await?;
            return Ok(Outcome::Cancel("there is nothing to do".to_owned()));
        }
        How::GoesOn => {
            cx.cancelled.cancelled().await;
            return run.fail("told to stop").await;
        }
        How::Snoozes(times) if run.number(&cx).await? <= times => {
            run.end(false).await?;
            return Ok(Outcome::Snooze(Duration::from_millis(300)));
        }
        How::Snoozes(_) => {}
    }
    run.end(true).await?;
    Ok(Outcome::Done)
}

async fn poison(poison: Poison, cx: Context<Tools>) -> mywork_queue::Result {
    Run::begin(&cx, &poison.key, Poison::KIND, None).await?;
    std::process::abort()
}

async fn tick(_: Tick, cx: Context<Tools>) -> mywork_queue::Result {
    Run::begin(&cx, &format!("tick {}", cx.job), Tick::KIND, None).await?.end(true).await?;
    Ok(Outcome::Done)
}

async fn probe(_: Probe, _: Context<Tools>) -> mywork_queue::Result {
    Ok(Outcome::Done)
}

/// The line about a run.
struct Run<'a> {
    pool: &'a PgPool,
    id: i64,
    job: i64,
    key: &'a str,
}

impl<'a> Run<'a> {
    async fn begin(cx: &'a Context<Tools>, key: &'a str, kind: &str, limit: Option<&str>) -> Result<Self, sqlx::Error> {
        let pool = &cx.state.pool;
        let id = sqlx::query_scalar(
            "INSERT INTO chaos.runs (job, key, kind, process, limit_key) VALUES ($1, $2, $3, $4, $5) RETURNING id",
        )
        .bind(cx.job)
        .bind(key)
        .bind(kind)
        .bind(&cx.state.process)
        .bind(limit)
        .fetch_one(pool)
        .await?;
        Ok(Self { pool, id, job: cx.job.0, key })
    }

    /// Which run of its job it is.
    async fn number(&self, cx: &Context<Tools>) -> Result<i64, sqlx::Error> {
        sqlx::query_scalar("SELECT count(*) FROM chaos.runs WHERE job = $1").bind(cx.job).fetch_one(self.pool).await
    }

    /// Notes the end, and has its effect where it has one.
    async fn end(&self, effect: bool) -> Result<(), sqlx::Error> {
        sqlx::query(
            "WITH effect AS (
               INSERT INTO chaos.effects (key, job) SELECT $2, $3 WHERE $4 ON CONFLICT DO NOTHING RETURNING key
             )
             UPDATE chaos.runs
             SET ended_at = clock_timestamp(), repeated = $4 AND NOT EXISTS (SELECT FROM effect)
             WHERE id = $1",
        )
        .bind(self.id)
        .bind(self.key)
        .bind(self.job)
        .bind(effect)
        .execute(self.pool)
        .await
        .map(drop)
    }

    async fn fail(&self, why: &str) -> mywork_queue::Result {
        self.end(false).await?;
        Err(Failure::from(anyhow::anyhow!("{why}")))
    }
}
