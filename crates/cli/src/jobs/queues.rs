//! Pausing, resuming and draining a queue, for all processes at once; those that run go on.

use super::{
    Shell,
    table::counted,
    trail::{self, Reason},
};
use anyhow::{Context, ensure};
use clap::Args;
use mywork_queue::admin;
use serde_json::json;
use std::time::{Duration, Instant};

#[derive(Args)]
pub struct Pause {
    queue: String,
    #[command(flatten)]
    why: Reason,
}

#[derive(Args)]
pub struct Resume {
    queue: String,
    #[command(flatten)]
    why: Reason,
}

#[derive(Args)]
pub struct Drain {
    queue: String,
    #[command(flatten)]
    why: Reason,
    /// Give up waiting after so many seconds; the pause stays
    #[arg(long, default_value_t = 600)]
    timeout: u64,
}

pub async fn pause(shell: &Shell, asked: Pause) -> anyhow::Result<()> {
    let Pause { queue, why } = asked;
    stop(shell, &queue, &why.reason, "queue.pause").await?;
    shell.answer(&json!({ "queue": queue, "paused": true }), |_| println!("queue {queue} is paused"))
}

pub async fn resume(shell: &Shell, asked: Resume) -> anyhow::Result<()> {
    let Resume { queue, why } = asked;
    let mut tx = shell.begin().await?;
    let resumed = admin::resume(&mut tx, &queue).await?;
    ensure!(resumed, "queue {queue} was not paused: see `mywork jobs stats`");
    trail::note(&mut tx, "queue.resume", "queue", &queue, &why.reason).await?;
    tx.commit().await?;
    shell.answer(&json!({ "queue": queue, "paused": false }), |_| println!("queue {queue} goes on"))
}

pub async fn drain(shell: &Shell, asked: Drain) -> anyhow::Result<()> {
    let Drain { queue, why, timeout } = asked;
    stop(shell, &queue, &why.reason, "queue.drain").await?;
    let deadline = Instant::now() + Duration::from_secs(timeout);
    let mut last = None;
    loop {
        let mut tx = shell.begin().await?;
        let overview = admin::overview(&mut tx).await?;
        let running = overview.queues.iter().find(|row| row.name == queue).map_or(0, |row| row.running);
        if running == 0 {
            return shell.answer(&json!({ "queue": queue, "running": 0 }), |_| println!("queue {queue} is drained"));
        }
        if last.replace(running) != Some(running) && !shell.json {
            println!("queue {queue} is paused; {} still running", counted(running, "job"));
        }
        let left = deadline.checked_duration_since(Instant::now());
        left.with_context(|| format!("queue {queue} is paused, and {} still running", counted(running, "job")))?;
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

async fn stop(shell: &Shell, queue: &str, reason: &str, action: &'static str) -> anyhow::Result<()> {
    let mut tx = shell.begin().await?;
    admin::pause(&mut tx, queue, reason).await?;
    trail::note(&mut tx, action, "queue", queue, reason).await?;
    Ok(tx.commit().await?)
}
