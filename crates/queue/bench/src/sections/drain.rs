//! Draining a backlog of no-op jobs: from the first job handled anywhere to nothing unfinished in the database.
//!
//! Processes are started and connected before the clock runs. What a cell does not finish within its cap is left, and its rate
//! is that of what it did.

use super::{Run, tell};
use crate::{
    figures::{median, thousands},
    plan::Plan,
    process::Worker,
    report::Table,
    server::Database,
    systems::{System, pgbench},
};
use sqlx::PgConnection;
use std::{
    collections::HashMap,
    time::{Duration, Instant},
};
use tokio::time::sleep;

const SYSTEMS: [System; 7] =
    [System::Ours, System::Graphile, System::Pgboss, System::Bare, System::Slim, System::Pgbench, System::Apalis];

/// What one drain did.
#[derive(Clone, Copy, Debug)]
pub struct Drained {
    pub jobs: usize,
    pub took: Duration,
    /// Whether the cap came first.
    pub capped: bool,
    pub transactions: i64,
}

impl Drained {
    pub fn rate(&self) -> f64 {
        self.jobs as f64 / self.took.as_secs_f64()
    }
}

pub async fn measure(run: &mut Run) -> anyhow::Result<()> {
    let systems = run.here(&SYSTEMS);
    let mut head = vec!["jobs, at once, processes"];
    head.extend(systems.iter().map(|system| system.name()));
    head.push("transactions/job, ours");
    let note = "Jobs a second, the median of the rounds; `*`: cut short by the time cap and extrapolated from what was done. pgbench \
                claims 100 jobs a transaction in two sessions per process, however many jobs are at once.";
    let mut table = Table::new("Drain", note, &head);

    for (label, jobs, rounds) in run.plan.backlogs {
        for processes in Plan::PROCESSES {
            for concurrency in Plan::CONCURRENCY {
                let mut cells: HashMap<System, Vec<Drained>> = HashMap::new();
                for round in 0..rounds {
                    for &system in systems.iter().filter(|&&system| wanted(run.plan.quick, system, concurrency, round)) {
                        tell(format_args!("drain {label} at once {concurrency} processes {processes}: {}", system.name()));
                        let drained = one(run, system, jobs, concurrency, processes).await?;
                        tell(format_args!("  {} jobs/s{}", thousands(drained.rate()), if drained.capped { " *" } else { "" }));
                        cells.entry(system).or_default().push(drained);
                    }
                }
                let rate = |system| median(&cells[&system].iter().map(Drained::rate).collect::<Vec<_>>());
                let mut row = vec![format!("{label}, {concurrency}, {processes}")];
                row.extend(systems.iter().map(|system| match cells.get(system) {
                    Some(cell) if cell.iter().any(|drained| drained.capped) => format!("{}*", thousands(rate(*system))),
                    Some(_) => thousands(rate(*system)),
                    None => String::new(),
                }));
                let per_job: Vec<f64> = cells[&System::Ours].iter().map(|d| d.transactions as f64 / d.jobs as f64).collect();
                row.push(format!("{:.3}", median(&per_job)));
                table.rows.push(row);

                for &system in systems.iter().filter(|system| **system != System::Ours && cells.contains_key(system)) {
                    let bar = match system {
                        System::Graphile | System::Pgboss => Some(1.0),
                        System::Bare => Some(0.9),
                        System::Pgbench => Some(0.6),
                        _ => None,
                    };
                    let name = format!("drain_{}_{label}_c{concurrency}_p{processes}", system.name());
                    run.report.rate(name, rate(System::Ours), rate(system), bar);
                }
                let name = format!("bar_transactions_{label}_c{concurrency}_p{processes}");
                let because = format!("0.05 ÷ {:.4} transactions per job", median(&per_job));
                run.report.ratio(name, 0.05 / median(&per_job), Some(1.0), because);
            }
        }
    }
    run.report.tables.push(table);
    Ok(())
}

/// Apalis once, since its cells are cut short anyway. The quick run measures those that are only a scale at 50 at once only.
fn wanted(quick: bool, system: System, concurrency: usize, round: usize) -> bool {
    match system {
        System::Apalis => round == 0 && (!quick || concurrency == 50),
        System::Slim | System::Pgbench => !quick || concurrency == 50,
        _ => true,
    }
}

async fn one(run: &Run, system: System, jobs: usize, concurrency: usize, processes: usize) -> anyhow::Result<Drained> {
    let filled = system.filled(&run.server, jobs).await?;
    let database = run.server.copy(&filled).await?;
    let drained = if system == System::Pgbench {
        let (jobs, took) = pgbench::drain(&database, jobs, processes).await?;
        Drained { jobs, took, capped: false, transactions: 0 }
    } else {
        let cap = if system == System::Apalis { run.plan.slow_cap } else { run.plan.drain_cap };
        workers(run, system, &database, jobs, concurrency, processes, cap).await?
    };
    run.server.drop(&database).await?;
    Ok(drained)
}

/// Drains `database`, which holds `jobs` jobs, by real processes.
pub async fn workers(
    run: &Run,
    system: System,
    database: &Database,
    jobs: usize,
    concurrency: usize,
    processes: usize,
    cap: Duration,
) -> anyhow::Result<Drained> {
    let mut watch = database.connect().await?;
    let before = run.server.transactions(database).await?;
    let mut workers = Vec::new();
    for _ in 0..processes {
        workers.push(Worker::start(system.worker(database, concurrency)?).await?);
    }
    for worker in &mut workers {
        worker.go().await?;
    }

    let handled = |workers: &[Worker]| workers.iter().map(|worker| worker.seen.handled()).sum::<u64>();
    let went = Instant::now();
    let deadline = went + cap;
    while handled(&workers) < jobs as u64 && Instant::now() < deadline {
        sleep(Duration::from_millis(2)).await;
    }
    let mut left = unfinished(system, &mut watch).await?;
    while left > 0 && Instant::now() < deadline {
        sleep(Duration::from_millis(2)).await;
        left = unfinished(system, &mut watch).await?;
    }
    let took = workers.iter().filter_map(|worker| worker.seen.first()).min().unwrap_or(went).elapsed();

    for worker in workers {
        worker.stop().await?;
    }
    drop(watch);
    let transactions = run.server.transactions(database).await? - before;
    Ok(Drained { jobs: jobs - left, took, capped: left > 0, transactions })
}

async fn unfinished(system: System, watch: &mut PgConnection) -> anyhow::Result<usize> {
    let left: i64 = sqlx::query_scalar(system.unfinished()).fetch_one(watch).await?;
    Ok(usize::try_from(left)?)
}
