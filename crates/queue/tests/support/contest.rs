//! A contest for the right to say how runs ended. Every run has at least two writers: its worker twice at once, its worker and
//! those who rescue the job from it, or a worker that lost it long ago. Afterwards the history must hold exactly what was told
//! to have counted, once. The test fights a small one, `bin/chaos race` a long one.

use mywork_queue::{
    Failure, Job, JobId, Kind, Outcome,
    clock::SystemClock,
    enqueue_many,
    testing::{Held, Worker},
};
use rand::{Rng, SeedableRng, rngs::StdRng};
use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

/// What they fight for.
#[derive(Serialize, Deserialize)]
pub struct Prize;

impl Job for Prize {
    const KIND: &'static str = "contest.prize";
    const QUEUE: &'static str = "contest";
    const MAX_ATTEMPTS: i16 = i16::MAX;
}

/// How it went.
#[derive(Debug, Default)]
pub struct Contest {
    /// Runs that were claimed and fought over.
    pub attempts: u64,
    /// Verdicts written about them.
    pub verdicts: u64,
    /// Those that counted.
    pub counted: u64,
    /// Those that came too late.
    pub stale: u64,
    /// Runs that were taken back from their worker.
    pub rescued: u64,
    /// Times the database ended a deadlock of two writers.
    pub deadlocks: u64,
    pub took: Duration,
    /// What must never be, in words.
    pub violations: Vec<String>,
}

impl fmt::Display for Contest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { attempts, verdicts, counted, stale, rescued, deadlocks, took, violations } = self;
        write!(
            f,
            "{attempts} raced attempts in {:.0} s: {verdicts} verdicts, {counted} counted, {stale} stale, {rescued} runs rescued, \
             {deadlocks} deadlocks, {} violations",
            took.as_secs_f64(),
            violations.len(),
        )
    }
}

/// How a run is said to end: the first three end the job, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    Done,
    Dead,
    Cancelled,
    Retried,
    Snoozed,
    HandedBack,
}

impl Said {
    fn any(dice: &mut StdRng) -> Self {
        match dice.random_range(0..20) {
            0 => Self::Done,
            1 => Self::Dead,
            2 => Self::Cancelled,
            3..8 => Self::Retried,
            8..11 => Self::Snoozed,
            _ => Self::HandedBack,
        }
    }

    fn answer(self) -> Option<mywork_queue::Result> {
        Some(match self {
            Self::Done => Ok(Outcome::Done),
            Self::Dead => Err(Failure::dead("lost for good")),
            Self::Cancelled => Ok(Outcome::Cancel("given up".to_owned())),
            Self::Retried => Err(Failure::retry_in(Duration::ZERO, anyhow::anyhow!("again"))),
            Self::Snoozed => Ok(Outcome::Snooze(Duration::ZERO)),
            Self::HandedBack => return None,
        })
    }

    fn outcome(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Dead => "dead",
            Self::Cancelled => "cancelled",
            Self::Retried => "retried",
            Self::Snoozed => "snoozed",
            Self::HandedBack => "handed_back",
        }
    }
}

#[derive(Default)]
struct Ledger {
    attempts: AtomicU64,
    verdicts: AtomicU64,
    rescued: AtomicU64,
    deadlocks: AtomicU64,
    counted: Mutex<HashMap<(JobId, i32), &'static str>>,
    twice: Mutex<Vec<String>>,
}

/// Fights until `attempts` runs have been fought over.
///
/// # Errors
/// When the database refuses what it should not.
pub async fn fight(pool: &PgPool, attempts: u64, contestants: u64, seed: u64) -> Result<Contest, sqlx::Error> {
    let (began, ledger) = (Instant::now(), Arc::new(Ledger::default()));
    let all = (0..contestants).map(|number| {
        let dice = StdRng::seed_from_u64(seed.wrapping_mul(1_000).wrapping_add(number));
        tokio::spawn(contestant(pool.clone(), dice, Arc::clone(&ledger), attempts))
    });
    for contestant in all.collect::<Vec<_>>() {
        contestant.await.map_err(|error| sqlx::Error::Io(std::io::Error::other(error)))??;
    }
    let took = began.elapsed();
    let mut violations = std::mem::take(&mut *lock(&ledger.twice));
    let counted = std::mem::take(&mut *lock(&ledger.counted));
    violations.extend(audit(pool, &counted).await?);
    let counted = counted.len() as u64;
    let verdicts = ledger.verdicts.load(Relaxed);
    Ok(Contest {
        attempts: ledger.attempts.load(Relaxed),
        verdicts,
        counted,
        stale: verdicts - counted,
        rescued: ledger.rescued.load(Relaxed),
        deadlocks: ledger.deadlocks.load(Relaxed),
        took,
        violations,
    })
}

async fn contestant(pool: PgPool, mut dice: StdRng, ledger: Arc<Ledger>, attempts: u64) -> Result<(), sqlx::Error> {
    let register = || Worker::register(pool.clone(), [Kind::of::<Prize>()], Arc::new(SystemClock));
    let (mut worker, bystander) = (register().await?, register().await?);
    let mut lost_long_ago: Vec<Vec<Held>> = Vec::new();
    while ledger.attempts.load(Relaxed) < attempts {
        worker.beat().await?;
        bystander.beat().await?;
        let held = worker.claim(Prize::QUEUE, dice.random_range(1..=100)).await?;
        if held.is_empty() {
            worker.pulse().await?;
            replenish(&pool).await?;
            continue;
        }
        ledger.attempts.fetch_add(held.len() as u64, Relaxed);
        let (first, second) = (Said::any(&mut dice), Said::any(&mut dice));
        match dice.random_range(0..8) {
            0..3 => {
                let (one, two) = tokio::join!(ledger.write(&worker, &held, first), ledger.write(&bystander, &held, second));
                one.and(two)?;
            }
            3..5 => {
                ledger.write(&worker, &held, first).await?;
                ledger.write(&worker, &held, second).await?;
            }
            rescued => {
                be_silent(&pool, &worker).await?;
                if rescued == 5 {
                    ledger.rescue(&bystander).await?;
                    ledger.write(&worker, &held, first).await?;
                } else {
                    let (one, two) = tokio::join!(ledger.write(&worker, &held, first), ledger.rescue(&bystander));
                    one.and(two)?;
                    ledger.write(&worker, &held, second).await?;
                }
                worker = register().await?;
            }
        }
        lost_long_ago.push(held);
        if dice.random_bool(0.3) {
            let forgotten = lost_long_ago.swap_remove(dice.random_range(0..lost_long_ago.len()));
            ledger.write(&worker, &forgotten, Said::any(&mut dice)).await?;
        }
    }
    Ok(())
}

impl Ledger {
    /// Writes, and notes what counted. What the database refuses because of a deadlock is written again, as a worker does.
    async fn write(&self, worker: &Worker, held: &[Held], said: Said) -> Result<(), sqlx::Error> {
        self.verdicts.fetch_add(held.len() as u64, Relaxed);
        let counted = loop {
            let written = match said.answer() {
                None => worker.hand_back(held.iter().cloned()).await,
                Some(_) => worker.settle(held.iter().cloned().filter_map(|held| Some((held, said.answer()?)))).await,
            };
            match written {
                Ok(counted) => break counted,
                Err(error) => self.deadlock(error)?,
            }
        };
        let mut known = lock(&self.counted);
        for job in counted {
            let leases: Vec<i32> = held.iter().filter(|held| held.job == job).map(|held| held.lease).collect();
            let [lease] = leases[..] else {
                lock(&self.twice).push(format!("job {job} is claimed {} times in one claim", leases.len()));
                continue;
            };
            if let Some(before) = known.insert((job, lease), said.outcome()) {
                lock(&self.twice).push(format!("run {lease} of job {job} ended as {before} and then as {}", said.outcome()));
            }
        }
        Ok(())
    }

    async fn rescue(&self, worker: &Worker) -> Result<(), sqlx::Error> {
        loop {
            match worker.rescue(Duration::from_secs(600)).await {
                Ok(rescued) if rescued.is_empty() => return Ok(()),
                Ok(rescued) => drop(self.rescued.fetch_add(rescued.len() as u64, Relaxed)),
                Err(error) => self.deadlock(error)?,
            }
        }
    }

    fn deadlock(&self, error: sqlx::Error) -> Result<(), sqlx::Error> {
        match &error {
            sqlx::Error::Database(found) if found.code().as_deref() == Some("40P01") => {
                self.deadlocks.fetch_add(1, Relaxed);
                Ok(())
            }
            _ => Err(error),
        }
    }
}

async fn be_silent(pool: &PgPool, worker: &Worker) -> Result<(), sqlx::Error> {
    let long_ago = "UPDATE queue.workers SET heartbeat_at = now() - interval '1 day' WHERE id = $1";
    sqlx::query(long_ago).bind(worker.id).execute(pool).await.map(drop)
}

async fn replenish(pool: &PgPool) -> Result<(), sqlx::Error> {
    let mut tx = pool.begin().await?;
    let prizes: Vec<Prize> = (0..500).map(|_| Prize).collect();
    enqueue_many(&mut tx, &prizes).await.map_err(|error| sqlx::Error::Io(std::io::Error::other(error)))?;
    tx.commit().await
}

/// Whether the history is what the writers were told.
async fn audit(pool: &PgPool, counted: &HashMap<(JobId, i32), &'static str>) -> Result<Vec<String>, sqlx::Error> {
    let mut violations = Vec::new();
    let runs: Vec<(JobId, i32, String)> = sqlx::query_as("SELECT job_id, lease, outcome FROM queue.attempts WHERE kind = $1")
        .bind(Prize::KIND)
        .fetch_all(pool)
        .await?;
    let mut history: HashMap<(JobId, i32), String> = HashMap::with_capacity(runs.len());
    for (job, lease, outcome) in runs {
        match counted.get(&(job, lease)) {
            Some(told) if *told == outcome => {}
            None if outcome == "lost" => {}
            told => {
                violations.push(format!("run {lease} of job {job} is {outcome} in the history; its writer was told {told:?}"))
            }
        }
        if let Some(before) = history.insert((job, lease), outcome) {
            violations.push(format!("run {lease} of job {job} is in the history twice, once as {before}"));
        }
    }
    for (run, told) in counted {
        if !history.contains_key(run) {
            violations.push(format!("run {} of job {} was told to be {told} and is not in the history", run.1, run.0));
        }
    }
    for (what, sql) in [
        ("jobs finished twice", "SELECT count(*) - count(DISTINCT id) FROM queue.finished_jobs"),
        ("finished jobs that still wait or run", "SELECT count(*) FROM queue.jobs JOIN queue.finished_jobs USING (id)"),
        (
            "jobs with two last runs",
            "SELECT count(*) FROM (SELECT FROM queue.attempts WHERE outcome IN ('done', 'dead', 'cancelled')
                                   GROUP BY job_id HAVING count(*) > 1) AS twice",
        ),
        (
            "jobs whose history does not end as they did",
            "SELECT count(*) FROM queue.finished_jobs j
             WHERE NOT EXISTS (SELECT FROM queue.attempts a WHERE a.job_id = j.id AND a.lease = j.lease
                               AND a.outcome = CASE j.state WHEN 'quarantined' THEN 'lost' ELSE j.state END)",
        ),
    ] {
        let found: i64 = sqlx::query_scalar(sql).fetch_one(pool).await?;
        if found != 0 {
            violations.push(format!("{found} {what}"));
        }
    }
    Ok(violations)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
