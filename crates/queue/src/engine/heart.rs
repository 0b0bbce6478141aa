//! Keeps this process's lease by one heartbeat for all its jobs, and rescues the jobs of processes whose heart has stopped.
//!
//! A process that could not beat for a while does not judge others until a whole lease has gone by: after an outage of the
//! database everybody looks dead for a moment.

use crate::{
    engine::{
        Engine, Patience,
        tally::{Failed, Ran},
    },
    limits,
    store::{self, Registration},
};
use futures::FutureExt;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

const GAUGES_EVERY: Duration = Duration::from_secs(15);
/// Runs of workers that nobody remembers, days after.
const STRAYS_EVERY: Duration = Duration::from_secs(60);

/// Announces the process. Patient: the database may start after us. Says from when on we may judge others.
pub(crate) async fn register(engine: &Arc<Engine>) -> Instant {
    let mut patience = Patience::new();
    let mut judging_from = Instant::now();
    loop {
        let own = Arc::clone(engine);
        let announced = store::run(&engine.database, move |c| {
            async move {
                let capacity = i32::try_from(own.slots.number()).unwrap_or(i32::MAX);
                limits::install(c, &own.limits()).await?; // before the first claim
                store::register(c, own.worker(), &Registration { capacity, ..own.registration.clone() }, own.is_quiet()).await
            }
            .boxed()
        });
        match announced.await {
            Ok(()) => return judging_from,
            Err(error) => tracing::warn!(%error, "the worker cannot be registered; trying again"),
        }
        judging_from = Instant::now() + engine.options.lease;
        patience.wait().await;
    }
}

/// Beats until `closing`, then says goodbye.
pub(crate) async fn run(engine: Arc<Engine>, mut judging_from: Instant, closing: CancellationToken) {
    let (mut gauges_due, mut strays_due) = (Instant::now(), Instant::now());
    loop {
        let began = Instant::now();
        match beat(&engine).await {
            Ok(true) => {}
            Ok(false) => {
                tracing::error!("this worker was given up by others; it goes on under a new id");
                metrics::counter!("queue_workers_given_up_total").increment(1);
                engine.reborn();
                judging_from = register(&engine).await;
            }
            Err(error) => {
                tracing::warn!(%error, "no heartbeat");
                judging_from = Instant::now() + engine.options.lease;
            }
        }
        if Instant::now() >= judging_from && !engine.stopping.is_cancelled() {
            let strays = Instant::now() >= strays_due;
            match rescue(&engine, strays).await {
                Ok(()) if strays => strays_due = Instant::now() + STRAYS_EVERY,
                Ok(()) => {}
                Err(error) => tracing::warn!(%error, "no rescue"),
            }
        }
        if let Err(error) = hand_back_unheard(&engine).await {
            tracing::warn!(%error, "claims whose answer was lost could not be looked for");
        }
        if Instant::now() >= gauges_due {
            gauges_due = Instant::now() + GAUGES_EVERY;
            gauges(&engine).await;
        }
        tokio::select! {
            () = sleep(engine.options.heartbeat.saturating_sub(began.elapsed())) => {}
            () = closing.cancelled() => break,
        }
    }
    let own = Arc::clone(&engine);
    let goodbye = store::run(&engine.database, move |c| async move { store::depart(c, own.worker()).await }.boxed()).await;
    if let Err(error) = goodbye {
        tracing::warn!(%error, "the worker could not say goodbye; others will find it gone");
    }
}

async fn beat(engine: &Arc<Engine>) -> Result<bool, sqlx::Error> {
    let busy = i32::try_from(engine.busy()).unwrap_or(i32::MAX);
    let (worker, memory) = (engine.worker(), memory_bytes());
    store::run(&engine.database, move |c| async move { store::beat(c, worker, busy, memory).await }.boxed()).await
}

/// Memory this process has in use, where the system tells.
fn memory_bytes() -> Option<i64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let kilobytes = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?.trim().strip_suffix(" kB")?;
    kilobytes.trim().parse::<i64>().ok()?.checked_mul(1024)
}

async fn rescue(engine: &Arc<Engine>, strays: bool) -> Result<(), sqlx::Error> {
    let lease = engine.options.lease;
    let lost = store::run(&engine.database, move |c| async move { store::mark_lost(c, lease).await }.boxed()).await?;
    for name in lost {
        tracing::error!(worker = name, "a worker has not been heard of and is given up");
    }
    let fates = store::run(&engine.database, move |c| async move { store::rescue(c, lease, strays).await }.boxed()).await?;
    if !fates.is_empty() {
        engine.nudge.notify_one();
    }
    for fate in fates {
        let (queue, kind) = (fate.queue.clone(), fate.kind.clone());
        metrics::counter!("queue_rescues_total", "queue" => queue.clone(), "kind" => kind.clone()).increment(1);
        let run = Ran { queue: &queue, kind: &kind, outcome: "lost", release: &fate.release, seconds: fate.took, waited: 0.0 };
        let lost = Failed { job: fate.id, fingerprint: &fate.fingerprint, class: "worker lost", error: store::WORKER_LOST };
        engine.tally.count(&run, Some(&lost));
        match fate.ends_as.as_deref() {
            Some("quarantined") => {
                metrics::counter!("queue_quarantined_total", "queue" => queue, "kind" => kind).increment(1);
                tracing::error!(job = fate.id, kind = fate.kind, "its worker died three times under this job; it is quarantined");
            }
            Some(state) => tracing::error!(job = fate.id, kind = fate.kind, state, "its worker died, and the job ends"),
            None => tracing::warn!(job = fate.id, kind = fate.kind, "its worker died; the job runs again"),
        }
    }
    Ok(())
}

/// Only after a claim has failed, until whatever it leased is old enough to be told from claims under way.
async fn hand_back_unheard(engine: &Arc<Engine>) -> Result<(), sqlx::Error> {
    let patience = engine.options.lease + 2 * engine.options.heartbeat + store::DEADLINE;
    if engine.unheard().is_none_or(|failed| failed.elapsed() > patience) {
        return Ok(());
    }
    let (worker, held, lease) = (engine.worker(), engine.held(), engine.options.lease);
    let unheard =
        store::run(&engine.database, move |c| async move { store::hand_back_unheard(c, worker, &held, lease).await }.boxed());
    for job in unheard.await? {
        tracing::warn!(job, "the answer to its claim was lost; the job is handed back");
        engine.nudge.notify_one();
    }
    Ok(())
}

async fn gauges(engine: &Engine) {
    match store::run(&engine.database, |c| store::backlog(c).boxed()).await {
        Ok(backlog) => {
            for queue in &engine.registration.queues {
                let found = backlog.iter().find(|found| &found.queue == queue);
                metrics::gauge!("queue_waiting_jobs", "queue" => queue.clone())
                    .set(found.map_or(0.0, |found| found.waiting as f64));
                metrics::gauge!("queue_oldest_waiting_seconds", "queue" => queue.clone())
                    .set(found.map_or(0.0, |found| found.oldest_seconds));
            }
        }
        Err(error) => tracing::warn!(%error, "the backlog could not be measured"),
    }
    metrics::gauge!("queue_busy_slots", "group" => engine.registration.group.clone()).set(engine.busy() as f64);
}
