//! What recurs, in plain English, and what people do about it.

use super::{
    Shell,
    table::Table,
    times,
    trail::{self, Reason},
};
use chrono::Utc;
use clap::{Args, Subcommand};
use mywork_queue::schedule::{self, ScheduleRow};
use serde::Serialize;
use serde_json::json;

#[derive(Args)]
pub struct Schedules {
    #[command(subcommand)]
    what: Option<What>,
}

#[derive(Subcommand)]
enum What {
    /// All of them, by name
    List,
    /// Enqueue nothing until it is resumed
    Pause {
        name: String,
        #[command(flatten)]
        why: Reason,
    },
    /// Go on with the next time from now
    Resume {
        name: String,
        #[command(flatten)]
        why: Reason,
    },
    /// Enqueue its job once, now
    Run {
        name: String,
        #[command(flatten)]
        why: Reason,
    },
}

/// A schedule, and what its times mean.
#[derive(Serialize)]
struct Told {
    #[serde(flatten)]
    row: ScheduleRow,
    english: String,
}

pub async fn run(shell: &Shell, asked: Schedules) -> anyhow::Result<()> {
    let mut tx = shell.begin().await?;
    let (name, why, action, said) = match asked.what.unwrap_or(What::List) {
        What::List => {
            let rows = schedule::list(&mut tx).await?;
            let told = |row: ScheduleRow| Told { english: schedule::describe(&row.cron, &row.zone), row };
            let schedules: Vec<Told> = rows.into_iter().map(told).collect();
            return shell.answer(&schedules, |schedules| print(schedules));
        }
        What::Pause { name, why } => {
            schedule::pause(&mut tx, &name).await?;
            (name, why, "schedule.pause", "is paused".to_owned())
        }
        What::Resume { name, why } => {
            schedule::resume(&mut tx, &name).await?;
            (name, why, "schedule.resume", "goes on".to_owned())
        }
        What::Run { name, why } => {
            let job = schedule::run_now(&mut tx, &name, Utc::now()).await?;
            (name, why, "schedule.run", format!("has enqueued job {job}"))
        }
    };
    trail::note(&mut tx, action, "schedule", &name, &why.reason).await?;
    tx.commit().await?;
    shell.answer(&json!({ "schedule": name, "act": action }), |_| println!("schedule {name} {said}"))
}

fn print(schedules: &[Told]) {
    let mut table = Table::new(["schedule", "when", "next", "last", "last job", "state"]);
    for Told { row, english } in schedules {
        let state = match (&row.fault, row.paused_at) {
            (Some(fault), _) => format!("cannot run: {fault}"),
            (None, Some(at)) => format!("paused since {}", times::shown(at)),
            (None, None) => "on".to_owned(),
        };
        let time = |time: Option<_>| time.map_or("-".to_owned(), times::shown);
        table.row([
            row.name.clone(),
            english.clone(),
            time(row.next_at),
            time(row.last_at),
            row.last_job.map_or("-".to_owned(), |id| id.to_string()),
            state,
        ]);
    }
    table.print("nothing recurs");
}
