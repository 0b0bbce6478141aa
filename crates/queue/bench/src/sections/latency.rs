//! Pick-up: from the moment the enqueuing transaction has committed to the handler's first instruction in another process.
//!
//! Each system is woken by its own notifications: ours by a `Notifier`, the others by their LISTEN/NOTIFY. Idle, one job at a
//! time, so many milliseconds apart; under load, while another caller enqueues a thousand jobs a second in tenths.

use super::{Run, tell};
use crate::{
    figures::{median, percentile},
    plan::Plan,
    process::{Enqueuer, Worker, now},
    report::Table,
    server::Database,
    systems::{System, apalis, node, ours::Noop},
};
use mywork_queue::{Notifier, enqueue, enqueue_many};
use sqlx::PgConnection;
use std::{collections::HashMap, time::Duration};
use tokio::time::{MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;

const SYSTEMS: [System; 4] = [System::Ours, System::Graphile, System::Pgboss, System::Apalis];
const CONCURRENCY: usize = 10;
const PATIENCE: Duration = Duration::from_secs(10);

/// Who enqueues, in the way of its system.
enum Caller {
    Ours(PgConnection, Notifier),
    Apalis(PgConnection),
    Process(Enqueuer),
}

impl Caller {
    async fn new(system: System, database: &Database) -> anyhow::Result<Self> {
        Ok(match system {
            System::Graphile => Self::Process(Enqueuer::start(node::driver("graphile.mjs", &["enqueue", &database.url])?).await?),
            System::Pgboss => Self::Process(Enqueuer::start(node::driver("pgboss.mjs", &["enqueue", &database.url])?).await?),
            System::Apalis => Self::Apalis(database.connect().await?),
            _ => Self::Ours(database.connect().await?, Notifier::spawn(database.pool(1).await?)),
        })
    }

    /// Enqueues one job and answers when it had committed.
    async fn one(&mut self, number: u64) -> anyhow::Result<i64> {
        let n = i64::try_from(number)?;
        Ok(match self {
            Self::Ours(connection, notifier) => {
                enqueue(connection, &Noop { n }).await?;
                let committed = now();
                notifier.wake_for::<Noop>();
                committed
            }
            Self::Apalis(connection) => {
                apalis::push(connection, vec![n]).await?;
                now()
            }
            Self::Process(process) => process.order(&format!("one {n}")).await?.1,
        })
    }

    async fn many(&mut self, jobs: usize) -> anyhow::Result<()> {
        match self {
            Self::Ours(connection, notifier) => {
                enqueue_many(connection, &vec![Noop { n: 0 }; jobs]).await?;
                notifier.wake_for::<Noop>();
            }
            Self::Apalis(connection) => apalis::push(connection, vec![0; jobs]).await?,
            Self::Process(process) => drop(process.order(&format!("many {jobs}")).await?),
        }
        Ok(())
    }

    async fn stop(self) -> anyhow::Result<()> {
        match self {
            Self::Process(process) => process.stop().await,
            Self::Ours(..) | Self::Apalis(_) => Ok(()),
        }
    }
}

pub async fn measure(run: &mut Run) -> anyhow::Result<()> {
    let systems = run.here(&SYSTEMS);
    let mut idle: HashMap<System, Vec<f64>> = HashMap::new();
    let mut loaded: HashMap<System, Vec<f64>> = HashMap::new();
    let mut lost: HashMap<System, usize> = HashMap::new();
    for round in 0..run.plan.rounds {
        for &system in &systems {
            tell(format_args!("pick-up, round {}: {}", round + 1, system.name()));
            let database = run.server.copy(&system.template(&run.server).await?).await?;
            let mut worker = Worker::start(system.worker(&database, CONCURRENCY)?).await?;
            worker.go().await?;
            let mut caller = Caller::new(system, &database).await?;
            probe(&worker, &mut caller, 1, 10).await?; // everything warm

            let (times, missed) = probe(&worker, &mut caller, 1_000, run.plan.probes).await?;
            idle.entry(system).or_default().extend(times);
            *lost.entry(system).or_default() += missed;

            let enough = CancellationToken::new();
            let load = tokio::spawn(load(Caller::new(system, &database).await?, enough.clone()));
            sleep(Duration::from_secs(1)).await;
            let (times, missed) = probe(&worker, &mut caller, 100_000, run.plan.probes).await?;
            enough.cancel();
            load.await??;
            loaded.entry(system).or_default().extend(times);
            *lost.entry(system).or_default() += missed;

            caller.stop().await?;
            worker.stop().await?;
            run.server.drop(&database).await?;
        }
    }

    let note = format!(
        "Milliseconds from commit to handler, {CONCURRENCY} jobs at once in one process. Under load: beside {} jobs a second. Lost: \
         not picked up within {PATIENCE:?}.",
        Plan::LOAD
    );
    let head = ["", "idle p50", "idle p99", "load p50", "load p99", "probes", "lost"];
    let mut table = Table::new("Pick-up", note, &head);
    for &system in &systems {
        let (idle, loaded) = (&idle[&system], &loaded[&system]);
        let mut row = vec![system.name().to_owned()];
        row.extend([idle, loaded].iter().flat_map(|of| [median(of), percentile(of, 0.99)]).map(|ms| format!("{ms:.2}")));
        row.extend([(idle.len() + loaded.len()).to_string(), lost[&system].to_string()]);
        table.rows.push(row);
    }
    run.report.tables.push(table);

    let figure = |of: &HashMap<System, Vec<f64>>, system, share| percentile(&of[&system], share);
    for (name, of) in [("idle", &idle), ("load", &loaded)] {
        for (label, share) in [("p50", 0.5), ("p99", 0.99)] {
            let ours = figure(of, System::Ours, share);
            for &system in systems.iter().filter(|&&system| system != System::Ours) {
                let bar = if system == System::Apalis { None } else { Some(1.0) };
                run.report.time(format!("pickup_{name}_{label}_{}", system.name()), ours, figure(of, system, share), bar);
            }
        }
    }
    run.report.time("bar_pickup_idle_p50".to_owned(), figure(&idle, System::Ours, 0.5), 5.0, Some(1.0));
    run.report.time("bar_pickup_idle_p99".to_owned(), figure(&idle, System::Ours, 0.99), 25.0, Some(1.0));
    Ok(())
}

/// Enqueues job after job, each when the one before has been picked up and a moment has passed.
async fn probe(worker: &Worker, caller: &mut Caller, first: u64, probes: usize) -> anyhow::Result<(Vec<f64>, usize)> {
    let (mut times, mut lost) = (Vec::with_capacity(probes), 0);
    for number in first..first + probes as u64 {
        let committed = caller.one(number).await?;
        match worker.seen.probe(number, PATIENCE).await {
            Some(picked_up) => times.push((picked_up - committed).max(0) as f64 / 1e6),
            None => lost += 1,
        }
        sleep(Duration::from_millis(5 + number * 7 % 23)).await; // in step with nobody's timers
    }
    Ok((times, lost))
}

async fn load(mut caller: Caller, enough: CancellationToken) -> anyhow::Result<()> {
    let mut tick = interval(Duration::from_millis(100));
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !enough.is_cancelled() {
        tick.tick().await;
        caller.many(Plan::LOAD / 10).await?;
    }
    caller.stop().await
}
