//! A worker that does nothing by itself, for stories in which it matters who does what first: two workers race for a job, one
//! dies, one writes about a job it has lost. It uses the statements of a real one.

use crate::{
    clock::{self, Clock},
    engine::{judge, ticket::Why, turns::Turns},
    enqueue::Place,
    job::JobId,
    registry::Kind,
    store::{self, Ask, Known, Registration, Settled, Verdict},
};
use sqlx::PgPool;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};
use uuid::Uuid;

/// See the module.
#[derive(Debug)]
pub struct Worker {
    /// As `queue.workers` has it.
    pub id: Uuid,
    pool: PgPool,
    kinds: BTreeMap<&'static str, Kind>,
    known: Known,
    clock: Arc<dyn Clock>,
    told_to_stop: BTreeSet<JobId>,
}

/// A claimed job, as its worker knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The job.
    pub job: JobId,
    /// Its number in this claim: what the worker writes counts as long as the job still has it.
    pub lease: i32,
    /// The queue it was in.
    pub queue: String,
    /// Its kind.
    pub kind: String,
    /// Which attempt this is.
    pub attempt: i16,
    /// How often it is tried.
    pub max_attempts: i16,
    /// Where in a workflow it stands.
    place: Option<Place>,
}

impl Worker {
    /// Registers a worker for `kinds`.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn register(
        pool: PgPool,
        kinds: impl IntoIterator<Item = Kind>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, sqlx::Error> {
        let kinds: BTreeMap<_, _> = kinds.into_iter().map(|kind| (kind.name, kind)).collect();
        let known = Known {
            names: kinds.values().map(|kind| kind.name.to_owned()).collect(),
            versions: kinds.values().map(|kind| kind.version).collect(),
        };
        let about = Registration {
            name: "by hand".to_owned(),
            group: "test".to_owned(),
            release: "test".to_owned(),
            queues: Vec::new(),
            kinds: known.names.clone(),
            capacity: 1,
        };
        let id = Uuid::new_v4();
        store::register(&mut *pool.acquire().await?, id, &about, false).await?;
        Ok(Self { id, pool, kinds, known, clock, told_to_stop: BTreeSet::new() })
    }

    /// Claims up to `limit` jobs of `queue` under no limit of their own, in the order they are to run.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn claim(&mut self, queue: &str, limit: usize) -> Result<Vec<Held>, sqlx::Error> {
        let mut c = self.pool.acquire().await?;
        let ask = Ask { queue, known: &self.known, worker: self.id, now: clock::given(&*self.clock), capped: true };
        let (mut turns, mut claimed) = (Turns::default(), Vec::new());
        while claimed.len() < limit && turns.has_more() {
            claimed.extend(turns.claim(&mut c, &ask, limit - claimed.len(), limit).await?);
        }
        let held = |job: store::Claimed| Held {
            place: job.place(),
            job: JobId(job.id),
            lease: job.lease,
            queue: job.queue,
            kind: job.kind,
            attempt: job.attempt,
            max_attempts: job.max_attempts,
        };
        let claimed: Vec<_> = claimed.into_iter().map(held).collect();
        self.told_to_stop.retain(|job| claimed.iter().all(|held| held.job != *job)); // that was another run
        Ok(claimed)
    }

    /// Writes down how runs ended and says which of them counted; the others concern jobs that were taken away meanwhile.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn settle(&self, runs: impl IntoIterator<Item = (Held, crate::Result)>) -> Result<Vec<JobId>, sqlx::Error> {
        let judged = |(held, answer): (Held, crate::Result)| {
            let backoff = self.kinds.get(held.kind.as_str()).map(|kind| kind.backoff).unwrap_or_default();
            let stopped = self.told_to_stop.contains(&held.job).then_some(&Why::Cancelled);
            let verdict = judge::verdict(answer, &held.kind, held.attempt, held.max_attempts, backoff, stopped);
            (held, verdict)
        };
        self.write(runs.into_iter().map(judged)).await
    }

    /// Hands jobs back as a worker does that stops, and says which of them were still its own.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn hand_back(&self, held: impl IntoIterator<Item = Held>) -> Result<Vec<JobId>, sqlx::Error> {
        self.write(held.into_iter().map(|held| (held, Verdict::HandedBack { started: true }))).await
    }

    async fn write(&self, verdicts: impl Iterator<Item = (Held, Verdict)>) -> Result<Vec<JobId>, sqlx::Error> {
        let settled = |(held, verdict): (Held, Verdict)| Settled {
            id: held.job.0,
            lease: held.lease,
            queue: held.queue,
            kind: held.kind,
            waited: 0.0,
            verdict,
            took: Duration::ZERO,
            max_attempts: held.max_attempts,
            log: None,
            place: held.place,
        };
        let settled: Vec<_> = verdicts.map(settled).collect();
        let mut c = self.pool.acquire().await?;
        let counted = store::settle(&mut c, &settled, self.id, "test", clock::given(&*self.clock)).await?;
        Ok(counted.into_iter().map(JobId).collect())
    }

    /// Says that it lives. False: others have given it up.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn beat(&self) -> Result<bool, sqlx::Error> {
        store::beat(&mut *self.pool.acquire().await?, self.id, 0, None).await
    }

    /// Lets time act on the tables: due jobs join their line, late ones expire, and it learns which of its runs are cancelled.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn pulse(&mut self) -> Result<(), sqlx::Error> {
        let mut c = self.pool.acquire().await?;
        let pulse = store::pulse(&mut c, &[], self.id, clock::given(&*self.clock)).await?;
        self.told_to_stop.extend(pulse.cancelled.into_iter().map(JobId));
        Ok(())
    }

    /// Takes back the runs of workers that have not been heard of for `lease`, and says which.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn rescue(&self, lease: Duration) -> Result<Vec<JobId>, sqlx::Error> {
        let mut c = self.pool.acquire().await?;
        store::mark_lost(&mut c, lease).await?;
        let fates = store::rescue(&mut c, lease, true).await?;
        Ok(fates.into_iter().map(|fate| JobId(fate.id)).collect())
    }

    /// Hands back what it claimed without hearing of it, which is everything but `held`, and says what that was.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn hand_back_unheard(&self, held: &[Held]) -> Result<Vec<JobId>, sqlx::Error> {
        let held: Vec<i64> = held.iter().map(|held| held.job.0).collect();
        let unheard = store::hand_back_unheard(&mut *self.pool.acquire().await?, self.id, &held, Duration::ZERO).await?;
        Ok(unheard.into_iter().map(JobId).collect())
    }
}
