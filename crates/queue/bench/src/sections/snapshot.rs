//! Throughput while a snapshot is held open, as a forgotten transaction or a long report does: rows that are over cannot be
//! cleaned away meanwhile, and a queue that walks over them slows down.
//!
//! A caller keeps a backlog of a few thousand jobs; one worker works them off. Once without, then with a REPEATABLE READ
//! transaction open from the first second on; the first and the last minute of the latter are compared with the former.

use super::{Run, tell};
use crate::{
    figures::{median, thousands},
    process::Worker,
    report::Table,
    systems::{System, ours::Noop},
};
use mywork_queue::enqueue_many;
use sqlx::{Executor, PgConnection};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::time::sleep;

const CONCURRENCY: usize = 50;
const BACKLOG: u64 = 4_000;
const BATCH: usize = 1_000;

pub async fn measure(run: &mut Run) -> anyhow::Result<()> {
    let (without, held) = run.plan.snapshot;
    let seconds = usize::try_from(run.plan.window.as_secs())?;
    let free = sustained(run, without, false).await?;
    let held = sustained(run, held, true).await?;
    let mean = |of: &[f64]| of.iter().sum::<f64>() / of.len().max(1) as f64;
    let (normal, first, last) =
        (mean(&free), mean(&held[..seconds.min(held.len())]), mean(&held[held.len().saturating_sub(seconds)..]));

    let note = format!(
        "Jobs a second at a standing backlog of {BACKLOG}, one process, {CONCURRENCY} at once, enqueued beside it by {BATCH}; {} s \
         without, {} s with the snapshot held.",
        free.len(),
        held.len()
    );
    let mut table = Table::new("A snapshot held open", note, &["", "jobs/s", "worst second", "median second"]);
    let tail = &held[held.len().saturating_sub(seconds)..];
    for (name, rate, of) in [
        ("without", normal, &free[..]),
        ("held, at first", first, &held[..seconds.min(held.len())]),
        ("held, at last", last, tail),
    ] {
        let worst = of.iter().copied().fold(f64::INFINITY, f64::min);
        table.rows.push(vec![name.to_owned(), thousands(rate), thousands(worst), thousands(median(of))]);
    }
    run.report.tables.push(table);
    run.report.rate("snapshot_last_to_first".to_owned(), last, first, Some(0.9));
    run.report.rate("snapshot_last_to_without".to_owned(), last, normal, Some(0.9));
    Ok(())
}

/// Jobs handled in each second.
async fn sustained(run: &Run, how_long: Duration, held: bool) -> anyhow::Result<Vec<f64>> {
    tell(format_args!("snapshot {}: {how_long:?}", if held { "held" } else { "not held" }));
    let database = run.server.copy(&System::Ours.template(&run.server).await?).await?;
    let mut worker = Worker::start(System::Ours.worker(&database, CONCURRENCY)?).await?;
    worker.go().await?;
    let seen = Arc::clone(&worker.seen);
    let mut caller = database.connect().await?;
    let feeder = tokio::spawn(async move {
        let mut enqueued = 0;
        loop {
            if enqueued < seen.handled() + BACKLOG {
                enqueue_many(&mut caller, &vec![Noop { n: 0 }; BATCH]).await?;
                enqueued += BATCH as u64;
            } else {
                sleep(Duration::from_millis(2)).await;
            }
        }
        #[expect(unreachable_code, reason = "names the type of the errors above")]
        anyhow::Ok(())
    });
    sleep(Duration::from_secs(2)).await; // up to speed

    let mut holder = database.connect().await?;
    if held {
        hold(&mut holder).await?;
    }
    let (began, mut rates, mut before) = (Instant::now(), Vec::new(), worker.seen.handled());
    let mut last = began;
    while began.elapsed() < how_long {
        sleep(Duration::from_secs(1)).await;
        let (now, count) = (Instant::now(), worker.seen.handled());
        rates.push((count - before) as f64 / (now - last).as_secs_f64());
        (before, last) = (count, now);
        if rates.len() % 30 == 0 {
            tell(format_args!("  after {} s: {} jobs/s", rates.len(), thousands(rates[rates.len() - 1])));
        }
    }
    feeder.abort();
    worker.stop().await?;
    drop(holder);
    run.server.drop(&database).await?;
    Ok(rates)
}

async fn hold(connection: &mut PgConnection) -> anyhow::Result<()> {
    connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ").await?;
    connection.execute("SELECT count(*) FROM queue.jobs").await?;
    Ok(())
}
