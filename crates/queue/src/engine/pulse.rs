//! Lets time act a few times a second: due jobs join their line, late ones expire, cancelled runs are told to stop, and
//! queues that have work are woken. One round trip for the whole process, however many queues it has; it is also what finds
//! work whose notification was lost, or that nobody notified of.

use crate::{
    clock,
    engine::{Engine, Patience, ticket::Why},
    store::{self, Pulse},
};
use futures::FutureExt;
use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};
use tokio::time::sleep;

/// However often it is nudged.
const AT_MOST_EVERY: Duration = Duration::from_millis(10);

/// Beats until the process stops.
pub(crate) async fn run(engine: Arc<Engine>) {
    let mut patience = Patience::new();
    loop {
        let pause = match beat(&engine).await {
            Ok(pulse) => {
                patience.regained();
                heed(&engine, &pulse);
                async { sleep(AT_MOST_EVERY).await }.boxed()
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

async fn beat(engine: &Arc<Engine>) -> Result<Pulse, sqlx::Error> {
    let own = Arc::clone(engine);
    store::run(&engine.database, move |c| {
        async move {
            let now = clock::given(&*own.clock);
            store::pulse(c, &own.registration.queues, own.worker(), now).await
        }
        .boxed()
    })
    .await
}

fn heed(engine: &Engine, pulse: &Pulse) {
    engine.set_quiet(pulse.quiet);
    for line in &engine.lines {
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
    for &job in &pulse.cancelled {
        engine.stop_run(job, &Why::Cancelled);
    }
    if pulse.ended > 0 {
        tracing::info!(jobs = pulse.ended, "waiting jobs expired or were cancelled");
    }
    if pulse.promoted > 0 {
        tracing::debug!(jobs = pulse.promoted, "jobs are due");
    }
}
