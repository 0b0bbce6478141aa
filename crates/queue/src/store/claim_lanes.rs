//! Taking the next jobs of a queue's lanes: of jobs under a concurrency key or a rate. Lanes take turns, and nothing is
//! counted but the rows themselves: see `choose_lanes.sql`, which locks, and `claim_lanes.sql`, which counts and leases.

use crate::store::claim::{Ask, Claimed, begin};
use sqlx::PgConnection;
use std::{cmp::Reverse, collections::HashSet, time::Duration};

/// Lanes looked at in one claim.
const LOOKED_AT: usize = 128;
/// Lanes locked in one claim. The server has room for some thousand locks over all its sessions.
const LOCKED: usize = 64;
/// How soon to look again at a lane that another process has just locked.
const CONTENDED: Duration = Duration::from_millis(10);

/// What one look at the lanes brought.
#[derive(Debug)]
pub(crate) struct Turn {
    pub jobs: Vec<Claimed>,
    /// The lane after which the next turn begins.
    pub after: String,
    /// Whether there are lanes it did not look at.
    pub unseen: bool,
    /// When a lane that was passed over may be open again, if that is known.
    pub again_in: Option<Duration>,
}

/// A lane as `choose_lanes.sql` found it.
struct Lane {
    lane: String,
    /// It may run a job.
    open: bool,
    /// Its locks are ours.
    ours: bool,
    rate_key: Option<String>,
    concurrency_limit: Option<i16>,
    shut_for: Option<f64>,
}

/// Leases up to `limit` jobs of lanes that come after `after`, around; the most urgent of each lane first, and one of each
/// lane before the second of any.
pub(crate) async fn claim_lanes(c: &mut PgConnection, ask: &Ask<'_>, limit: usize, after: &str) -> Result<Turn, sqlx::Error> {
    let mut tx = begin(c).await?;
    let lanes = choose(&mut tx, ask, limit.min(LOCKED), after).await?;
    let ours: Vec<&Lane> = lanes.iter().filter(|lane| lane.ours).collect();
    let jobs = if ours.is_empty() { Vec::new() } else { lease(&mut tx, ask, limit, &ours).await? };
    tx.commit().await?;

    let unseen = lanes.len() == LOOKED_AT;
    let served: HashSet<&str> = jobs.iter().filter_map(|job| job.lane.as_deref()).collect();
    let last = match ours.iter().rev().find(|lane| served.contains(lane.lane.as_str())) {
        Some(lane) => Some(&lane.lane),
        None if unseen => lanes.last().map(|lane| &lane.lane),
        None => None,
    };
    let waits = lanes.iter().filter_map(|lane| match lane.shut_for {
        Some(seconds) => Duration::try_from_secs_f64(seconds.max(0.001)).ok(),
        None => (lane.open && !lane.ours).then_some(CONTENDED),
    });
    Ok(Turn { after: last.cloned().unwrap_or_else(|| after.to_owned()), unseen, again_in: waits.min(), jobs })
}

async fn choose(tx: &mut PgConnection, ask: &Ask<'_>, lanes: usize, after: &str) -> Result<Vec<Lane>, sqlx::Error> {
    sqlx::query_file_as!(
        Lane,
        "src/store/choose_lanes.sql",
        ask.queue,
        after,
        &ask.known.names,
        &ask.known.versions,
        ask.now,
        i32::try_from(LOOKED_AT).unwrap_or(i32::MAX),
        i64::try_from(lanes).unwrap_or(i64::MAX),
        ask.capped,
    )
    .fetch_all(tx)
    .await
}

/// No lane gives more than its share of `limit`; what one does not use, another gives in the next claim.
async fn lease(tx: &mut PgConnection, ask: &Ask<'_>, limit: usize, lanes: &[&Lane]) -> Result<Vec<Claimed>, sqlx::Error> {
    let share = limit.div_ceil(lanes.len());
    let mut claimed = sqlx::query_file_as!(
        Claimed,
        "src/store/claim_lanes.sql",
        ask.queue,
        i64::try_from(limit).unwrap_or(i64::MAX),
        &ask.known.names,
        &ask.known.versions,
        ask.worker,
        ask.now,
        &lanes.iter().map(|lane| lane.lane.clone()).collect::<Vec<_>>(),
        &lanes.iter().map(|lane| lane.concurrency_limit).collect::<Vec<_>>() as _,
        &lanes.iter().map(|lane| lane.rate_key.clone()).collect::<Vec<_>>() as _,
        share as f64,
    )
    .fetch_all(tx)
    .await?;
    claimed.sort_by_key(|job| (Reverse(job.priority), job.run_at, job.id)); // RETURNING promises no order
    Ok(claimed)
}
