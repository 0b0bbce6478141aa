//! mywork-queue with its defaults, through its public interface only.

use super::Bench;
use crate::server::Database;
use mywork_queue::{Context, Job, Outcome, Registry, Runtime, RuntimeOptions, clock::SystemClock, enqueue_many, groups::Group};
use serde::{Deserialize, Serialize};
use sqlx::{Connection, postgres::PgPoolOptions};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Does nothing. Probes have a number above zero.
#[derive(Clone, Serialize, Deserialize)]
pub struct Noop {
    pub n: i64,
}

impl Job for Noop {
    const KIND: &'static str = "bench.noop";
}

pub async fn setup(database: &Database) -> anyhow::Result<()> {
    Ok(mywork_queue::migrate(&database.pool(1).await?).await?)
}

pub async fn fill(database: &Database, jobs: usize) -> anyhow::Result<()> {
    let mut connection = database.connect().await?;
    let mut tx = connection.begin().await?;
    enqueue_many(&mut tx, &vec![Noop { n: 0 }; jobs]).await?;
    tx.commit().await?;
    Ok(())
}

/// A process as its documentation asks: a pool of its own, the default options.
pub async fn work(url: &str, concurrency: usize) -> anyhow::Result<()> {
    let pool = PgPoolOptions::new().min_connections(5).max_connections(8).connect(url).await?;
    let (mut bench, tally) = Bench::new();
    let mut registry = Registry::new();
    registry.add(move |job: Noop, _: Context<()>| {
        let tally = tally.clone();
        async move {
            tally.job(job.n);
            Ok(Outcome::Done)
        }
    });
    let shutdown = CancellationToken::new();
    let group = Group::new("bench", ["default"], concurrency);
    let runtime = Runtime::new(pool, Arc::new(registry), Arc::new(()), group, Arc::new(SystemClock), RuntimeOptions::default());

    bench.begin().await?;
    let running = tokio::spawn(runtime.run(shutdown.clone()));
    bench.end().await;
    shutdown.cancel();
    Ok(running.await?)
}
