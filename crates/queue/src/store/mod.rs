//! What the engine writes, a statement a file. Every write about a run names (job, lease): the lease changes with each claim
//! and each release, so that a worker which lost a job, and does not know it yet, changes nothing any more (JOB-02).

mod claim;
mod pulse;
mod rescue;
mod settle;
mod worker;

pub(crate) use claim::{Claimed, Known, claim};
pub(crate) use pulse::{Pulse, pulse};
pub(crate) use rescue::rescue;
pub(crate) use settle::{Fault, Settled, Verdict, settle};
pub(crate) use worker::{Registration, backlog, beat, depart, mark_lost, register, upkeep};

use futures::future::BoxFuture;
use sqlx::{PgConnection, PgPool};
use std::time::Duration;

/// No statement of the engine takes this long on a healthy database. Longer means a socket whose other end is gone.
const DEADLINE: Duration = Duration::from_secs(8);

/// Runs `work` on a connection of the pool, and throws the connection away when no answer comes: it may be half open, and
/// the pool would hand it to the next loop (JOB-17).
pub(crate) async fn run<T>(
    pool: &PgPool,
    work: impl for<'c> FnOnce(&'c mut PgConnection) -> BoxFuture<'c, Result<T, sqlx::Error>>,
) -> Result<T, sqlx::Error> {
    let silence = || sqlx::Error::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, "the database does not answer"));
    let mut connection = tokio::time::timeout(DEADLINE, pool.acquire()).await.map_err(|_| silence())??;
    match tokio::time::timeout(DEADLINE, work(&mut connection)).await {
        Ok(result) => result,
        Err(_) => {
            connection.close_on_drop();
            Err(silence())
        }
    }
}
