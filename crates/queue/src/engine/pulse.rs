//! Lets time act a few times a second: due jobs join their line, late ones expire, cancelled runs are told to stop, and
//! queues that have work are woken. One round trip for the whole process, however many queues it has; it is also what finds
//! work whose notification was lost, or that nobody notified of. Jobs this process holds and shall not begin, since their queue
//! was paused, say, are handed back.

use crate::{
    clock,
    engine::{Engine, Patience, ticket::Why},
    store::{self, Pulse},
};
use futures::FutureExt;
use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};
use tokio::time::sleep;

/// However often it is nudged: when there is nothing else to do …
const AT_MOST_EVERY: Duration = Duration::from_millis(10);
/// … and when there is.
const AT_MOST_EVERY_WHEN_BUSY: Duration = Duration::from_millis(100);
/// A job that has not begun for so long is left to others.
const LONGEST_HOLD: Duration = Duration::from_millis(500);
/// Looking for work from the head of each line takes a twentieth of the time at most, as in [`sight`](crate::engine::sight).
const SHARE: u32 = 20;
const WHOLE_AT_LEAST_EVERY: Duration = Duration::from_secs(2);

/// Beats until the process stops.
pub(crate) async fn run(engine: Arc<Engine>) {
    let mut patience = Patience::new();
    let mut whole_due = Instant::now();
    loop {
        let began = Instant::now();
        let whole = began >= whole_due;
        let pause = match beat(&engine, whole).await {
            Ok(pulse) => {
                patience.regained();
                if whole {
                    whole_due = Instant::now() + (began.elapsed() * SHARE).min(WHOLE_AT_LEAST_EVERY);
                }
                heed(&engine, &pulse);
                let busy = engine.lines.iter().any(|line| line.backlog.load(Relaxed));
                sleep(if busy { AT_MOST_EVERY_WHEN_BUSY } else { AT_MOST_EVERY }).boxed()
            }
            Err(error) => {
                tracing::warn!(%error, "no pulse");
                patience.wait().boxed()
            }
        };
        let next = async {
            pause.await;
            tokio::select! {
                () = engine.nudge.notified() => {}
                () = sleep(engine.options.poll) => {}
            }
        };
        tokio::select! {
            () = next => {}
            () = engine.stopping.cancelled() => return,
        }
    }
}

async fn beat(engine: &Arc<Engine>, whole: bool) -> Result<Pulse, sqlx::Error> {
    let own = Arc::clone(engine);
    let asked: Vec<_> = engine.lines.iter().map(|line| line.asked(whole)).collect();
    store::run(&engine.database, move |c| {
        async move {
            let now = clock::given(&*own.clock);
            store::pulse(c, &asked, own.worker(), now).await
        }
        .boxed()
    })
    .await
}

fn heed(engine: &Engine, pulse: &Pulse) {
    engine.set_quiet(pulse.quiet);
    for &job in &pulse.cancelled {
        engine.stop_run(job, &Why::Cancelled);
    }
    let quiet = engine.quiet.borrow().any();
    for line in &engine.lines {
        let rests = quiet || pulse.paused.contains(&line.queue);
        line.hold.hand_back(|work| rests || work.is_stopped() || pulse.paused_kinds.contains(&work.job.kind));
        if line.hold.hand_back(|work| work.held_for() > LONGEST_HOLD) > 0 {
            line.stalled.store(true, Relaxed);
        }
        if pulse.grown.contains(&line.queue) {
            line.grown.store(true, Relaxed);
        }
        line.capped.store(pulse.capped.contains(&line.queue), Relaxed);
        if pulse.limited.contains(&line.queue) {
            line.limited.store(true, Relaxed);
        }
        if pulse.busy.contains(&line.queue) {
            line.wake.notify_one();
        }
    }
    if pulse.moved > 0 {
        engine.nudge.notify_one(); // there may be more of them
    }
    if pulse.ended > 0 {
        tracing::info!(jobs = pulse.ended, "waiting jobs expired or were cancelled");
    }
    if pulse.promoted > 0 {
        tracing::debug!(jobs = pulse.promoted, "jobs are due");
    }
}
