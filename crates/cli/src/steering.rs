//! What a running worker is told by signals: SIGHUP has it read `workers.toml` again, SIGUSR1 has it take no new jobs, a second
//! SIGUSR1 has it take them again. A file with faults is refused as a whole, its faults are logged with their lines, and the
//! settings of before stay.

use crate::run;
use mywork_queue::{Handle, Kind};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Heeds signals for as long as it is polled.
pub async fn heed(handle: Handle, group: String, kinds: Vec<Kind>) {
    let (Some(mut hangup), Some(mut usr1)) = (listen(SignalKind::hangup()), listen(SignalKind::user_defined1())) else { return };
    let mut quiet = false;
    loop {
        tokio::select! {
            _ = hangup.recv() => reload(&handle, &group, &kinds).await,
            _ = usr1.recv() => {
                quiet = !quiet;
                handle.quiet(quiet);
                let says = if quiet { "taking no new jobs; another SIGUSR1 takes them again" } else { "taking new jobs again" };
                tracing::info!(group, quiet, "{says}");
            }
        }
    }
}

fn listen(kind: SignalKind) -> Option<Signal> {
    signal(kind).inspect_err(|error| tracing::error!(%error, "signals cannot be heard; a restart does what they would")).ok()
}

/// All of the file or nothing of it.
async fn reload(handle: &Handle, group: &str, kinds: &[Kind]) {
    let groups = match run::groups(kinds) {
        Ok(groups) => groups,
        Err(faults) => return tracing::error!("workers.toml is left unread and the old settings stay: {faults:#}"),
    };
    let Some(group) = groups.get(group) else {
        return tracing::error!(group, "workers.toml has this worker's group no more; the old settings stay until it is stopped");
    };
    match handle.apply(group.clone()).await {
        Ok(left) => {
            tracing::info!(group = group.name, concurrency = group.concurrency, "workers.toml was read again and holds");
            left.iter().for_each(|left| tracing::warn!(group = group.name, "{left}"));
        }
        Err(error) => tracing::error!(%error, "workers.toml cannot be applied and the old settings stay; send SIGHUP again"),
    }
}
