//! Limits that hold over all processes (JOB-10): how often the runs of a rate may begin, how many jobs of a queue may run.
//!
//! What the operator says is installed into `queue.rates` and `queue.queues` when a worker starts and when it reloads; what
//! holds at any moment is read there by the claims themselves. Nothing is counted outside the database: how many jobs run
//! under a key is the number of rows that say so, and a worker that dies leaves nothing behind to be corrected.

use sqlx::PgConnection;
use std::{collections::BTreeMap, time::Duration};

/// What the operator allows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Token buckets, by name.
    pub rates: BTreeMap<String, Rate>,
    /// Jobs of a queue at once. Nothing: as many as there are slots. A queue that is not named is left as it is.
    pub max_running: BTreeMap<String, Option<i32>>,
}

/// `permits` tokens every `per`, at most `burst` in the bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rate {
    pub permits: u32,
    pub per: Duration,
    pub burst: u32,
}

/// Makes `limits` hold for every process, from their next claims on.
pub(crate) async fn install(c: &mut PgConnection, limits: &Limits) -> Result<(), sqlx::Error> {
    if *limits == Limits::default() {
        return Ok(());
    }
    let rates: Vec<_> = limits.rates.values().collect();
    // A bucket found empty is looked at again when its old rate would have filled it; under the new one that may be sooner.
    sqlx::query!(
        "
        WITH changed AS (
          INSERT INTO queue.rates AS r (name, permits, per_seconds, burst)
          SELECT *
          FROM unnest($1::text[], $2::float8[], $3::float8[], $4::float8[]) AS said (name, permits, per_seconds, burst)
          ORDER BY name
          ON CONFLICT (name) DO UPDATE
          SET permits = excluded.permits, per_seconds = excluded.per_seconds, burst = excluded.burst, updated_at = now()
          WHERE (r.permits, r.per_seconds, r.burst) IS DISTINCT FROM (excluded.permits, excluded.per_seconds, excluded.burst)
          RETURNING name
        )
        UPDATE queue.buckets
        SET empty_until = NULL
        WHERE empty_until IS NOT NULL AND split_part(key, ':', 1) IN (SELECT name FROM changed)
        ",
        &limits.rates.keys().cloned().collect::<Vec<_>>(),
        &rates.iter().map(|rate| f64::from(rate.permits)).collect::<Vec<_>>(),
        &rates.iter().map(|rate| rate.per.as_secs_f64()).collect::<Vec<_>>(),
        &rates.iter().map(|rate| f64::from(rate.burst)).collect::<Vec<_>>(),
    )
    .execute(&mut *c)
    .await?;
    sqlx::query!(
        "
        INSERT INTO queue.queues AS q (name, max_running)
        SELECT *
        FROM unnest($1::text[], $2::integer[]) AS said (name, max_running)
        WHERE max_running IS NOT NULL OR name IN (SELECT name FROM queue.queues)
        ORDER BY name
        ON CONFLICT (name) DO UPDATE
        SET max_running = excluded.max_running
        WHERE q.max_running IS DISTINCT FROM excluded.max_running
        ",
        &limits.max_running.keys().cloned().collect::<Vec<_>>(),
        &limits.max_running.values().copied().collect::<Vec<_>>() as _,
    )
    .execute(c)
    .await
    .map(drop)
}
