//! Leases jobs of one queue, as many as the process has slots free, and some ahead of them while there is a backlog of quick
//! ones ([`pace`]); what it leased waits in the line's [`hold`] for apalis to take it.
//!
//! A claim that comes back full means there is more. One that comes back short means the line is empty, or every limit reached,
//! until a notification, the pulse or the next token says otherwise.
//!
//! [`pace`]: crate::engine::pace
//! [`hold`]: crate::engine::hold

use crate::{
    clock,
    engine::{Engine, Patience, line::Line, pace::Pace, source::Work, ticket::Ticket, turns::Turns},
    store,
};
use futures::FutureExt;
use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};
use tokio::{sync::OwnedSemaphorePermit, time::sleep};

/// Slots that become free within this time are filled by one claim.
const LINGER: Duration = Duration::from_millis(1);
const LARGEST_CLAIM: usize = 500;

/// Claims for `engine.lines[line]` until the process stops.
pub(crate) async fn run(engine: Arc<Engine>, line: usize) {
    let _closing = Closing(Arc::clone(&engine), line);
    let mut patience = Patience::new();
    let mut turns = Turns::default();
    let line = &engine.lines[line];
    let mut pace = Pace::new();
    while let Some(room) = room(&engine, line, &mut pace).await {
        if line.limited.swap(false, Relaxed) {
            turns.lanes_have_work();
        }
        if line.grown.swap(false, Relaxed) {
            turns.look_everywhere();
        }
        match claim(&engine, line, turns.clone(), &room).await {
            Ok((jobs, after)) => {
                patience.regained();
                turns = after;
                line.backlog.store(turns.has_more(), Relaxed);
                line.is_worked_off_to(turns.mark());
                deliver(&engine, line, jobs, room.slots);
                if !turns.has_more() {
                    let stuck = engine.options.poll * 5; // should the pulse be
                    tokio::select! {
                        () = line.wake.notified() => {}
                        () = sleep(turns.again_in().map_or(stuck, |again| again.min(stuck))) => {}
                        () = engine.stopping.cancelled() => return,
                    }
                    turns.woken();
                    pace.reset(line);
                }
            }
            Err(error) => {
                drop(room);
                engine.is_unheard();
                tracing::warn!(queue = line.queue, %error, "jobs cannot be claimed; trying again");
                tokio::select! {
                    () = patience.wait() => {}
                    () = engine.stopping.cancelled() => return,
                }
            }
        }
    }
}

/// However the loop ends, what it leased and nobody has begun is handed back.
struct Closing(Arc<Engine>, usize);

impl Drop for Closing {
    fn drop(&mut self) {
        self.0.lines[self.1].hold.close();
    }
}

/// How many jobs to claim.
pub(crate) struct Room {
    /// Those that begin at once.
    slots: Option<OwnedSemaphorePermit>,
    /// Those that wait for a slot.
    ahead: usize,
    /// The most that may come from lanes, whose jobs count against their limits from the moment they are leased.
    from_lanes: usize,
}

impl Room {
    fn number(&self) -> usize {
        self.slots.as_ref().map_or(0, OwnedSemaphorePermit::num_permits) + self.ahead
    }
}

/// Room for one job at least; nothing when the process stops.
async fn room(engine: &Engine, line: &Line, pace: &mut Pace) -> Option<Room> {
    loop {
        let mut quiet = engine.quiet.subscribe();
        let found = async {
            quiet.wait_for(|quiet| !quiet.any()).await.ok()?;
            let ahead = ahead(engine, line, pace);
            line.hold.falls_to(ahead / 2).await;
            let slot = if line.hold.number() == 0 { Some(engine.slots.one().await?) } else { None };
            Some(slot)
        };
        let mut becomes_quiet = engine.quiet.subscribe();
        let slot = tokio::select! {
            biased;
            () = engine.stopping.cancelled() => return None,
            slot = found => slot?,
        };
        if becomes_quiet.borrow_and_update().any() {
            continue;
        }
        return Some(match slot {
            Some(first) => with_slots(engine, line, pace, first).await,
            None => {
                pace.note(line);
                let ahead = ahead(engine, line, pace).saturating_sub(line.hold.number()).clamp(1, LARGEST_CLAIM);
                Room { slots: None, ahead, from_lanes: ahead.min(engine.slots.number()) }
            }
        });
    }
}

/// Nothing is held: this line's share of the slots that are free, and if it has a backlog, some jobs more.
async fn with_slots(engine: &Engine, line: &Line, pace: &mut Pace, mut slots: OwnedSemaphorePermit) -> Room {
    let backlog = line.backlog.load(Relaxed);
    if backlog && ahead(engine, line, pace) == 0 {
        sleep(LINGER).await;
    }
    let hungry = engine.lines.iter().filter(|other| std::ptr::eq(&***other, line) || other.backlog.load(Relaxed)).count();
    let more = (engine.slots.free() / hungry).min(LARGEST_CLAIM - 1);
    if let Some(more) = engine.slots.several(more) {
        slots.merge(more);
    }
    pace.note(line);
    let ahead = if backlog { ahead(engine, line, pace).min(LARGEST_CLAIM - slots.num_permits().min(LARGEST_CLAIM)) } else { 0 };
    let from_lanes = slots.num_permits() + ahead.min(engine.slots.number());
    Room { slots: Some(slots), ahead, from_lanes }
}

/// How many jobs without a slot to hold. None of a queue with a limit over all processes: they would count as running.
fn ahead(engine: &Engine, line: &Line, pace: &mut Pace) -> usize {
    if line.stalled.swap(false, Relaxed) {
        pace.reset(line);
    }
    if line.capped.load(Relaxed) { 0 } else { pace.ahead(line, engine.slots.number()) }
}

async fn claim(
    engine: &Arc<Engine>,
    line: &Line,
    mut turns: Turns,
    room: &Room,
) -> Result<(Vec<store::Claimed>, Turns), sqlx::Error> {
    let (own, queue, capped) = (Arc::clone(engine), line.queue.clone(), line.capped.load(Relaxed));
    let (wanted, from_lanes) = (room.number(), room.from_lanes);
    store::run(&engine.database, move |c| {
        async move {
            let now = clock::given(&*own.clock);
            let ask = store::Ask { queue: &queue, known: &own.known, worker: own.worker(), now, capped };
            let jobs = turns.claim(c, &ask, wanted, from_lanes).await?;
            Ok((jobs, turns))
        }
        .boxed()
    })
    .await
}

/// Should nobody take delivery any more, the tickets hand the jobs back.
fn deliver(engine: &Arc<Engine>, line: &Arc<Line>, jobs: Vec<store::Claimed>, mut slots: Option<OwnedSemaphorePermit>) {
    let leased = Instant::now();
    let works = jobs.into_iter().map(|mut job| {
        job.max_attempts = engine.policy(&job.kind).limit(job.max_attempts);
        line.waited(job.waited);
        let slot = slots.as_mut().and_then(|slots| slots.split(1));
        let ticket = Ticket::new(engine, line, &job, slot);
        Work::new(job, ticket, leased)
    });
    line.hold.put(works.collect());
}
