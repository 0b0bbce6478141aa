//! Enqueuing by hand. The kind must be one this program runs and the arguments must decode, so that what is enqueued can run.

use super::{
    Shell, times,
    trail::{self, Reason},
};
use anyhow::Context;
use chrono::{DateTime, Utc};
use clap::Args;
use mywork_queue::Options;
use serde_json::{Value, json};

#[derive(Args)]
pub struct Enqueue {
    /// As orders.fulfil
    kind: String,
    /// Its arguments
    #[arg(default_value = "{}")]
    args: String,
    /// Not before: in 10m, 2h, or a moment as 2026-05-31T14:00:00Z
    #[arg(long, value_parser = times::future)]
    at: Option<DateTime<Utc>>,
    /// Higher runs first
    #[arg(long, allow_negative_numbers = true)]
    priority: Option<i16>,
    #[command(flatten)]
    why: Reason,
}

pub async fn run(shell: &Shell, asked: Enqueue) -> anyhow::Result<()> {
    let args: Value = serde_json::from_str(&asked.args).context("the arguments are not JSON")?;
    let options = Options { run_at: asked.at, priority: asked.priority.unwrap_or_default(), ..Options::default() };
    let mut tx = shell.begin().await?;
    let enqueued = mywork_jobs::registry().enqueue(&mut tx, &asked.kind, args, options).await?;
    trail::note_with(&mut tx, "job.enqueue", "job", enqueued.id, &asked.why.reason, Some(json!({ "kind": asked.kind }))).await?;
    tx.commit().await?;
    let answer = json!({ "id": enqueued.id, "fresh": enqueued.fresh });
    shell.answer(&answer, |_| {
        if enqueued.fresh {
            println!("job {} is enqueued", enqueued.id);
        } else {
            println!("job {} was there already: another of its kind has the same unique key", enqueued.id);
        }
    })
}
