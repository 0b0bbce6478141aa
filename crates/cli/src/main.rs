//! The binary `mywork`. Web, worker and scheduler run in any number; `dev` runs one of each in one process beside a private
//! Postgres and the vendors' stand-ins.

use clap::{Parser, Subcommand};
use mywork_cli::{check, configuration, dev, jobs, migrate, run, seed, shutdown};
use std::process::ExitCode;

/// MyWork Marketplace: durable jobs in Postgres behind a thin web tier.
#[derive(Parser)]
#[command(version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run everything on this machine: a private Postgres, stand-ins for every vendor, web, worker and scheduler
    Dev,
    /// Serve pages and API
    Web,
    /// Run jobs
    Worker {
        /// Process group of workers.toml
        #[arg(long, default_value = "default")]
        group: String,
    },
    /// Enqueue what the schedules say
    Scheduler,
    /// Bring the database and the storage up to this release; safe to repeat
    Migrate,
    /// Fill an empty marketplace with believable data; safe to repeat
    Seed,
    /// Look at jobs, retry and cancel them
    Jobs(Box<jobs::Arguments>),
    /// Check the configuration and every dependency, each with what to do about it
    Check,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("mywork: the system gives no threads to work with: {error}");
            return ExitCode::FAILURE;
        }
    };
    let ended = runtime.block_on(dispatch(cli.command));
    // Not `drop`, which would wait for threads that are deep in an archive: their jobs have been handed back.
    runtime.shutdown_background();
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("mywork: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn dispatch(command: Command) -> anyhow::Result<()> {
    if let Command::Dev = command {
        return dev::run().await;
    }
    let config = configuration::load()?;
    match command {
        Command::Dev => unreachable!("handled above"),
        Command::Web => run::web(config, shutdown::on_signal()).await,
        Command::Worker { group } => run::worker(config, &group).await,
        Command::Scheduler => run::scheduler(config, shutdown::on_signal()).await,
        Command::Migrate => migrate::run(&config).await,
        Command::Seed => seed::command(config).await,
        Command::Jobs(arguments) => jobs::run(&config, *arguments).await,
        Command::Check => check::run(&config).await,
    }
}
