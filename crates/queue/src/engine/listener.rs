//! One listening connection per process, on which [`Notifier`](crate::Notifier)s say that a queue has work (JOB-14). Losing
//! it costs promptness only: the pulse finds the work a moment later. A connection that has been quiet for a heartbeat is asked
//! whether it is still there, since nobody tells the listener of a half-open one.

use crate::{
    engine::{Engine, Patience},
    notify::CHANNEL,
    store::DEADLINE,
};
use sqlx::postgres::{PgListener, PgPoolOptions};
use std::{io, sync::Arc};
use tokio::time::timeout;

/// Listens until the process stops.
pub(crate) async fn run(engine: Arc<Engine>) {
    let mut patience = Patience::new();
    while !engine.stopping.is_cancelled() {
        tokio::select! {
            error = listen(&engine, &mut patience) => tracing::warn!(%error, "not listening; trying again"),
            () = engine.stopping.cancelled() => return,
        }
        patience.wait().await;
    }
}

/// Comes back only with an error.
async fn listen(engine: &Engine, patience: &mut Patience) -> sqlx::Error {
    let mut listener = match timeout(DEADLINE, connect(engine)).await {
        Ok(Ok(listener)) => listener,
        Ok(Err(error)) => return error,
        Err(_) => return silence(),
    };
    patience.regained();
    loop {
        match timeout(engine.options.heartbeat, listener.try_recv()).await {
            Ok(Ok(Some(heard))) => {
                if let Some(line) = engine.lines.iter().find(|line| line.queue == heard.payload()) {
                    line.wake.notify_one();
                }
            }
            Ok(Ok(None)) => return sqlx::Error::Io(io::ErrorKind::ConnectionAborted.into()),
            Ok(Err(error)) => return error,
            Err(_) => match timeout(DEADLINE, sqlx::raw_sql("SELECT 1").execute(&mut listener)).await {
                Ok(Ok(_)) => {}
                Ok(Err(error)) => return error,
                Err(_) => return silence(),
            },
        }
    }
}

/// In a pool of its own: a listener that is given up says goodbye first, and on a half-open connection that takes for ever.
async fn connect(engine: &Engine) -> Result<PgListener, sqlx::Error> {
    let pool = engine.options.listen_on.as_ref().unwrap_or(&engine.database.pool);
    let own = PgPoolOptions::new().max_connections(1).max_lifetime(None).idle_timeout(None);
    let mut listener = PgListener::connect_with(&own.connect_lazy_with((*pool.connect_options()).clone())).await?;
    listener.eager_reconnect(false);
    listener.listen(CHANNEL).await?;
    Ok(listener)
}

fn silence() -> sqlx::Error {
    sqlx::Error::Io(io::Error::new(io::ErrorKind::TimedOut, "the database does not answer"))
}
