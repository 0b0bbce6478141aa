//! `chaos race`: a contest of workers about the same runs, a million times.

use crate::{postgres::Postgres, queue::connect};
use anyhow::Result;
use clap::Args;
use std::path::PathBuf;

#[path = "../../queue/tests/support/contest.rs"]
mod contest;

#[derive(Args, Clone, Debug)]
pub struct RaceOptions {
    /// Runs to fight over.
    #[arg(long, default_value_t = 1_000_000)]
    attempts: u64,
    /// Workers that fight.
    #[arg(long, default_value_t = 10)]
    contestants: u64,
    /// Draws what they do.
    #[arg(long)]
    seed: Option<u64>,
    /// A PostgreSQL as `bin/prepare` unpacks it.
    #[arg(long, default_value = ".local/postgres")]
    postgres: PathBuf,
}

/// Runs it. False when a stale write took effect.
pub async fn run(options: RaceOptions) -> Result<bool> {
    let seed = options.seed.unwrap_or_else(|| rand::random::<u32>().into());
    println!("chaos race --attempts {} --seed {seed}", options.attempts);
    let postgres = Postgres::start(&options.postgres).await?;
    let pool = connect(postgres.port());
    mywork_queue::migrate(&pool).await?;
    let contest = contest::fight(&pool, options.attempts, options.contestants, seed).await?;
    let holds = contest.violations.is_empty();
    println!("{} {contest}", if holds { "ok    " } else { "BROKEN" });
    for violation in contest.violations.iter().take(20) {
        println!("       {violation}");
    }
    pool.close().await;
    Ok(holds)
}
