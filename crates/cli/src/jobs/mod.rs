//! `mywork jobs …`: what an operator does about jobs from a shell, by the same calls as the admin's pages (JOB-23). Acts say first
//! how many jobs they are about, and leave a line in the audit log, in the system's name and with the reason. `--json` prints
//! what programs can read; faults go to standard error and to the exit status.

mod act;
mod bulk;
mod check;
mod enqueue;
mod filter;
mod list;
mod numbers;
mod queues;
mod schedules;
mod table;
mod times;
mod trail;
mod workflows;

use crate::parts;
use clap::{Args, Subcommand};
use mywork::{
    config::Config,
    db::{Actor, Db, Role, Tx},
};
use serde::Serialize;

#[derive(Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
    /// Print JSON, for programs
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand)]
enum Command {
    /// List jobs, newest first
    List(list::List),
    /// Show one job with its attempts
    Show { id: i64 },
    /// Run jobs again that are over, or now those that wait for their time
    Retry(act::Asked),
    /// Cancel jobs that wait, and ask the workers of those that run to stop them
    Cancel(act::Asked),
    /// Give jobs up for good: nobody needs to look at them any more
    Discard(act::Asked),
    /// Acts on many jobs: list them, take one back, stop one
    Bulk(bulk::Bulk),
    /// Let no more jobs of a queue or a kind begin
    Pause(queues::Pause),
    /// Let jobs of a paused queue or kind begin again
    Resume(queues::Resume),
    /// Pause a queue or a kind, and wait until nothing of it runs any more
    Drain(queues::Drain),
    /// Enqueue a job, after making sure that its arguments can be read
    Enqueue(enqueue::Enqueue),
    /// How many jobs are where, what waits longest, what ran within a day
    Stats,
    /// What fails, grouped by what the errors have in common
    Errors(numbers::Errors),
    /// Worker processes
    Workers(numbers::Workers),
    /// Jobs that wait for each other: list, show, resume, cancel, undo
    Workflows(workflows::Workflows),
    /// What recurs, and when: list, pause, resume, run one now
    Schedules(schedules::Schedules),
    /// Whether workers.toml fits the program and the queue is well: a line per fault with what to do, and exit status 1
    Check,
}

/// Does what was asked and prints what came of it.
pub async fn run(config: &Config, arguments: Arguments) -> anyhow::Result<()> {
    let db = parts::database(config, Role::Worker).await?;
    let shell = Shell { db, json: arguments.json };
    match arguments.command {
        Command::List(asked) => list::list(&shell, asked).await,
        Command::Show { id } => list::show(&shell, id).await,
        Command::Retry(asked) => act::act(&shell, act::Verb::Retry, asked).await,
        Command::Cancel(asked) => act::act(&shell, act::Verb::Cancel, asked).await,
        Command::Discard(asked) => act::act(&shell, act::Verb::Discard, asked).await,
        Command::Bulk(asked) => bulk::run(&shell, asked).await,
        Command::Pause(asked) => queues::pause(&shell, asked).await,
        Command::Resume(asked) => queues::resume(&shell, asked).await,
        Command::Drain(asked) => queues::drain(&shell, asked).await,
        Command::Enqueue(asked) => enqueue::run(&shell, asked).await,
        Command::Stats => numbers::stats(&shell).await,
        Command::Errors(asked) => numbers::errors(&shell, asked).await,
        Command::Workers(asked) => numbers::workers(&shell, asked).await,
        Command::Workflows(asked) => workflows::run(&shell, asked).await,
        Command::Schedules(asked) => schedules::run(&shell, asked).await,
        Command::Check => check::run(&shell).await,
    }
}

/// Where a command runs and how it answers.
struct Shell {
    db: Db,
    json: bool,
}

impl Shell {
    async fn begin(&self) -> anyhow::Result<Tx> {
        Ok(self.db.begin(Actor::System).await?)
    }

    /// Prints what was found: as JSON for programs, by `print` for people.
    fn answer<T: Serialize>(&self, value: &T, print: impl FnOnce(&T)) -> anyhow::Result<()> {
        if self.json {
            println!("{}", serde_json::to_string_pretty(value)?)
        } else {
            print(value)
        }
        Ok(())
    }
}
