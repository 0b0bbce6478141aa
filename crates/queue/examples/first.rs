//! The smallest honest program: one kind of job, enqueued in a transaction, run by a worker.
//!
//! `DATABASE_URL=postgres://… cargo run -p mywork-queue --example first`, on an empty database.

use mywork_queue::{
    Context, Job, Options, Outcome, Registry, Runtime, RuntimeOptions, Unique, clock::SystemClock, enqueue, groups::Group,
};
use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// What is to be done. The struct is the payload; its constants are the policy.
#[derive(Serialize, Deserialize)]
struct Greet {
    name: String,
}

impl Job for Greet {
    const KIND: &'static str = "example.greet";
    const MAX_ATTEMPTS: i16 = 5;

    fn options(&self) -> Options {
        Options::default().unique(Unique::unfinished(&self.name)) // nobody is greeted twice at once
    }
}

/// How it is done. It may run twice for the same job.
async fn greet(job: Greet, cx: Context<CancellationToken>) -> mywork_queue::Result {
    println!("job {}, attempt {}: hello, {}", cx.job, cx.attempt, job.name);
    cx.state.cancel(); // this example ends after its first job
    Ok(Outcome::Done)
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let pool = PgPool::connect(&std::env::var("DATABASE_URL")?).await?;
    mywork_queue::migrate(&pool).await?;

    let mut tx = pool.begin().await?;
    let job = enqueue(&mut tx, &Greet { name: "world".to_owned() }).await?;
    tx.commit().await?; // the job exists from here on, or not at all
    println!("enqueued job {}", job.id);

    let mut registry = Registry::new();
    registry.add(greet);
    let shutdown = CancellationToken::new();
    let group = Group::new("default", ["default"], 4);
    let state = Arc::new(shutdown.clone());
    Runtime::new(pool, Arc::new(registry), state, group, Arc::new(SystemClock), RuntimeOptions::default()).run(shutdown).await;
    Ok(())
}
