//! Who is compared: how each is set up, filled with no-op jobs, worked, and asked what is left.

pub mod apalis;
pub mod bare;
pub mod node;
pub mod ours;
pub mod pgbench;

use crate::server::{Database, Server};
use clap::ValueEnum;
use std::{
    io::Write,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines, Stdin},
    process::Command,
};

/// One of those compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, ValueEnum)]
pub enum System {
    /// mywork-queue.
    Ours,
    /// graphile-worker, from npm.
    Graphile,
    /// pg-boss, from npm.
    Pgboss,
    /// A hand-written batched claimer on tokio and sqlx that keeps the same history.
    Bare,
    /// The same without history.
    Slim,
    /// Stock apalis-postgres.
    Apalis,
    /// pgbench's loop of claim and complete, without history.
    Pgbench,
}

impl System {
    /// As ratios name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::Graphile => "graphile",
            Self::Pgboss => "pgboss",
            Self::Bare => "bare",
            Self::Slim => "bare_no_history",
            Self::Apalis => "apalis",
            Self::Pgbench => "pgbench",
        }
    }

    /// Why it cannot be measured here, if so.
    pub fn missing(self) -> Option<String> {
        match self {
            Self::Graphile | Self::Pgboss => node::missing(),
            Self::Pgbench => pgbench::missing(),
            Self::Ours | Self::Bare | Self::Slim | Self::Apalis => None,
        }
    }

    /// An empty database in which it could begin.
    pub async fn template(self, server: &Server) -> anyhow::Result<Database> {
        let setup = async |database: Database| match self {
            Self::Ours => ours::setup(&database).await,
            Self::Graphile => node::run("graphile.mjs", &["setup", &database.url]).await,
            Self::Pgboss => node::run("pgboss.mjs", &["setup", &database.url]).await,
            Self::Bare | Self::Slim => bare::setup(&database).await,
            Self::Apalis => apalis::setup(&database, server.offers("hstore").await?).await,
            Self::Pgbench => pgbench::setup(&database).await,
        };
        server.made(&format!("bench_{}", self.name()), None, setup).await
    }

    /// A database with `jobs` jobs waiting, made once for all measurements that begin so.
    pub async fn filled(self, server: &Server, jobs: usize) -> anyhow::Result<Database> {
        let template = self.template(server).await?;
        let fill = async |database: Database| {
            match self {
                Self::Ours => ours::fill(&database, jobs).await?,
                Self::Graphile => node::run("graphile.mjs", &["fill", &database.url, &jobs.to_string()]).await?,
                Self::Pgboss => node::run("pgboss.mjs", &["fill", &database.url, &jobs.to_string()]).await?,
                Self::Bare | Self::Slim => bare::fill(&database, jobs).await?,
                Self::Apalis => apalis::fill(&database, jobs).await?,
                Self::Pgbench => pgbench::fill(&database, jobs).await?,
            }
            sqlx::query("VACUUM (ANALYZE)").execute(&mut database.connect().await?).await?;
            Ok(())
        };
        server.made(&format!("bench_{}_{jobs}", self.name()), Some(&template), fill).await
    }

    /// What counts its unfinished jobs.
    pub fn unfinished(self) -> &'static str {
        match self {
            Self::Ours => "SELECT count(*) FROM queue.jobs",
            Self::Graphile => "SELECT count(*) FROM graphile_worker._private_jobs",
            Self::Pgboss => "SELECT count(*) FROM pgboss.job WHERE state < 'completed'",
            Self::Bare | Self::Slim => "SELECT count(*) FROM bare.jobs",
            Self::Apalis => "SELECT count(*) FROM apalis.jobs WHERE status <> 'Done'",
            Self::Pgbench => "SELECT count(*) FROM loop.jobs",
        }
    }

    /// A worker process, to be started.
    pub fn worker(self, database: &Database, concurrency: usize) -> anyhow::Result<Command> {
        let concurrency = concurrency.to_string();
        match self {
            Self::Graphile => node::driver("graphile.mjs", &["worker", &database.url, &concurrency]),
            Self::Pgboss => node::driver("pgboss.mjs", &["worker", &database.url, &concurrency]),
            Self::Ours | Self::Bare | Self::Slim | Self::Apalis | Self::Pgbench => {
                let name = self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
                let mut command = Command::new(std::env::current_exe()?);
                command.args(["worker", &name, &database.url, &concurrency]);
                Ok(command)
            }
        }
    }
}

/// What a worker process of ours does.
pub async fn work(system: System, url: &str, concurrency: usize) -> anyhow::Result<()> {
    match system {
        System::Ours => ours::work(url, concurrency).await,
        System::Bare => bare::work(url, concurrency, true).await,
        System::Slim => bare::work(url, concurrency, false).await,
        System::Apalis => apalis::work(url, concurrency).await,
        System::Graphile | System::Pgboss | System::Pgbench => anyhow::bail!("{system:?} has no worker in this program"),
    }
}

/// How a worker talks with the bench that started it.
pub struct Bench {
    lines: Lines<BufReader<Stdin>>,
    handled: Arc<AtomicU64>,
}

/// Counts handled jobs; the first one and probes are told at once.
#[derive(Clone)]
pub struct Tally(Arc<AtomicU64>);

impl Tally {
    /// A job with this number is being handled.
    pub fn job(&self, number: i64) {
        if number > 0 {
            say(&format!("p {number} {}", crate::process::now()));
        }
        if self.0.fetch_add(1, Relaxed) == 0 {
            say("n 1"); // the clock starts with the first
        }
    }
}

impl Bench {
    pub fn new() -> (Self, Tally) {
        let handled = Arc::new(AtomicU64::new(0));
        (Self { lines: BufReader::new(tokio::io::stdin()).lines(), handled: Arc::clone(&handled) }, Tally(handled))
    }

    /// Says that everything is connected, and waits for the word to begin.
    pub async fn begin(&mut self) -> anyhow::Result<()> {
        say("ready");
        self.lines.next_line().await?;
        let handled = Arc::clone(&self.handled);
        tokio::spawn(async move {
            let mut told = 1;
            loop {
                tokio::time::sleep(Duration::from_millis(5)).await;
                let count = handled.load(Relaxed);
                if count > told {
                    told = count;
                    say(&format!("n {count}"));
                }
            }
        });
        Ok(())
    }

    /// Comes back when the bench wants the process to end.
    pub async fn end(&mut self) {
        while let Ok(Some(_)) = self.lines.next_line().await {}
    }
}

/// A bench that has gone away cannot be told, and ends us by closing our input.
fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}
