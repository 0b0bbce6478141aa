//! Stock apalis-postgres 1.0, set up as its own example `basic.rs`: batches of 100, tasks not locked a second time, woken by
//! NOTIFY, each task run by `tokio::spawn`; and `concurrency` as everybody else.
//!
//! Its tables want the extension hstore, and passed through pgcrypto on their way. Where the server has no hstore, a domain of
//! that name over bytea stands in: metadata is stored as it comes and read back as it was, which is all that a job without
//! metadata needs.

use super::{Bench, Tally};
use crate::server::Database;
use ::apalis::prelude::*;
use apalis_postgres::{Config, PostgresStorage};
use serde::{Deserialize, Serialize};
use sqlx::{AssertSqlSafe, Executor, PgPool, postgres::PgPoolOptions};

const QUEUE: &str = "noop";

const WANTS: [&str; 2] = ["CREATE EXTENSION IF NOT EXISTS hstore;", "CREATE EXTENSION IF NOT EXISTS pgcrypto;"];
const STAND_IN: &str = r"
    CREATE DOMAIN hstore AS bytea;
    CREATE FUNCTION hstore(text[], text[]) RETURNS hstore LANGUAGE sql AS $$ SELECT '\x00000000'::bytea::hstore $$;";

#[derive(Debug, Serialize, Deserialize)]
pub struct Noop {
    pub n: i64,
}

pub async fn setup(database: &Database, has_hstore: bool) -> anyhow::Result<()> {
    let mut connection = database.connect().await?;
    for migration in PostgresStorage::migrations().iter() {
        let sql = migration.sql.as_str();
        let sql = if has_hstore { sql.to_owned() } else { sql.replace(WANTS[0], STAND_IN).replace(WANTS[1], "") };
        connection.execute(AssertSqlSafe(sql)).await?;
    }
    Ok(())
}

/// Through its own statement, but without its trigger, which notifies once a row.
pub async fn fill(database: &Database, jobs: usize) -> anyhow::Result<()> {
    let mut connection = database.connect().await?;
    connection.execute("ALTER TABLE apalis.jobs DISABLE TRIGGER notify_workers").await?;
    for begin in (0..jobs).step_by(5_000) {
        push(&mut connection, vec![0; (jobs - begin).min(5_000)]).await?;
    }
    connection.execute("ALTER TABLE apalis.jobs ENABLE TRIGGER notify_workers").await?;
    connection.execute("UPDATE apalis.jobs SET run_at = run_at - interval '2 seconds'").await?; // it rounds to the second
    Ok(())
}

/// Enqueues a job per number.
pub async fn push(connection: &mut sqlx::PgConnection, numbers: Vec<i64>) -> anyhow::Result<()> {
    let tasks = numbers.into_iter().map(|n| Ok(TaskBuilder::new(serde_json::to_vec(&Noop { n })?).build()));
    let tasks = tasks.collect::<anyhow::Result<Vec<_>>>()?;
    Ok(apalis_postgres::queries::push_tasks(connection, QUEUE, tasks).await?)
}

pub async fn work(url: &str, concurrency: usize) -> anyhow::Result<()> {
    let pool: PgPool = PgPoolOptions::new().min_connections(3).max_connections(10).connect(url).await?;
    let (mut bench, tally) = Bench::new();
    bench.begin().await?;

    let config = Config::default().queue(QUEUE).batch_size(100).lock_tasks(false);
    let backend = PostgresStorage::<Noop>::new(&pool).with_config(config).with_pubsub();
    let worker = WorkerBuilder::new(format!("bench-{}", std::process::id()))
        .backend(backend)
        .concurrency(concurrency)
        .data(tally)
        .parallelize(tokio::spawn)
        .build(handle);
    let running = tokio::spawn(worker.run());
    bench.end().await;
    running.abort();
    Ok(())
}

async fn handle(job: Noop, tally: Data<Tally>) -> Result<(), BoxDynError> {
    tally.job(job.n);
    Ok(())
}
