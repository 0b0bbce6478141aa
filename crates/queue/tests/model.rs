//! The tables and a small model of them, moved by the same random steps: two workers claim, finish, fail, die and write about
//! what they have lost, people intervene, time passes. After each step both must agree about every job, and a claim must take
//! what the model says, in its order. `PROPTEST_CASES` asks for more.
//! Proves: JOB-02, JOB-04, JOB-05, JOB-07, JOB-08, JOB-09 (the state machine).

use crate::support::{Stage, committed};
use chrono::{DateTime, Duration, TimeZone, Utc};
use mywork_queue::{
    Failure, Job, JobId, Kind, Options, Outcome, Unique,
    admin::{self, ActError, JobFilter, JobState},
    clock::{Clock, FakeClock},
    enqueue_with,
    testing::{Held, Worker},
};
use proptest::{
    prelude::*,
    sample::Index,
    test_runner::{Config, TestCaseError, TestRunner},
};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

#[test]
fn the_tables_do_what_the_model_does() {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(120);
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 2_000, ..Config::default() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let stage = runtime.block_on(Stage::new());
    let steps = prop_oneof![3 => steps(10, 3), 1 => steps(25, 25)];
    let outcome = TestRunner::new(config).run(&steps, |steps| runtime.block_on(play(&stage, &steps)));
    runtime.block_on(stage.pool.close());
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
}

#[derive(Serialize, Deserialize)]
struct Left {
    number: i64,
}

impl Job for Left {
    const KIND: &'static str = "model.left";
    const QUEUE: &'static str = "left";
}

#[derive(Serialize, Deserialize)]
struct Right {
    number: i64,
}

impl Job for Right {
    const KIND: &'static str = "model.right";
    const QUEUE: &'static str = "right";
}

// ─── Steps ──────────────────────────────────────────────────────────────────────────────────────────────────────────────

#[derive(Clone, Debug)]
enum Step {
    Enqueue { side: Side, priority: i16, delay: Option<i64>, expires: Option<i64>, attempts: i16, unique: Option<Key> },
    Claim { worker: usize, side: Side, limit: usize, heard: bool },
    Settle { worker: Index, held: Index, how: How, again: bool },
    Die { worker: usize },
    HandBackUnheard { worker: usize },
    Pulse { worker: usize },
    Pass { hours: i64 },
    Retry(Index),
    Discard(Index),
    Cancel(Index),
    Reschedule(Index, i64),
    Pause(Side),
    Resume(Side),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Side {
    Left,
    Right,
}

impl Side {
    fn queue(self) -> &'static str {
        match self {
            Self::Left => Left::QUEUE,
            Self::Right => Right::QUEUE,
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum How {
    Done,
    Fail(i64),
    Dead,
    Snooze(i64),
    Cancel,
    HandBack,
}

#[derive(Clone, Copy, Debug)]
struct Key {
    name: u8,
    within: Within,
    then: Then,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Within {
    Pending,
    Unfinished,
    Hour,
    Forever,
}

#[derive(Clone, Copy, Debug)]
enum Then {
    Keep,
    Replace,
    Debounce,
}

impl Key {
    fn unique(self) -> Unique {
        let unique = match self.within {
            Within::Pending => Unique::pending(self.name),
            Within::Unfinished => Unique::unfinished(self.name),
            Within::Hour => Unique::per_period(self.name, std::time::Duration::from_secs(3600)),
            Within::Forever => Unique::forever(self.name),
        };
        match self.then {
            Then::Keep => unique,
            Then::Replace => unique.replace(),
            Then::Debounce => unique.debounce(),
        }
    }
}

/// So often workers claim and die; the rest is about fifty.
fn steps(claims: u32, deaths: u32) -> impl Strategy<Value = Vec<Step>> {
    let side = || prop_oneof![3 => Just(Side::Left), 1 => Just(Side::Right)];
    let worker = || 0..2usize;
    let hours = || 1..5i64;
    let within = prop_oneof![Just(Within::Pending), Just(Within::Unfinished), Just(Within::Hour), Just(Within::Forever)];
    let then = prop_oneof![Just(Then::Keep), Just(Then::Replace), Just(Then::Debounce)];
    let key = (0..2u8, within, then).prop_map(|(name, within, then)| Key { name, within, then });
    let how = prop_oneof![
        3 => Just(How::Done),
        4 => hours().prop_map(How::Fail),
        1 => Just(How::Dead),
        1 => hours().prop_map(How::Snooze),
        1 => Just(How::Cancel),
        2 => Just(How::HandBack),
    ];
    let maybe_hours = || prop_oneof![2 => Just(None), 1 => hours().prop_map(Some)];
    let step = prop_oneof![
        10 => (side(), -1..2i16, maybe_hours(), maybe_hours(), 1..5i16, proptest::option::of(key)).prop_map(
            |(side, priority, delay, expires, attempts, unique)| Step::Enqueue { side, priority, delay, expires, attempts, unique }
        ),
        claims => (worker(), side(), 1..4usize, prop::bool::weighted(0.9))
            .prop_map(|(worker, side, limit, heard)| Step::Claim { worker, side, limit, heard }),
        12 => (any::<Index>(), any::<Index>(), how, prop::bool::weighted(0.2))
            .prop_map(|(worker, held, how, again)| Step::Settle { worker, held, how, again }),
        deaths => worker().prop_map(|worker| Step::Die { worker }),
        1 => worker().prop_map(|worker| Step::HandBackUnheard { worker }),
        5 => worker().prop_map(|worker| Step::Pulse { worker }),
        4 => hours().prop_map(|hours| Step::Pass { hours }),
        2 => any::<Index>().prop_map(Step::Retry),
        1 => any::<Index>().prop_map(Step::Discard),
        3 => any::<Index>().prop_map(Step::Cancel),
        1 => (any::<Index>(), hours()).prop_map(|(job, hours)| Step::Reschedule(job, hours)),
        1 => side().prop_map(Step::Pause),
        2 => side().prop_map(Step::Resume),
    ];
    prop::collection::vec(step, 1..60)
}

// ─── The model ──────────────────────────────────────────────────────────────────────────────────────────────────────────

/// What both say about a job.
#[derive(Clone, Debug, PartialEq)]
struct Seen {
    state: JobState,
    number: i64,
    priority: i16,
    attempt: i16,
    max_attempts: i16,
    rescues: i16,
    worker: Option<uuid::Uuid>,
    cancelling: bool,
    /// Nothing in the model where the database's clock decides; the model then learns it.
    run_at: Option<DateTime<Utc>>,
}

#[derive(Clone, Debug)]
struct Modelled {
    seen: Seen,
    side: Side,
    lease: i32,
    expires_at: Option<DateTime<Utc>>,
    /// Its key, when that is kept with the job.
    key: Option<(u8, Within)>,
    outcomes: Vec<&'static str>,
}

#[derive(Default)]
struct Model {
    jobs: BTreeMap<JobId, Modelled>,
    /// Keys that outlive their job.
    keys: BTreeMap<(Side, u8), JobId>,
    paused: BTreeSet<Side>,
    now: DateTime<Utc>,
}

impl Modelled {
    fn waits(&self) -> bool {
        matches!(self.seen.state, JobState::Scheduled | JobState::Available)
    }

    fn runs(&self) -> bool {
        self.seen.state == JobState::Running
    }

    fn is_late(&self, now: DateTime<Utc>) -> bool {
        self.expires_at.is_some_and(|expires| expires <= now)
    }

    fn release(&mut self, state: JobState) {
        self.seen.state = state;
        self.seen.worker = None;
        self.lease += 1;
    }

    fn end(&mut self, state: JobState) {
        self.seen.state = state;
        self.seen.worker = None;
        self.seen.cancelling = false;
    }
}

impl Model {
    /// The job that has the key, after its duplicate did to it what it may.
    fn holder(&mut self, side: Side, key: Option<Key>, number: i64, run_at: Option<DateTime<Utc>>) -> Option<JobId> {
        let key = key?;
        let holder = match key.within {
            Within::Hour | Within::Forever => self.keys.get(&(side, key.name)).copied()?,
            within => {
                let holds = |job: &Modelled| {
                    job.side == side
                        && job.key == Some((key.name, within))
                        && !job.seen.state.is_finished()
                        && (within == Within::Unfinished || job.lease == 0)
                };
                *self.jobs.iter().find(|(_, job)| holds(job))?.0
            }
        };
        let job = self.jobs.get_mut(&holder)?;
        if job.waits() {
            match key.then {
                Then::Keep => {}
                Then::Replace => job.seen.number = number,
                Then::Debounce => {
                    job.seen.number = number;
                    job.seen.run_at = run_at;
                    job.seen.state = if run_at.is_some() { JobState::Scheduled } else { JobState::Available };
                }
            }
        }
        Some(holder)
    }

    /// The jobs a claim takes, in order.
    fn claim(&mut self, worker: uuid::Uuid, side: Side, limit: usize) -> Vec<JobId> {
        if self.paused.contains(&side) {
            return Vec::new();
        }
        let may = |job: &&Modelled| job.side == side && job.seen.state == JobState::Available && !job.is_late(self.now);
        let mut line: Vec<_> = self.jobs.iter().filter(|(_, job)| may(job)).map(|(id, job)| (place(job), *id)).collect();
        line.sort();
        let taken: Vec<JobId> = line.into_iter().map(|(_, id)| id).take(limit).collect();
        for id in &taken {
            let job = self.jobs.get_mut(id).expect("just listed");
            job.seen.state = JobState::Running;
            job.seen.worker = Some(worker);
            job.seen.attempt += 1;
            job.lease += 1;
        }
        taken
    }

    /// Whether the verdict counts.
    fn settle(&mut self, held: &Held, how: How, told_to_stop: bool) -> bool {
        let now = self.now;
        let Some(job) = self.jobs.get_mut(&held.job).filter(|job| job.runs() && job.lease == held.lease) else { return false };
        let outcome = match how {
            How::Done => "done",
            How::Snooze(_) => "snoozed",
            How::Cancel => "cancelled",
            How::HandBack => "handed_back",
            How::Fail(_) | How::Dead if told_to_stop => "cancelled",
            How::Dead => "dead",
            How::Fail(_) if job.seen.attempt >= job.seen.max_attempts => "dead",
            How::Fail(_) => "retried",
        };
        match (outcome, how) {
            ("done", _) => job.end(JobState::Done),
            ("cancelled", _) => job.end(JobState::Cancelled),
            ("dead", _) => job.end(JobState::Dead),
            (_, How::Fail(hours) | How::Snooze(hours)) => {
                job.release(JobState::Scheduled);
                job.seen.run_at = Some(now + Duration::hours(hours));
            }
            _ => job.release(JobState::Available),
        }
        if matches!(outcome, "snoozed" | "handed_back") {
            job.seen.attempt -= 1;
        }
        job.outcomes.push(outcome);
        true
    }

    /// The worker is gone, and another has noticed.
    fn rescue(&mut self, worker: uuid::Uuid) {
        for job in self.jobs.values_mut().filter(|job| job.seen.worker == Some(worker)) {
            job.outcomes.push("lost");
            job.seen.rescues += 1;
            match () {
                () if job.seen.cancelling => job.end(JobState::Cancelled),
                () if job.seen.rescues >= 3 => job.end(JobState::Quarantined),
                () if job.seen.attempt >= job.seen.max_attempts => job.end(JobState::Dead),
                () => job.release(JobState::Available),
            }
        }
    }

    fn hand_back_unheard(&mut self, worker: uuid::Uuid, held: &[Held]) {
        let unheard = |id: &JobId, job: &Modelled| job.seen.worker == Some(worker) && held.iter().all(|held| held.job != *id);
        for (_, job) in self.jobs.iter_mut().filter(|(id, job)| unheard(id, job)) {
            job.release(JobState::Available);
            job.seen.attempt -= 1;
        }
    }

    fn pulse(&mut self) {
        let now = self.now;
        for job in self.jobs.values_mut().filter(|job| job.waits()) {
            match () {
                () if job.seen.cancelling => job.end(JobState::Cancelled),
                () if job.is_late(now) => job.end(JobState::Expired),
                () if job.seen.run_at.is_some_and(|run_at| run_at <= now) => job.seen.state = JobState::Available,
                () => {}
            }
        }
    }

    /// Whether it is allowed.
    fn retry(&mut self, id: JobId) -> bool {
        let job = &self.jobs[&id];
        let taken = job.key.is_some_and(|(name, within)| {
            within == Within::Unfinished
                && self.jobs.iter().any(|(other, holder)| {
                    *other != id
                        && holder.side == job.side
                        && holder.key == Some((name, within))
                        && !holder.seen.state.is_finished()
                })
        });
        let job = self.jobs.get_mut(&id).expect("a known job");
        match job.seen.state {
            JobState::Running => return false,
            JobState::Available => return true,
            JobState::Scheduled => {}
            _ if taken => return false,
            _ => {
                job.seen.attempt = 0;
                job.seen.rescues = 0;
                job.lease += 1;
                job.expires_at = None;
            }
        }
        job.seen.state = JobState::Available;
        job.seen.run_at = None;
        true
    }

    fn cancel(&mut self, id: JobId) -> bool {
        let job = self.jobs.get_mut(&id).expect("a known job");
        match job.seen.state {
            JobState::Scheduled | JobState::Available => job.end(JobState::Cancelled),
            JobState::Running => job.seen.cancelling = true,
            _ => return false,
        }
        true
    }

    fn discard(&mut self, id: JobId) -> bool {
        let job = self.jobs.get_mut(&id).expect("a known job");
        let may = !matches!(job.seen.state, JobState::Running | JobState::Done | JobState::Cancelled);
        if may {
            job.end(JobState::Cancelled);
        }
        may
    }

    fn reschedule(&mut self, id: JobId, run_at: DateTime<Utc>) -> bool {
        let job = self.jobs.get_mut(&id).expect("a known job");
        if job.waits() {
            job.seen.state = JobState::Scheduled;
            job.seen.run_at = Some(run_at);
        }
        job.waits()
    }
}

/// Where in its line a job stands.
fn place(job: &Modelled) -> (std::cmp::Reverse<i16>, Option<DateTime<Utc>>) {
    (std::cmp::Reverse(job.seen.priority), job.seen.run_at)
}

// ─── Both ───────────────────────────────────────────────────────────────────────────────────────────────────────────────

/// A worker, and what it believes to hold.
struct Hand {
    worker: Worker,
    held: Vec<Held>,
    told_to_stop: BTreeSet<JobId>,
}

struct Play<'a> {
    stage: &'a Stage,
    clock: FakeClock,
    model: Model,
    /// The first two live; the others are dead and do not know it.
    hands: Vec<Hand>,
    number: i64,
}

async fn play(stage: &Stage, steps: &[Step]) -> Result<(), TestCaseError> {
    stage
        .execute("WITH a AS (DELETE FROM queue.jobs), b AS (DELETE FROM queue.finished_jobs), c AS (DELETE FROM queue.attempts), d AS (DELETE FROM queue.unique_keys), e AS (DELETE FROM queue.queues) DELETE FROM queue.workers")
        .await;
    let clock = FakeClock::at(Utc.with_ymd_and_hms(2026, 1, 1, 0, 0, 0).single().expect("a time"));
    let model = Model { now: clock.now(), ..Model::default() };
    let mut play = Play { stage, clock, model, hands: Vec::new(), number: 0 };
    play.hands = vec![play.hand().await, play.hand().await];
    for (index, step) in steps.iter().enumerate() {
        play.take(step).await?;
        play.compare(&format!("after step {index}, {step:?}")).await?;
    }
    play.compare_histories().await
}

impl Play<'_> {
    async fn hand(&self) -> Hand {
        let kinds = [Kind::of::<Left>(), Kind::of::<Right>()];
        let worker = Worker::register(self.stage.pool.clone(), kinds, Arc::new(self.clock.clone())).await;
        Hand { worker: worker.expect("registered"), held: Vec::new(), told_to_stop: BTreeSet::new() }
    }

    async fn take(&mut self, step: &Step) -> Result<(), TestCaseError> {
        match step.clone() {
            Step::Enqueue { side, priority, delay, expires, attempts, unique } => {
                let at = |hours: Option<i64>| hours.map(|hours| self.model.now + Duration::hours(hours));
                let options = Options { run_at: at(delay), expires_at: at(expires), ..Options::default() };
                let options = options.priority(priority).max_attempts(attempts);
                self.enqueue(side, unique, options).await?;
            }
            Step::Claim { worker, side, limit, heard } => {
                let hand = &mut self.hands[worker];
                let claimed = hand.worker.claim(side.queue(), limit).await.expect("a claim");
                let taken: Vec<JobId> = claimed.iter().map(|held| held.job).collect();
                prop_assert_eq!(&taken, &self.model.claim(hand.worker.id, side, limit), "the claim's order");
                for held in &claimed {
                    let job = &self.model.jobs[&held.job];
                    let modelled = (job.lease, job.seen.attempt, job.seen.max_attempts);
                    prop_assert_eq!((held.lease, held.attempt, held.max_attempts), modelled);
                    hand.told_to_stop.remove(&held.job);
                }
                if heard {
                    hand.held.extend(claimed);
                }
            }
            Step::Settle { worker, held, how, again } => {
                let hand = worker.index(self.hands.len());
                let hand = &mut self.hands[hand];
                if hand.held.is_empty() {
                    return Ok(());
                }
                let index = held.index(hand.held.len());
                let held = if again { hand.held[index].clone() } else { hand.held.swap_remove(index) };
                let counted = match answer(how) {
                    Some(answer) => hand.worker.settle([(held.clone(), answer)]).await,
                    None => hand.worker.hand_back([held.clone()]).await,
                };
                let counts = self.model.settle(&held, how, hand.told_to_stop.contains(&held.job));
                prop_assert_eq!(counted.expect("a write"), if counts { vec![held.job] } else { vec![] });
            }
            Step::Die { worker } => {
                let successor = self.hand().await;
                let id = self.hands[worker].worker.id;
                let silent = "UPDATE queue.workers SET heartbeat_at = now() - interval '1 minute' WHERE id = $1";
                sqlx::query(silent).bind(id).execute(&self.stage.pool).await.expect("silence");
                let rescued = successor.worker.rescue(std::time::Duration::from_secs(10)).await.expect("a rescue");
                let orphans = self.model.jobs.iter().filter(|(_, job)| job.seen.worker == Some(id)).map(|(id, _)| *id);
                prop_assert_eq!(rescued.into_iter().collect::<BTreeSet<_>>(), orphans.collect::<BTreeSet<_>>());
                self.model.rescue(id);
                let dead = std::mem::replace(&mut self.hands[worker], successor);
                prop_assert!(!dead.worker.beat().await.expect("an answer"), "the dead worker learns that it was given up");
                self.hands.push(dead);
            }
            Step::HandBackUnheard { worker } => {
                let hand = &self.hands[worker];
                hand.worker.hand_back_unheard(&hand.held).await.expect("handed back");
                self.model.hand_back_unheard(hand.worker.id, &hand.held);
            }
            Step::Pulse { worker } => {
                let hand = &mut self.hands[worker];
                hand.worker.pulse().await.expect("a pulse");
                let own = |job: &Modelled| job.seen.worker == Some(hand.worker.id) && job.seen.cancelling;
                hand.told_to_stop.extend(self.model.jobs.iter().filter(|(_, job)| own(job)).map(|(id, _)| *id));
                self.model.pulse();
            }
            Step::Pass { hours } => {
                self.clock.advance(Duration::hours(hours));
                self.model.now = self.clock.now();
            }
            Step::Retry(job) => {
                let Some(id) = self.pick(job) else { return Ok(()) };
                let act = committed(&self.stage.pool, async |c| admin::retry(c, id).await).await;
                let allowed = self.model.retry(id);
                self.agree(act, allowed)?;
            }
            Step::Discard(job) => {
                let Some(id) = self.pick(job) else { return Ok(()) };
                let act = committed(&self.stage.pool, async |c| admin::discard(c, id, "away with it").await).await;
                let allowed = self.model.discard(id);
                self.agree(act, allowed)?;
            }
            Step::Cancel(job) => {
                let Some(id) = self.pick(job) else { return Ok(()) };
                let act = committed(&self.stage.pool, async |c| admin::cancel(c, id, "not now").await.map(drop)).await;
                let allowed = self.model.cancel(id);
                self.agree(act, allowed)?;
            }
            Step::Reschedule(job, hours) => {
                let Some(id) = self.pick(job) else { return Ok(()) };
                let run_at = self.model.now + Duration::hours(hours);
                let act = committed(&self.stage.pool, async |c| admin::reschedule(c, id, run_at).await).await;
                let allowed = self.model.reschedule(id, run_at);
                self.agree(act, allowed)?;
            }
            Step::Pause(side) => {
                committed(&self.stage.pool, async |c| admin::pause(c, side.queue(), "rest").await.expect("paused")).await;
                self.model.paused.insert(side);
            }
            Step::Resume(side) => {
                let resumed = committed(&self.stage.pool, async |c| admin::resume(c, side.queue()).await.expect("resumed")).await;
                prop_assert_eq!(resumed, self.model.paused.remove(&side));
            }
        }
        Ok(())
    }

    async fn enqueue(&mut self, side: Side, unique: Option<Key>, options: Options) -> Result<(), TestCaseError> {
        self.number += 1;
        let number = self.number;
        let given = Options { unique: unique.map(Key::unique), ..options.clone() };
        let enqueued = committed(&self.stage.pool, async |c| match side {
            Side::Left => enqueue_with(c, &Left { number }, given).await,
            Side::Right => enqueue_with(c, &Right { number }, given).await,
        })
        .await
        .expect("enqueued");

        let holder = self.model.holder(side, unique, number, options.run_at);
        prop_assert_eq!(enqueued.fresh, holder.is_none());
        if let Some(holder) = holder {
            prop_assert_eq!(enqueued.id, holder);
            return Ok(());
        }
        prop_assert!(self.model.jobs.keys().all(|id| *id < enqueued.id), "numbers grow");
        let seen = Seen {
            state: if options.run_at.is_some() { JobState::Scheduled } else { JobState::Available },
            number,
            priority: options.priority,
            attempt: 0,
            max_attempts: options.max_attempts.unwrap_or_default(),
            rescues: 0,
            worker: None,
            cancelling: false,
            run_at: options.run_at,
        };
        let key = unique.map(|key| (key.name, key.within));
        let outlives = key.filter(|(_, within)| matches!(within, Within::Hour | Within::Forever));
        if let Some((name, _)) = outlives {
            self.model.keys.insert((side, name), enqueued.id);
        }
        let key = key.filter(|_| outlives.is_none());
        let job = Modelled { seen, side, lease: 0, expires_at: options.expires_at, key, outcomes: Vec::new() };
        self.model.jobs.insert(enqueued.id, job);
        Ok(())
    }

    fn pick(&self, job: Index) -> Option<JobId> {
        let jobs: Vec<&JobId> = self.model.jobs.keys().collect();
        (!jobs.is_empty()).then(|| *jobs[job.index(jobs.len())])
    }

    fn agree(&self, act: Result<(), ActError>, allowed: bool) -> Result<(), TestCaseError> {
        prop_assert_eq!(act.is_ok(), allowed, "{:?}", act);
        Ok(())
    }

    async fn compare(&mut self, when: &str) -> Result<(), TestCaseError> {
        let all = JobFilter { limit: 10_000, ..JobFilter::default() };
        let rows = admin::list(&mut *self.stage.connection().await, &all).await.expect("the jobs");
        prop_assert_eq!(rows.len(), self.model.jobs.len(), "jobs {}", when);
        for row in rows {
            let Some(job) = self.model.jobs.get_mut(&row.id) else {
                return Err(TestCaseError::fail(format!("job {} is in the tables only, {when}", row.id)));
            };
            let seen = Seen {
                state: row.state,
                number: row.args["number"].as_i64().unwrap_or_default(),
                priority: row.priority,
                attempt: row.attempt,
                max_attempts: row.max_attempts,
                rescues: row.rescues,
                worker: row.worker,
                cancelling: row.cancel_requested_at.is_some(),
                run_at: Some(row.run_at),
            };
            job.seen.run_at.get_or_insert(row.run_at);
            prop_assert_eq!(&seen, &job.seen, "job {} {}", row.id, when);
        }
        Ok(())
    }

    async fn compare_histories(&self) -> Result<(), TestCaseError> {
        for (id, job) in &self.model.jobs {
            let runs = admin::attempts(&mut *self.stage.connection().await, *id).await.expect("its runs");
            let outcomes: Vec<&str> = runs.iter().map(|run| run.outcome.as_str()).collect();
            prop_assert_eq!(&outcomes, &job.outcomes, "the runs of job {}", id);
        }
        Ok(())
    }
}

/// Nothing for a job that is handed back.
fn answer(how: How) -> Option<mywork_queue::Result> {
    let hours = |hours: i64| std::time::Duration::from_secs(hours.unsigned_abs() * 3600);
    Some(match how {
        How::Done => Ok(Outcome::Done),
        How::Fail(after) => Err(Failure::retry_in(hours(after), anyhow::anyhow!("not yet"))),
        How::Dead => Err(Failure::dead("never")),
        How::Snooze(after) => Ok(Outcome::Snooze(hours(after))),
        How::Cancel => Ok(Outcome::Cancel("nothing to do".to_owned())),
        How::HandBack => return None,
    })
}
