//! The queue beside its rivals, in one run, on one Postgres with fsync on: `bin/bench queue`.
//!
//! [`sections`] measure, [`systems`] say how each rival is set up, filled and worked, [`process`] runs real worker processes,
//! [`report`] prints. The same binary is also the workers that are written in Rust: `worker SYSTEM URL CONCURRENCY`.

mod figures;
mod plan;
mod process;
mod report;
mod sections;
mod server;
mod systems;

use clap::{Parser, Subcommand};
use plan::{Plan, Section};
use std::path::PathBuf;
use systems::System;

#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Measures and prints.
    Run {
        /// About two minutes in all: smaller numbers, the same rows.
        #[arg(long)]
        quick: bool,
        /// Only these sections.
        #[arg(long, num_args = 1.., value_enum)]
        only: Vec<Section>,
        /// Also writes the report here.
        #[arg(long)]
        write: Option<PathBuf>,
    },
    /// One worker process of a system, as the bench starts them.
    Worker {
        #[arg(value_enum)]
        system: System,
        url: String,
        concurrency: usize,
    },
}

fn main() -> anyhow::Result<()> {
    let command = Arguments::parse().command;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let done = runtime.block_on(async {
        match command {
            Command::Run { quick, only, write } => sections::run(&Plan::new(quick), &only, write.as_deref()).await,
            Command::Worker { system, url, concurrency } => systems::work(system, &url, concurrency).await,
        }
    });
    runtime.shutdown_timeout(std::time::Duration::from_millis(200)); // a read of standard input may be under way for ever
    done
}
