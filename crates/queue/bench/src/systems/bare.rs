//! The reference: what tokio and sqlx can do when nothing is asked but to claim in batches, run, and write down in batches.
//!
//! No fencing, no heartbeat, no pause, no expiry, no retries, one kind, one queue. It claims up to 500 jobs ahead, runs
//! `concurrency` of them at once, each in a task of its own, and completes up to 500 in a statement. With history, a finished
//! job leaves a row with its arguments and its run leaves another, as ours does.

use super::{Bench, Tally};
use crate::server::Database;
use serde_json::Value;
use sqlx::{Executor, PgPool, postgres::PgPoolOptions};
use std::sync::Arc;
use tokio::sync::{Semaphore, mpsc};

const BATCH: usize = 500;

const SCHEMA: &str = "
    CREATE SCHEMA bare;
    CREATE TABLE bare.jobs (
      id         bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      queue      text        NOT NULL,
      kind       text        NOT NULL,
      state      text        NOT NULL DEFAULT 'available',
      priority   smallint    NOT NULL DEFAULT 0,
      run_at     timestamptz NOT NULL DEFAULT now(),
      args       jsonb       NOT NULL,
      attempt    smallint    NOT NULL DEFAULT 0,
      started_at timestamptz,
      created_at timestamptz NOT NULL DEFAULT now()
    ) WITH (fillfactor = 70);
    CREATE INDEX jobs_claim ON bare.jobs (queue, priority DESC, run_at, id) WHERE state = 'available';
    CREATE TABLE bare.finished_jobs (
      id          bigint      PRIMARY KEY,
      queue       text        NOT NULL,
      kind        text        NOT NULL,
      state       text        NOT NULL,
      priority    smallint    NOT NULL,
      run_at      timestamptz NOT NULL,
      args        jsonb       NOT NULL,
      attempt     smallint    NOT NULL,
      created_at  timestamptz NOT NULL,
      finished_at timestamptz NOT NULL
    );
    CREATE TABLE bare.attempts (
      job_id     bigint      NOT NULL,
      attempt    smallint    NOT NULL,
      queue      text        NOT NULL,
      kind       text        NOT NULL,
      started_at timestamptz NOT NULL,
      ended_at   timestamptz NOT NULL,
      outcome    text        NOT NULL
    );
    CREATE INDEX attempts_job ON bare.attempts (job_id);";

const CLAIM: &str = "
    WITH next AS MATERIALIZED (
      SELECT id
      FROM bare.jobs
      WHERE queue = 'default' AND state = 'available'
      ORDER BY priority DESC, run_at, id
      LIMIT $1
      FOR UPDATE SKIP LOCKED
    )
    UPDATE bare.jobs j
    SET state = 'running', attempt = attempt + 1, started_at = now()
    WHERE j.id = ANY (ARRAY(SELECT id FROM next)) -- a join would read the whole table once the plan is generic
    RETURNING j.id, j.args";

const COMPLETE: &str = "DELETE FROM bare.jobs WHERE id = ANY ($1)";

const COMPLETE_WITH_HISTORY: &str = "
    WITH ended AS (
      DELETE FROM bare.jobs
      WHERE id = ANY ($1)
      RETURNING *
    ),
    runs AS (
      INSERT INTO bare.attempts (job_id, attempt, queue, kind, started_at, ended_at, outcome)
      SELECT id, attempt, queue, kind, started_at, now(), 'done'
      FROM ended
    )
    INSERT INTO bare.finished_jobs (id, queue, kind, state, priority, run_at, args, attempt, created_at, finished_at)
    SELECT id, queue, kind, 'done', priority, run_at, args, attempt, created_at, now()
    FROM ended";

pub async fn setup(database: &Database) -> anyhow::Result<()> {
    database.connect().await?.execute(SCHEMA).await?;
    Ok(())
}

pub async fn fill(database: &Database, jobs: usize) -> anyhow::Result<()> {
    sqlx::query(
        "INSERT INTO bare.jobs (queue, kind, args) SELECT 'default', 'bench.noop', '{\"n\": 0}' FROM generate_series(1, $1)",
    )
    .bind(i64::try_from(jobs)?)
    .execute(&mut database.connect().await?)
    .await?;
    Ok(())
}

pub async fn work(url: &str, concurrency: usize, history: bool) -> anyhow::Result<()> {
    let pool = PgPoolOptions::new().min_connections(3).max_connections(3).connect(url).await?;
    let (mut bench, tally) = Bench::new();
    bench.begin().await?;

    let (done, finished) = mpsc::unbounded_channel();
    let claiming = tokio::spawn(claim(pool.clone(), concurrency, tally, done));
    let completing = tokio::spawn(complete(pool, finished, history));
    bench.end().await;
    claiming.abort();
    completing.abort();
    Ok(())
}

async fn claim(pool: PgPool, concurrency: usize, tally: Tally, done: mpsc::UnboundedSender<i64>) -> anyhow::Result<()> {
    let ahead = Arc::new(Semaphore::new(2 * BATCH)); // so that a claim is under way while the one before it runs
    let running = Arc::new(Semaphore::new(concurrency));
    loop {
        let mut places = Arc::clone(&ahead).acquire_many_owned(u32::try_from(BATCH)?).await?;
        let jobs: Vec<(i64, Value)> = sqlx::query_as(CLAIM).bind(i64::try_from(BATCH)?).fetch_all(&pool).await?;
        if jobs.is_empty() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        for (id, args) in jobs {
            let place = places.split(1);
            let slot = Arc::clone(&running).acquire_owned().await?;
            let (tally, done) = (tally.clone(), done.clone());
            tokio::spawn(async move {
                tally.job(args["n"].as_i64().unwrap_or_default());
                let _ = done.send(id); // the process ends when nobody completes any more
                drop((slot, place));
            });
        }
    }
}

async fn complete(pool: PgPool, mut finished: mpsc::UnboundedReceiver<i64>, history: bool) -> anyhow::Result<()> {
    let mut batch = Vec::with_capacity(BATCH);
    while finished.recv_many(&mut batch, BATCH).await > 0 {
        let statement = if history { COMPLETE_WITH_HISTORY } else { COMPLETE };
        sqlx::query(statement).bind(&batch).execute(&pool).await?;
        batch.clear();
    }
    Ok(())
}
