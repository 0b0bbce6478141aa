//! Leases jobs of one queue, as many as the process has slots free, and hands them to apalis.
//!
//! A claim that comes back full means there is a backlog: the next one lingers for a moment so that slots free up and claims
//! stay batches. One that comes back short means the line is empty, until a notification or the pulse says otherwise.

use crate::{
    clock,
    engine::{Engine, Line, Patience, source::Work, ticket::Ticket},
    store,
};
use futures::FutureExt;
use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};
use tokio::{
    sync::{OwnedSemaphorePermit, mpsc::UnboundedSender},
    time::sleep,
};

const LINGER: Duration = Duration::from_millis(1);
const LARGEST_CLAIM: usize = 500;

/// Claims for `engine.lines[line]` until the process stops.
pub(crate) async fn run(engine: Arc<Engine>, line: usize, out: UnboundedSender<Work>) {
    let mut patience = Patience::new();
    while let Some(slots) = free_slots(&engine, &engine.lines[line]).await {
        let line = &engine.lines[line];
        let wanted = slots.num_permits();
        match claim(&engine, line, wanted).await {
            Ok(jobs) => {
                patience.regained();
                let full = jobs.len() == wanted;
                line.backlog.store(full, Relaxed);
                deliver(&engine, jobs, slots, &out);
                if !full {
                    tokio::select! {
                        () = line.wake.notified() => {}
                        () = sleep(engine.options.poll * 5) => {} // should the pulse be stuck
                        () = engine.stopping.cancelled() => return,
                    }
                }
            }
            Err(error) => {
                drop(slots);
                tracing::warn!(queue = line.queue, %error, "jobs cannot be claimed; trying again");
                tokio::select! {
                    () = patience.wait() => {}
                    () = engine.stopping.cancelled() => return,
                }
            }
        }
    }
}

/// At least one slot, and this line's share of those that are free; nothing when the process stops.
async fn free_slots(engine: &Engine, line: &Line) -> Option<OwnedSemaphorePermit> {
    engine.until_active().await?;
    let mut slots = tokio::select! {
        biased;
        () = engine.stopping.cancelled() => return None,
        slot = Arc::clone(&engine.slots).acquire_owned() => slot.ok()?,
    };
    if line.backlog.load(Relaxed) {
        sleep(LINGER).await;
    }
    let hungry = engine.lines.iter().filter(|other| std::ptr::eq(*other, line) || other.backlog.load(Relaxed)).count();
    let more = (engine.slots.available_permits() / hungry).min(LARGEST_CLAIM - 1);
    if let Some(more) = u32::try_from(more).ok().filter(|&more| more > 0)
        && let Ok(more) = Arc::clone(&engine.slots).try_acquire_many_owned(more)
    {
        slots.merge(more);
    }
    Some(slots)
}

async fn claim(engine: &Arc<Engine>, line: &Line, wanted: usize) -> Result<Vec<store::Claimed>, sqlx::Error> {
    let (own, queue) = (Arc::clone(engine), line.queue.clone());
    store::run(&engine.database, move |c| {
        async move {
            let now = clock::given(&*own.clock);
            store::claim(c, &queue, wanted, &own.known, own.worker(), now).await
        }
        .boxed()
    })
    .await
}

/// Should nobody take delivery any more, the tickets hand the jobs back.
fn deliver(engine: &Arc<Engine>, jobs: Vec<store::Claimed>, mut slots: OwnedSemaphorePermit, out: &UnboundedSender<Work>) {
    for mut job in jobs {
        let Some(slot) = slots.split(1) else { break };
        job.max_attempts = engine.policy(&job.kind).limit(job.max_attempts);
        metrics::histogram!("queue_job_wait_seconds", "queue" => job.queue.clone()).record(job.waited);
        let ticket = Ticket::new(engine, &job, slot);
        drop(out.send(Work::new(job, ticket)));
    }
}
