//! How a process is told to stop: Ctrl-C or SIGTERM once ends it gracefully, twice at once. So does a terminal that closes
//! (SIGHUP), but for workers, to which that signal says something else ([`crate::steering`]).

use tokio_util::sync::CancellationToken;

/// A token that is cancelled by the first signal. The second ends the process on the spot.
pub fn on_signal() -> CancellationToken {
    on(true)
}

/// The same for a process to which SIGHUP means something else.
pub fn on_signal_but_hangup() -> CancellationToken {
    on(false)
}

fn on(hangup: bool) -> CancellationToken {
    let token = CancellationToken::new();
    let stop = token.clone();
    tokio::spawn(async move {
        signal(hangup).await;
        stop.cancel();
        signal(hangup).await;
        std::process::exit(130);
    });
    token
}

#[cfg(unix)]
async fn signal(hangup: bool) {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).expect("the runtime handles signals");
    let mut hung_up = signal(SignalKind::hangup()).expect("the runtime handles signals");
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
        _ = hung_up.recv(), if hangup => {}
    }
}
