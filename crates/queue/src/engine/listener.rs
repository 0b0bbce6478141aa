//! One listening connection per process, on which [`Notifier`](crate::Notifier)s say that a queue has work (JOB-14). Losing
//! it costs promptness only: the pulse finds the work a moment later.

use crate::{
    engine::{Engine, Patience},
    notify::CHANNEL,
};
use sqlx::postgres::PgListener;
use std::sync::Arc;

/// Listens until the process stops.
pub(crate) async fn run(engine: Arc<Engine>) {
    let mut patience = Patience::new();
    while !engine.stopping.is_cancelled() {
        tokio::select! {
            error = listen(&engine) => tracing::warn!(%error, "not listening; trying again"),
            () = engine.stopping.cancelled() => return,
        }
        patience.wait().await;
    }
}

/// Comes back only with an error.
async fn listen(engine: &Engine) -> sqlx::Error {
    let pool = engine.options.listen_on.as_ref().unwrap_or(&engine.pool);
    let mut listener = match PgListener::connect_with(pool).await {
        Ok(listener) => listener,
        Err(error) => return error,
    };
    if let Err(error) = listener.listen(CHANNEL).await {
        return error;
    }
    loop {
        match listener.recv().await {
            Ok(heard) => {
                if let Some(line) = engine.lines.iter().find(|line| line.queue == heard.payload()) {
                    line.wake.notify_one();
                }
            }
            Err(error) => return error,
        }
    }
}
