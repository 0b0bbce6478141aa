//! `mywork jobs …`: what an operator does about jobs from a shell, by the same calls as the admin's pages.

use clap::{Args, Subcommand};
use mywork::config::Config;

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
    List {
        #[arg(long)]
        state: Option<String>,
        #[arg(long)]
        queue: Option<String>,
        #[arg(long)]
        kind: Option<String>,
        #[arg(long, default_value_t = 50)]
        limit: i64,
    },
    /// Show one job with its attempts
    Show { id: i64 },
    /// Run a finished or waiting job again, now
    Retry { id: i64 },
    /// Cancel a waiting or running job
    Cancel { id: i64 },
}

pub async fn run(_config: &Config, _arguments: Arguments) -> anyhow::Result<()> {
    Ok(())
}
