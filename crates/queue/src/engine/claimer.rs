//! Leases jobs of one queue, as many as the process has slots free, and hands them to apalis.
//!
//! A claim that comes back full means there is a backlog: the next one lingers for a moment so that slots free up and claims
//! stay batches. One that comes back short means the line is empty, or every limit reached, until a notification, the pulse
//! or the next token says otherwise.

use crate::{
    clock,
    engine::{Engine, Line, Patience, source::Work, ticket::Ticket, turns::Turns},
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
    let mut turns = Turns::default();
    while let Some(slots) = free_slots(&engine, &engine.lines[line]).await {
        let line = &engine.lines[line];
        if line.limited.swap(false, Relaxed) {
            turns.lanes_have_work();
        }
        match claim(&engine, line, turns.clone(), slots.num_permits()).await {
            Ok((jobs, after)) => {
                patience.regained();
                turns = after;
                line.backlog.store(turns.has_more(), Relaxed);
                deliver(&engine, jobs, slots, &out);
                if !turns.has_more() {
                    let stuck = engine.options.poll * 5; // should the pulse be
                    tokio::select! {
                        () = line.wake.notified() => {}
                        () = sleep(turns.again_in().map_or(stuck, |again| again.min(stuck))) => {}
                        () = engine.stopping.cancelled() => return,
                    }
                    turns.woken();
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
    let mut slots = loop {
        let mut quiet = engine.quiet.subscribe();
        let slot = async {
            quiet.wait_for(|quiet| !quiet.by_handle && !quiet.by_admin).await.ok()?;
            engine.slots.one().await
        };
        let slot = tokio::select! {
            biased;
            () = engine.stopping.cancelled() => return None,
            slot = slot => slot?,
        };
        let quiet = *engine.quiet.borrow();
        if !quiet.by_handle && !quiet.by_admin {
            break slot;
        }
    };
    if line.backlog.load(Relaxed) {
        sleep(LINGER).await;
    }
    let hungry = engine.lines.iter().filter(|other| std::ptr::eq(*other, line) || other.backlog.load(Relaxed)).count();
    let more = (engine.slots.free() / hungry).min(LARGEST_CLAIM - 1);
    if let Some(more) = engine.slots.several(more) {
        slots.merge(more);
    }
    Some(slots)
}

async fn claim(
    engine: &Arc<Engine>,
    line: &Line,
    mut turns: Turns,
    wanted: usize,
) -> Result<(Vec<store::Claimed>, Turns), sqlx::Error> {
    let (own, queue, capped) = (Arc::clone(engine), line.queue.clone(), line.capped.load(Relaxed));
    store::run(&engine.database, move |c| {
        async move {
            let now = clock::given(&*own.clock);
            let ask = store::Ask { queue: &queue, known: &own.known, worker: own.worker(), now, capped };
            let jobs = turns.claim(c, &ask, wanted).await?;
            Ok((jobs, turns))
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
