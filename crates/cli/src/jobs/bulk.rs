//! Acts on many jobs: how far they are, taking one back before it begins, stopping one that has begun.

use super::{
    Shell,
    table::Table,
    times,
    trail::{self, Reason},
};
use chrono::Utc;
use clap::{Args, Subcommand};
use mywork_queue::admin::bulk::{self, BulkRow};

#[derive(Args)]
pub struct Bulk {
    #[command(subcommand)]
    what: Option<What>,
}

#[derive(Subcommand)]
enum What {
    /// The latest hundred, newest first
    List,
    /// Take one back that has not begun
    Undo {
        id: i64,
        #[command(flatten)]
        why: Reason,
    },
    /// Stop one that has begun; what it has done stays done
    Stop {
        id: i64,
        #[command(flatten)]
        why: Reason,
    },
}

pub async fn run(shell: &Shell, asked: Bulk) -> anyhow::Result<()> {
    let mut tx = shell.begin().await?;
    match asked.what.unwrap_or(What::List) {
        What::List => {
            let acts = bulk::list(&mut tx).await?;
            shell.answer(&acts, |acts| print(acts))
        }
        What::Undo { id, why } => {
            let act = bulk::undo(&mut tx, id, Utc::now()).await?;
            trail::note(&mut tx, "jobs.bulk.undo", "bulk_act", id, &why.reason).await?;
            tx.commit().await?;
            shell.answer(&act, |_| println!("bulk act {id} is taken back; nothing was done"))
        }
        What::Stop { id, why } => {
            let act = bulk::stop(&mut tx, id, Utc::now()).await?;
            trail::note(&mut tx, "jobs.bulk.stop", "bulk_act", id, &why.reason).await?;
            tx.commit().await?;
            shell.answer(&act, |act| println!("bulk act {id} is stopped; {} of {} jobs had been done", act.done, act.matched))
        }
    }
}

fn print(acts: &[BulkRow]) {
    let mut table = Table::new(["id", "act", "state", "jobs", "done", "refused", "asked at", "filter", "reason"]);
    for act in acts {
        table.row([
            act.id.to_string(),
            act.act.clone(),
            act.state.to_string(),
            act.matched.to_string(),
            act.done.to_string(),
            act.refused.to_string(),
            times::shown(act.created_at),
            act.filter.to_string(),
            act.reason.clone(),
        ]);
    }
    table.print("no acts on many jobs");
}
