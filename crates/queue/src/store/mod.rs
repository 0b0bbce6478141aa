//! What the engine writes, a statement a file. Every write about a run names (job, lease): the lease changes with each claim
//! and each release, so that a worker which lost a job, and does not know it yet, changes nothing any more (JOB-02).

mod claim;
mod claim_lanes;
mod pulse;
mod rescue;
mod settle;
mod tally;
mod unheard;
mod worker;

pub(crate) use claim::{Ask, Claimed, Known, Mark, begin, claim, room};
pub(crate) use claim_lanes::claim_lanes;
pub(crate) use pulse::{Asked, Pulse, pulse};
pub(crate) use rescue::{WORKER_LOST, rescue};
pub(crate) use settle::{Fault, Settled, Verdict, settle};
pub(crate) use tally::{ErrorCount, RunCount, add_errors, add_runs};
pub(crate) use unheard::hand_back_unheard;
pub(crate) use worker::{Registration, backlog, beat, depart, mark_lost, prune, register, resize, upkeep};

use futures::{FutureExt, future::BoxFuture};
use sqlx::{Connection, PgConnection, PgPool};
use std::{io, time::Duration};
use tokio::time::{Instant, timeout_at};

/// No statement of the engine takes this long on a healthy database. Longer means a socket whose other end is gone. A heartbeat
/// that hears nothing for so long still leaves time for another before the lease is over.
pub(crate) const DEADLINE: Duration = Duration::from_secs(5);

/// Connections a process works with besides those of its handlers.
const CONNECTIONS: u32 = 6;
/// The engine's statements are written to be read by index for any arguments, so they are planned once; and whatever the
/// statistics say about a table that was empty a moment ago, none is to read or sort it as a whole.
const SETTINGS: [(&str, &str); 5] = [
    ("plan_cache_mode", "force_generic_plan"),
    ("enable_seqscan", "off"),
    ("enable_bitmapscan", "off"),
    ("enable_sort", "off"),
    ("jit", "off"),
];
/// A connection that has been idle for longer is asked whether it is still there before a statement is entrusted to it.
const FRESH: Duration = Duration::from_secs(1);

/// The database as a process reaches it.
#[derive(Clone, Debug)]
pub(crate) struct Database {
    pub pool: PgPool,
    /// Through a pooler in transaction mode every statement needs a transaction of its own: the driver prepares a statement
    /// before it runs it, and outside one the two may reach different servers.
    pub pooled: bool,
}

impl Database {
    /// Connections of the engine's own to where `pool` leads, so that handlers who keep theirs cannot stop its heart.
    pub(crate) fn beside(pool: &PgPool, pooled: bool) -> Self {
        let own = pool.options().clone().min_connections(0).max_connections(CONNECTIONS).test_before_acquire(false);
        let own = own.idle_timeout(Duration::from_secs(60)).before_acquire(|connection, about| {
            async move {
                if about.idle_for > FRESH {
                    connection.ping().await?;
                }
                Ok(true)
            }
            .boxed()
        });
        let mut options = (*pool.connect_options()).clone();
        if !pooled {
            options = options.options(SETTINGS); // a pooler would refuse them
        }
        Self { pool: own.connect_lazy_with(options), pooled }
    }
}

/// Runs `work` on a connection of the pool. When no answer comes the connection is thrown away, and with it those that lie idle
/// in the pool: they may be half open too, and each would cost the next loop as long again (JOB-17).
pub(crate) async fn run<T: Send, E: From<sqlx::Error> + Send>(
    database: &Database,
    work: impl for<'c> FnOnce(&'c mut PgConnection) -> BoxFuture<'c, Result<T, E>> + Send + 'static,
) -> Result<T, E> {
    if database.pooled { in_transaction(&database.pool, work).await } else { on_connection(DEADLINE, &database.pool, work).await }
}

/// The same for the one statement that may take long: the upkeep of the history.
pub(crate) async fn run_within<T: Send, E: From<sqlx::Error> + Send>(
    limit: Duration,
    database: &Database,
    work: impl for<'c> FnOnce(&'c mut PgConnection) -> BoxFuture<'c, Result<T, E>> + Send + 'static,
) -> Result<T, E> {
    on_connection(limit, &database.pool, move |c| {
        async move {
            let mut tx = c.begin().await?;
            let value = work(&mut tx).await?;
            tx.commit().await?;
            Ok(value)
        }
        .boxed()
    })
    .await
}

/// The same in a transaction. Should our end of it vanish in the midst, the database lets go of its locks as soon.
pub(crate) async fn in_transaction<T: Send, E: From<sqlx::Error> + Send>(
    pool: &PgPool,
    work: impl for<'c> FnOnce(&'c mut PgConnection) -> BoxFuture<'c, Result<T, E>> + Send + 'static,
) -> Result<T, E> {
    on_connection(DEADLINE, pool, move |c| {
        async move {
            let mut tx = c.begin_with("BEGIN; SET LOCAL idle_in_transaction_session_timeout = '5s'").await?;
            let value = work(&mut tx).await?;
            tx.commit().await?;
            Ok(value)
        }
        .boxed()
    })
    .await
}

async fn on_connection<T, E: From<sqlx::Error>>(
    limit: Duration,
    pool: &PgPool,
    work: impl for<'c> FnOnce(&'c mut PgConnection) -> BoxFuture<'c, Result<T, E>>,
) -> Result<T, E> {
    let deadline = Instant::now() + limit;
    let error = match timeout_at(deadline, pool.acquire()).await {
        Ok(Ok(mut connection)) => match timeout_at(deadline, work(&mut connection)).await {
            Ok(result) => return result,
            Err(_) => {
                drop(connection.detach());
                sqlx::Error::Io(io::Error::new(io::ErrorKind::TimedOut, "the database does not answer"))
            }
        },
        Ok(Err(sqlx::Error::PoolTimedOut)) | Err(_) => sqlx::Error::PoolTimedOut,
        Ok(Err(error)) => return Err(error.into()),
    };
    while let Some(idle) = pool.try_acquire() {
        drop(idle.detach());
    }
    Err(error.into())
}
