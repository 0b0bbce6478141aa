//! Keeps the history in shape, hourly: makes the partitions of the days to come, drops those past their keep, and prunes what is
//! kept for a time only. Any number of processes may do so at once; one does the work.
//!
//! A loop of its own, with an hour's patience: before a day is dropped a line is kept of each of its jobs, and ten million of them
//! take longer than a heart can wait between two beats.

use crate::{engine::Engine, store};
use futures::FutureExt;
use std::{sync::Arc, time::Duration};
use tokio::time::sleep;

const EVERY: Duration = Duration::from_secs(3600);
const LONGEST: Duration = Duration::from_secs(3600);

/// Keeps house until the process stops.
pub(crate) async fn run(engine: Arc<Engine>) {
    loop {
        tokio::select! {
            () = keep(&engine) => {}
            () = engine.stopping.cancelled() => return, // whatever was not committed is done by another, or next time
        }
        tokio::select! {
            () = sleep(EVERY) => {}
            () = engine.stopping.cancelled() => return,
        }
    }
}

async fn keep(engine: &Engine) {
    match store::run_within(LONGEST, &engine.database, |c| store::upkeep(c).boxed()).await {
        Ok(0) => {}
        Ok(changed) => tracing::info!(changed, "partitions of the history were made or dropped"),
        Err(error) => {
            metrics::counter!("queue_upkeep_failures_total").increment(1);
            tracing::error!(%error, "the history could not be kept up; its rows go to the default partition meanwhile");
        }
    }
    match store::run_within(LONGEST, &engine.database, |c| store::prune(c).boxed()).await {
        Ok(0) => {}
        Ok(pruned) => tracing::info!(pruned, "workflows past their keep were forgotten"),
        Err(error) => {
            metrics::counter!("queue_upkeep_failures_total").increment(1);
            tracing::error!(%error, "what is kept for a time only could not be pruned");
        }
    }
}
