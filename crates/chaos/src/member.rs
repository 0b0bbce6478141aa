//! What the processes do that are going to be hurt: a worker, or a scheduler, as a program would run it.

use crate::{
    clock::FastClock,
    kinds::{Probe, Tools, registry},
};
use anyhow::Result;
use clap::Args;
use mywork_queue::{Runtime, RuntimeOptions, clock::SystemClock, groups::Group, schedule::Scheduler};
use sqlx::{
    PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use std::sync::Arc;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// How any of them is told who and where it is.
#[derive(Args, Clone, Debug)]
pub struct Member {
    /// How the others tell it from the rest.
    #[arg(long)]
    name: String,
    /// Where the database, or the wire to it, is on this machine.
    #[arg(long)]
    port: u16,
    /// Where the database itself is. Handlers use it: what they make of silent connections is not the queue's to heal.
    #[arg(long)]
    direct: u16,
}

#[derive(Args, Clone, Debug)]
pub struct WorkerOptions {
    #[command(flatten)]
    member: Member,
    /// Which of the queues of probes is its own.
    #[arg(long)]
    slot: usize,
    /// The queues it works on besides.
    #[arg(long, value_delimiter = ',')]
    queues: Vec<String>,
    /// Jobs at once.
    #[arg(long)]
    concurrency: usize,
}

#[derive(Args, Clone, Debug)]
pub struct SchedulerOptions {
    #[command(flatten)]
    member: Member,
    #[command(flatten)]
    clock: FastClock,
}

pub async fn work(options: WorkerOptions) -> Result<()> {
    let WorkerOptions { member, slot, mut queues, concurrency } = options;
    queues.push(Probe::QUEUES[slot].to_owned());
    let tools = Tools { pool: member.pool(member.direct, 8), process: member.name.clone() };
    let runtime = Runtime::new(
        member.pool(member.port, 6), // of its own, so that handlers cannot keep its heart from beating
        Arc::new(registry()),
        Arc::new(tools),
        Group::new("chaos", queues, concurrency),
        Arc::new(SystemClock),
        RuntimeOptions { name: member.name, release: "chaos".to_owned(), ..RuntimeOptions::default() },
    );
    runtime.run(told_to_stop()?).await;
    Ok(())
}

pub async fn schedule(options: SchedulerOptions) -> Result<()> {
    let SchedulerOptions { member, clock } = options;
    Scheduler::run(member.pool(member.port, 2), Arc::new(clock), told_to_stop()?).await;
    Ok(())
}

impl Member {
    fn pool(&self, port: u16, connections: u32) -> PgPool {
        let options = PgConnectOptions::new_without_pgpass()
            .host("127.0.0.1")
            .port(port)
            .username("chaos")
            .database("postgres")
            .application_name(&self.name);
        PgPoolOptions::new().max_connections(connections).connect_lazy_with(options)
    }
}

/// On SIGTERM.
fn told_to_stop() -> Result<CancellationToken> {
    let (stop, mut terminated) = (CancellationToken::new(), signal(SignalKind::terminate())?);
    let told = stop.clone();
    tokio::spawn(async move {
        terminated.recv().await;
        told.cancel();
    });
    Ok(stop)
}
