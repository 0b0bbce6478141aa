//! Hurts the job system as the world does, and looks whether its promises hold. `chaos queue` runs processes, kills and freezes
//! them, and takes the database away; `chaos race` has workers fight over the same runs. Both draw by lot, from a seed that
//! they print, and end with 1 when a promise was broken.

mod clock;
mod crowd;
mod healing;
mod injuries;
mod kinds;
mod load;
mod member;
mod postgres;
mod queue;
mod race;
mod signals;
mod verdict;
mod wire;

use anyhow::Result;
use clap::{Parser, Subcommand};
use std::process::ExitCode;

#[derive(Parser)]
#[command(name = "chaos", about = "Hurts the job system and looks whether its promises hold")]
struct Arguments {
    #[command(subcommand)]
    act: Act,
}

#[derive(Subcommand)]
enum Act {
    /// Processes are killed and frozen, the database goes away, connections fall silent.
    Queue(queue::QueueOptions),
    /// Workers fight over how runs ended.
    Race(race::RaceOptions),
    /// One of the processes that are hurt.
    #[command(hide = true)]
    Worker(member::WorkerOptions),
    /// One of the processes that are hurt.
    #[command(hide = true)]
    Scheduler(member::SchedulerOptions),
}

/// Everything of ours on one thread: the kernel ends our children when the thread that started them does.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<ExitCode> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(false).with_max_level(tracing::Level::WARN).init();
    let holds = match Arguments::parse().act {
        Act::Queue(options) => queue::run(options).await?,
        Act::Race(options) => race::run(options).await?,
        Act::Worker(options) => member::work(options).await.map(|()| true)?,
        Act::Scheduler(options) => member::schedule(options).await.map(|()| true)?,
    };
    Ok(if holds { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
