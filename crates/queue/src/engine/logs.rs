//! Shows the logs of runs in progress: twice a second, those that have grown since, of runs that take longer than a moment
//! (JOB-19). Short runs cost nothing; their log comes with the attempt.

use crate::{engine::Engine, progress};
use std::{sync::Arc, time::Duration};
use tokio::time::sleep;

const EVERY: Duration = Duration::from_millis(500);
/// Runs younger than this keep their log to themselves.
const MOMENT: Duration = Duration::from_secs(1);

/// Shows logs until the process stops.
pub(crate) async fn run(engine: Arc<Engine>) {
    loop {
        tokio::select! {
            () = sleep(EVERY) => {}
            () = engine.stopping.cancelled() => return,
        }
        let grown = engine.grown_logs(MOMENT);
        if grown.is_empty() {
            continue;
        }
        match progress::show_logs(&engine.database, grown.iter().map(|grown| grown.shown.clone()).collect()).await {
            Ok(()) => grown.iter().for_each(|grown| grown.log.is_shown_to(grown.shown.log.len())),
            Err(error) => tracing::warn!(%error, "logs of runs in progress cannot be shown; trying again"),
        }
    }
}
