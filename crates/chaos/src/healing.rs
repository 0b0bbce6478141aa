//! After the database was away: whether each loop of each process is at work again, and how long that took. Nobody is started
//! anew for it.
//!
//! A worker's pulse, claims and verdicts are seen in a probe only it can answer, its heart in its heartbeat, its listener in
//! the question it asks the database when nothing is heard; a scheduler, in its looking.

use crate::{
    crowd::{Crowd, Role},
    kinds::Probe,
};
use anyhow::Result;
use chrono::{DateTime, Utc};
use mywork_queue::{JobId, Options, admin::enqueue_raw};
use sqlx::PgPool;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};
use tokio::time::sleep;

/// The promise.
pub const BAR: Duration = Duration::from_secs(10);

/// One loop of one process, back at work.
#[derive(Clone, Debug)]
pub struct Heal {
    pub after: String,
    pub who: String,
    pub took: Duration,
}

/// Waits until everything that runs has healed from what was over a moment ago. Gives up on it after three times the promise.
pub async fn await_healing(pool: &PgPool, crowd: &Crowd, after: &str) -> Result<Vec<Heal>> {
    let (since, began) = (Utc::now(), Instant::now());
    let workers: BTreeMap<usize, String> = names(crowd, Role::Worker);
    let schedulers: BTreeSet<String> = names(crowd, Role::Scheduler).into_values().collect();
    let probes = enqueue_probes(pool, &workers).await?;
    let mut open: BTreeSet<String> = BTreeSet::new();
    open.extend(workers.values().flat_map(|name| [format!("{name} works"), format!("{name} beats"), format!("{name} listens")]));
    open.extend(schedulers.iter().map(|name| format!("{name} looks")));

    let mut heals = Vec::new();
    while !open.is_empty() && began.elapsed() < BAR * 3 {
        let Ok(healed) = healed_since(pool, since, &probes).await else { continue };
        for who in healed {
            if open.remove(&who) {
                heals.push(Heal { after: after.to_owned(), who, took: began.elapsed() });
            }
        }
        // Whoever was replaced meanwhile, because it had been told to stop before, has nothing to heal.
        let alive: BTreeSet<String> =
            [Role::Worker, Role::Scheduler].into_iter().flat_map(|role| names(crowd, role).into_values()).collect();
        open.retain(|who| who.split(' ').next().is_some_and(|name| alive.contains(name)));
        sleep(Duration::from_millis(50)).await;
    }
    for who in &open {
        eprintln!("         {who} not, {:.0} s after {after}", began.elapsed().as_secs_f64());
    }
    heals.extend(open.into_iter().map(|who| Heal { after: after.to_owned(), who, took: began.elapsed() }));
    Ok(heals)
}

fn names(crowd: &Crowd, role: Role) -> BTreeMap<usize, String> {
    crowd.running(role).into_iter().filter_map(|slot| Some((slot, crowd.name(slot)?))).collect()
}

/// The harness has nobody to heal it: it tries until it can.
async fn enqueue_probes(pool: &PgPool, workers: &BTreeMap<usize, String>) -> Result<BTreeMap<JobId, String>> {
    loop {
        let enqueued = async {
            let (mut tx, mut probes) = (pool.begin().await?, BTreeMap::new());
            for (slot, name) in workers {
                let probe = enqueue_raw(&mut tx, &Probe::kind(*slot), &serde_json::json!({}), Options::default()).await?;
                probes.insert(probe.id, format!("{name} works"));
            }
            tx.commit().await?;
            anyhow::Ok(probes)
        };
        if let Ok(probes) = enqueued.await {
            return Ok(probes);
        }
    }
}

async fn healed_since(pool: &PgPool, since: DateTime<Utc>, probes: &BTreeMap<JobId, String>) -> Result<Vec<String>> {
    let ids: Vec<JobId> = probes.keys().copied().collect();
    let answered: Vec<JobId> =
        sqlx::query_scalar("SELECT id FROM queue.finished_jobs WHERE id = ANY ($1)").bind(ids).fetch_all(pool).await?;
    let others: Vec<String> = sqlx::query_scalar(
        "SELECT name || ' beats' FROM queue.workers WHERE heartbeat_at > $1
         UNION
         SELECT application_name || ' listens' FROM pg_stat_activity
         WHERE state_change > $1 AND state = 'idle' AND (query = 'SELECT 1' OR query LIKE 'LISTEN%')
         UNION
         SELECT application_name || ' looks' FROM pg_stat_activity
         WHERE state_change > $1 AND application_name LIKE 'scheduler-%'",
    )
    .bind(since)
    .fetch_all(pool)
    .await?;
    Ok(answered.iter().filter_map(|id| probes.get(id).cloned()).chain(others).collect())
}
