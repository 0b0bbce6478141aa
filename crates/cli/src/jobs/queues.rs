//! Pausing, resuming and draining a queue or a kind of job, for all processes at once; those that run go on.

use super::{
    Shell,
    table::counted,
    trail::{self, Reason},
};
use anyhow::{Context, ensure};
use clap::Args;
use mywork::db::Tx;
use mywork_queue::admin::{self, Draining};
use serde_json::json;
use std::{
    fmt,
    time::{Duration, Instant},
};

/// What is paused: a queue by its name, or one kind of job.
#[derive(Args)]
#[group(required = true, multiple = false)]
struct What {
    queue: Option<String>,
    /// A kind of job instead of a queue
    #[arg(long)]
    kind: Option<String>,
}

#[derive(Args)]
pub struct Pause {
    #[command(flatten)]
    what: What,
    #[command(flatten)]
    why: Reason,
}

#[derive(Args)]
pub struct Resume {
    #[command(flatten)]
    what: What,
    #[command(flatten)]
    why: Reason,
}

#[derive(Args)]
pub struct Drain {
    #[command(flatten)]
    what: What,
    #[command(flatten)]
    why: Reason,
    /// Give up waiting after so many seconds; the pause stays
    #[arg(long, default_value_t = 600)]
    timeout: u64,
}

enum Target {
    Queue(String),
    Kind(String),
}

impl What {
    fn target(self) -> anyhow::Result<Target> {
        let kind = self.kind.map(Target::Kind);
        self.queue.map(Target::Queue).or(kind).context("name a queue, or a kind by --kind")
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.sort(), self.name())
    }
}

impl Target {
    fn sort(&self) -> &'static str {
        match self {
            Self::Queue(_) => "queue",
            Self::Kind(_) => "kind",
        }
    }

    fn name(&self) -> &str {
        match self {
            Self::Queue(name) | Self::Kind(name) => name,
        }
    }

    async fn pause(&self, tx: &mut Tx, reason: &str) -> Result<(), sqlx::Error> {
        match self {
            Self::Queue(queue) => admin::pause(tx, queue, reason).await,
            Self::Kind(kind) => admin::pause_kind(tx, kind, reason).await,
        }
    }

    async fn resume(&self, tx: &mut Tx) -> Result<bool, sqlx::Error> {
        match self {
            Self::Queue(queue) => admin::resume(tx, queue).await,
            Self::Kind(kind) => admin::resume_kind(tx, kind).await,
        }
    }

    async fn draining(&self, tx: &mut Tx) -> Result<Draining, sqlx::Error> {
        match self {
            Self::Queue(queue) => admin::draining(tx, queue).await,
            Self::Kind(kind) => admin::draining_kind(tx, kind).await,
        }
    }

    async fn note(&self, tx: &mut Tx, queue: &'static str, kind: &'static str, reason: &str) -> anyhow::Result<()> {
        let action = if let Self::Queue(_) = self { queue } else { kind };
        trail::note(tx, action, self.sort(), self.name(), reason).await
    }
}

pub async fn pause(shell: &Shell, asked: Pause) -> anyhow::Result<()> {
    let target = asked.what.target()?;
    let mut tx = shell.begin().await?;
    target.pause(&mut tx, &asked.why.reason).await?;
    target.note(&mut tx, "queue.pause", "kind.pause", &asked.why.reason).await?;
    tx.commit().await?;
    shell.answer(&json!({ target.sort(): target.name(), "paused": true }), |_| println!("{target} is paused"))
}

pub async fn resume(shell: &Shell, asked: Resume) -> anyhow::Result<()> {
    let target = asked.what.target()?;
    let mut tx = shell.begin().await?;
    ensure!(target.resume(&mut tx).await?, "{target} was not paused: see `mywork jobs stats`");
    target.note(&mut tx, "queue.resume", "kind.resume", &asked.why.reason).await?;
    tx.commit().await?;
    shell.answer(&json!({ target.sort(): target.name(), "paused": false }), |_| println!("{target} goes on"))
}

pub async fn drain(shell: &Shell, asked: Drain) -> anyhow::Result<()> {
    let target = asked.what.target()?;
    let mut tx = shell.begin().await?;
    target.pause(&mut tx, &asked.why.reason).await?;
    target.note(&mut tx, "queue.drain", "kind.drain", &asked.why.reason).await?;
    tx.commit().await?;

    let deadline = Instant::now() + Duration::from_secs(asked.timeout);
    let mut last = None;
    loop {
        let mut tx = shell.begin().await?;
        let Draining { running, over } = target.draining(&mut tx).await?;
        tx.commit().await?;
        if over {
            return shell.answer(&json!({ target.sort(): target.name(), "running": 0 }), |_| println!("{target} is drained"));
        }
        if running > 0 && last.replace(running) != Some(running) && !shell.json {
            println!("{target} is paused; {} still running", counted(running, "job"));
        }
        ensure!(Instant::now() < deadline, "{target} is paused, and {} still running", counted(running, "job"));
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}
