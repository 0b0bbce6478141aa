//! Enqueueing: one job and its commit, what a job adds to a caller's own transaction, and batches of 5,000.

use super::{Run, tell};
use crate::{
    figures::{median, millis, percentile, thousands},
    process::Enqueuer,
    report::Table,
    server::Database,
    systems::{System, apalis, node, ours::Noop},
};
use mywork_queue::{enqueue, enqueue_many};
use sqlx::{Connection, Executor, PgConnection};
use std::{collections::HashMap, time::Instant};

const SYSTEMS: [System; 4] = [System::Ours, System::Graphile, System::Pgboss, System::Apalis];
const BATCH: usize = 5_000;

#[derive(Default)]
struct Samples {
    /// Milliseconds for one job, commit included.
    single: Vec<f64>,
    /// Jobs a second in batches, each in a transaction of its own.
    batched: Vec<f64>,
}

pub async fn measure(run: &mut Run) -> anyhow::Result<()> {
    let systems = run.here(&SYSTEMS);
    let mut samples: HashMap<System, Samples> = HashMap::new();
    let (mut without, mut with) = (Vec::new(), Vec::new());
    for round in 0..run.plan.rounds {
        for &system in &systems {
            tell(format_args!("enqueue, round {}: {}", round + 1, system.name()));
            let database = run.server.copy(&system.template(&run.server).await?).await?;
            let into = samples.entry(system).or_default();
            if let System::Graphile | System::Pgboss = system {
                by_process(run, system, &database, into).await?;
            } else {
                by_connection(run, system, &database, into).await?;
            }
            if system == System::Ours {
                in_a_transaction(run, &database, &mut without, &mut with).await?;
            }
            run.server.drop(&database).await?;
        }
    }

    let note = "Single: one job, its commit and its way there and back, by the system's own call, one after another. Batched: 5,000 \
                jobs a call, one caller. Added: the caller's transaction writes a row of its own with and without a job.";
    let mut table = Table::new("Enqueue", note, &["", "single, p50 ms", "single, p99 ms", "batched, jobs/s", "added, p50 ms"]);
    let added = median(&with) - median(&without);
    for &system in &systems {
        let of = &samples[&system];
        let added = if system == System::Ours { format!("{added:.2}") } else { String::new() };
        table.rows.push(vec![
            system.name().to_owned(),
            format!("{:.2}", median(&of.single)),
            format!("{:.2}", percentile(&of.single, 0.99)),
            thousands(median(&of.batched)),
            added,
        ]);
    }
    run.report.tables.push(table);

    let (single, batched) = (median(&samples[&System::Ours].single), median(&samples[&System::Ours].batched));
    for &system in systems.iter().filter(|&&system| system != System::Ours) {
        let of = &samples[&system];
        run.report.time(format!("enqueue_single_{}", system.name()), single, median(&of.single), None);
        run.report.rate(format!("enqueue_batched_{}", system.name()), batched, median(&of.batched), None);
    }
    run.report.ratio(
        "bar_enqueue_added".to_owned(),
        0.5 / added.max(0.001),
        Some(1.0),
        format!("0.5 ÷ {added:.3} ms added at p50"),
    );
    run.report.rate("bar_enqueue_batched".to_owned(), batched, 100_000.0, Some(1.0));
    Ok(())
}

async fn by_process(run: &Run, system: System, database: &Database, into: &mut Samples) -> anyhow::Result<()> {
    let script = if system == System::Graphile { "graphile.mjs" } else { "pgboss.mjs" };
    let mut process = Enqueuer::start(node::driver(script, &["enqueue", &database.url])?).await?;
    for _ in 0..run.plan.singles {
        let (before, after) = process.order("one 0").await?;
        into.single.push((after - before) as f64 / 1e6);
    }
    for _ in 0..run.plan.batches {
        let (before, after) = process.order(&format!("many {BATCH}")).await?;
        into.batched.push(BATCH as f64 / ((after - before) as f64 / 1e9));
    }
    process.stop().await
}

async fn by_connection(run: &Run, system: System, database: &Database, into: &mut Samples) -> anyhow::Result<()> {
    let mut connection = database.connect().await?;
    push(system, &mut connection, 1).await?; // statements prepared
    for _ in 0..run.plan.singles {
        let began = Instant::now();
        push(system, &mut connection, 1).await?;
        into.single.push(millis(began.elapsed()));
    }
    for _ in 0..run.plan.batches {
        let began = Instant::now();
        push(system, &mut connection, BATCH).await?;
        into.batched.push(BATCH as f64 / began.elapsed().as_secs_f64());
    }
    Ok(())
}

async fn push(system: System, connection: &mut PgConnection, jobs: usize) -> anyhow::Result<()> {
    match system {
        System::Apalis => apalis::push(connection, vec![0; jobs]).await,
        _ if jobs == 1 => Ok(enqueue(connection, &Noop { n: 0 }).await.map(drop)?),
        _ => Ok(enqueue_many(connection, &vec![Noop { n: 0 }; jobs]).await.map(drop)?),
    }
}

/// Turn by turn, so that both meet the same moments of the disk.
async fn in_a_transaction(run: &Run, database: &Database, without: &mut Vec<f64>, with: &mut Vec<f64>) -> anyhow::Result<()> {
    let mut connection = database.connect().await?;
    connection.execute("CREATE TABLE public.orders (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, note text)").await?;
    for turn in 0..2 * run.plan.singles {
        let began = Instant::now();
        let mut tx = connection.begin().await?;
        tx.execute("INSERT INTO public.orders (note) VALUES ('paid')").await?;
        if turn % 2 == 1 {
            enqueue(&mut tx, &Noop { n: 0 }).await?;
        }
        tx.commit().await?;
        if turn % 2 == 1 { &mut *with } else { &mut *without }.push(millis(began.elapsed()));
    }
    Ok(())
}
