//! What is done to processes and database, in an order drawn by lot: everything once, then whatever the dice say until time is
//! up. After each injury of the database or of the wire to it, nothing else is hurt until all loops have healed, so that what
//! is measured is the healing.

use crate::{
    crowd::{Crowd, Role},
    healing::{Heal, await_healing},
    postgres::Postgres,
    signals::Signal,
    wire::Wire,
};
use anyhow::Result;
use chrono::{DateTime, Utc};
use rand::{Rng, SeedableRng, rngs::StdRng, seq::SliceRandom};
use sqlx::PgPool;
use std::{
    fmt,
    time::{Duration, Instant},
};
use tokio::time::sleep;

/// Something that is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Injury {
    /// A worker is killed.
    KillWorker,
    /// A few schedulers are killed at once.
    KillSchedulers,
    /// A worker stands still for longer than a lease, and then goes on as if nothing had been.
    FreezeWorker,
    /// So does a scheduler.
    FreezeScheduler,
    /// A worker is told to stop.
    StopWorker,
    /// Connections are ended by the server.
    EndBackends,
    /// The server ends in the midst of everything and recovers.
    Crash,
    /// The server is away for a while.
    Outage,
    /// Connections fall silent for good.
    Forget,
    /// Connections fall silent for a while, new ones too.
    Mute,
}

impl Injury {
    const ALL: [Self; 10] = [
        Self::KillWorker,
        Self::KillSchedulers,
        Self::FreezeWorker,
        Self::FreezeScheduler,
        Self::StopWorker,
        Self::EndBackends,
        Self::Crash,
        Self::Outage,
        Self::Forget,
        Self::Mute,
    ];
    /// What is done again and again; an outage is long enough once.
    const OFTEN: [Self; 12] = [
        Self::KillWorker,
        Self::KillWorker,
        Self::KillWorker,
        Self::KillSchedulers,
        Self::FreezeWorker,
        Self::FreezeScheduler,
        Self::StopWorker,
        Self::EndBackends,
        Self::EndBackends,
        Self::Crash,
        Self::Forget,
        Self::Mute,
    ];
}

impl fmt::Display for Injury {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::KillWorker => "a worker is killed",
            Self::KillSchedulers => "schedulers are killed",
            Self::FreezeWorker => "a worker stands still",
            Self::FreezeScheduler => "a scheduler stands still",
            Self::StopWorker => "a worker is told to stop",
            Self::EndBackends => "connections are ended",
            Self::Crash => "the database crashes",
            Self::Outage => "the database is away",
            Self::Forget => "connections are forgotten",
            Self::Mute => "connections are silent for a while",
        })
    }
}

/// A time in which the database was away for everybody, or for those on the wire.
#[derive(Clone, Copy, Debug)]
pub struct Trouble {
    pub from: DateTime<Utc>,
    pub until: DateTime<Utc>,
    pub wire_only: bool,
}

/// What was done, and how everything healed.
#[derive(Default)]
pub struct Record {
    pub injuries: usize,
    pub troubles: Vec<Trouble>,
    pub heals: Vec<Heal>,
}

/// Whom to hurt, and for how long.
pub struct Ward<'a> {
    pub pool: &'a PgPool,
    pub crowd: &'a Crowd,
    pub wire: &'a Wire,
    pub postgres: &'a mut Postgres,
    pub lasts: Duration,
    pub outage: Duration,
    pub seed: u64,
}

impl Ward<'_> {
    /// Hurts until time is up.
    pub async fn hurt(mut self) -> Result<Record> {
        let (mut dice, mut record) = (StdRng::seed_from_u64(self.seed ^ 0x4855_5254), Record::default());
        let began = Instant::now();
        let mut plan = Injury::ALL;
        plan.shuffle(&mut dice);
        let mut plan = plan.to_vec();
        while let Some(injury) = plan.pop() {
            sleep(Duration::from_millis(dice.random_range(300..1_500))).await;
            eprintln!("{:>5.1} s  {injury}", began.elapsed().as_secs_f64());
            self.inflict(injury, &mut dice, &mut record).await?;
            record.injuries += 1;
            if plan.is_empty() && began.elapsed() < self.lasts {
                plan.push(Injury::OFTEN[dice.random_range(0..Injury::OFTEN.len())]);
            }
        }
        Ok(record)
    }

    async fn inflict(&mut self, injury: Injury, dice: &mut StdRng, record: &mut Record) -> Result<()> {
        let from = Utc::now();
        let mut wire_only = false;
        match injury {
            Injury::KillWorker => return self.signal(Role::Worker, Signal::Kill, 1, dice),
            Injury::KillSchedulers => return self.signal(Role::Scheduler, Signal::Kill, 5, dice),
            Injury::StopWorker => return self.signal(Role::Worker, Signal::Terminate, 1, dice),
            Injury::FreezeWorker | Injury::FreezeScheduler => {
                let role = if injury == Injury::FreezeWorker { Role::Worker } else { Role::Scheduler };
                self.freeze(role, dice);
                return Ok(());
            }
            Injury::EndBackends => {
                let some = "SELECT count(pg_terminate_backend(pid)) FROM (
                              SELECT pid FROM pg_stat_activity WHERE application_name ~ '^(worker|victim|scheduler)-'
                              ORDER BY random() LIMIT 25) AS picked";
                sqlx::query(some).execute(self.pool).await?;
            }
            Injury::Crash => {
                self.postgres.down(true).await?;
                self.postgres.up().await?;
            }
            Injury::Outage => {
                self.postgres.down(false).await?;
                sleep(self.outage).await;
                self.postgres.up().await?;
            }
            Injury::Forget => {
                wire_only = true;
                self.wire.forget();
            }
            Injury::Mute => {
                wire_only = true;
                self.wire.mute();
                sleep(Duration::from_secs(dice.random_range(4..13))).await;
                self.wire.mend();
            }
        }
        let heals = await_healing(self.pool, self.crowd, &injury.to_string()).await?;
        record.heals.extend(heals);
        record.troubles.push(Trouble { from, until: Utc::now(), wire_only });
        Ok(())
    }

    fn signal(&self, role: Role, signal: Signal, count: usize, dice: &mut StdRng) -> Result<()> {
        let mut running = self.crowd.running(role);
        running.shuffle(dice);
        for slot in running.into_iter().take(count) {
            self.crowd.hurt(slot, signal);
        }
        Ok(())
    }

    /// One stays, so that somebody can notice. Thaws it by itself.
    fn freeze(&self, role: Role, dice: &mut StdRng) {
        let running = self.crowd.running(role);
        if running.len() < 2 {
            return;
        }
        let slot = running[dice.random_range(0..running.len())];
        let name = self.crowd.name(slot);
        self.crowd.hurt(slot, Signal::Stop);
        let (crowd, pause) = (self.crowd.clone(), Duration::from_secs(dice.random_range(12..17)));
        tokio::spawn(async move {
            sleep(pause).await;
            if crowd.name(slot) == name {
                crowd.hurt(slot, Signal::Continue);
            }
        });
    }
}
