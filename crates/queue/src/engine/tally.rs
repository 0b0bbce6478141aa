//! Counts runs and errors as they are written down, for charts: by the minute and by the hour, in memory, added to the tables every
//! few seconds and when the process stops. Only verdicts that counted are counted. What a killed process had not added yet is
//! missing from the charts, and nowhere else.

use crate::{
    clock::{Clock, SystemClock},
    engine::Engine,
    store::{self, ErrorCount, RunCount, Settled, Verdict},
};
use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use futures::FutureExt;
use std::{
    collections::BTreeMap,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::time::sleep;

const EVERY: Duration = Duration::from_secs(5);

/// What has been counted and not yet added. Sorted, so that all processes lock the rows they share in one order.
#[derive(Debug, Default)]
pub(crate) struct Tally(Mutex<Counts>);

#[derive(Debug, Default)]
struct Counts {
    runs: BTreeMap<RunKey, RunCount>,
    errors: BTreeMap<ErrorKey, ErrorCount>,
}

type RunKey = (DateTime<Utc>, String, String, &'static str, String);
type ErrorKey = (DateTime<Utc>, String, String);

impl Tally {
    /// A run has ended, and its verdict counted.
    pub(crate) fn ended(&self, settled: &Settled, release: &str) {
        if matches!(settled.verdict, Verdict::HandedBack { started: false }) {
            return; // it never ran
        }
        let run = Ran {
            queue: &settled.queue,
            kind: &settled.kind,
            outcome: settled.verdict.outcome(),
            release,
            seconds: settled.took.as_secs_f64(),
            waited: settled.waited,
        };
        let error = match &settled.verdict {
            Verdict::Dead(fault) | Verdict::Retried { fault, .. } => {
                Some(Failed { job: settled.id, fingerprint: &fault.fingerprint, class: &fault.class, error: &fault.summary })
            }
            _ => None,
        };
        self.count(&run, error.as_ref());
    }

    /// One more run, and what it failed by.
    pub(crate) fn count(&self, run: &Ran<'_>, error: Option<&Failed<'_>>) {
        let now = SystemClock.now();
        let begin_of = |unit| now.duration_trunc(unit).unwrap_or(now);
        let (minute, hour) = (begin_of(TimeDelta::minutes(1)), begin_of(TimeDelta::hours(1)));
        let mut counts = self.counts();
        let key = (minute, run.kind.to_owned(), run.queue.to_owned(), run.outcome, run.release.to_owned());
        counts.runs.entry(key).or_insert_with(|| RunCount::none(minute, run.queue, run.kind, run.outcome, run.release)).add(
            1,
            run.seconds,
            run.waited,
            run.seconds,
        );
        let Some(error) = error else { return };
        let key = (hour, error.fingerprint.to_owned(), run.kind.to_owned());
        let one = ErrorCount {
            hour,
            fingerprint: error.fingerprint.to_owned(),
            kind: run.kind.to_owned(),
            error_class: error.class.to_owned(),
            runs: 1,
            latest_error: error.error.to_owned(),
            latest_job: error.job,
            first_at: now,
            last_at: now,
        };
        match counts.errors.get_mut(&key) {
            Some(count) => count.add(one),
            None => drop(counts.errors.insert(key, one)),
        }
    }

    fn take(&self) -> Counts {
        mem::take(&mut *self.counts())
    }

    /// What could not be added is kept for the next time.
    fn put_back(&self, taken: &Counts) {
        let mut counts = self.counts();
        for (key, run) in &taken.runs {
            match counts.runs.get_mut(key) {
                Some(count) => count.add(run.runs, run.seconds, run.waited, run.slowest),
                None => drop(counts.runs.insert(key.clone(), run.clone())),
            }
        }
        for (key, error) in &taken.errors {
            match counts.errors.get_mut(key) {
                Some(count) => count.add(error.clone()),
                None => drop(counts.errors.insert(key.clone(), error.clone())),
            }
        }
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A run as charts see it.
pub(crate) struct Ran<'a> {
    pub queue: &'a str,
    pub kind: &'a str,
    pub outcome: &'static str,
    pub release: &'a str,
    pub seconds: f64,
    pub waited: f64,
}

/// What a run failed by.
pub(crate) struct Failed<'a> {
    pub job: i64,
    pub fingerprint: &'a str,
    pub class: &'a str,
    pub error: &'a str,
}

/// Adds up until the process stops; what comes after that is added by one last [`flush`].
pub(crate) async fn run(engine: Arc<Engine>) {
    loop {
        tokio::select! {
            () = sleep(EVERY) => flush(&engine).await,
            () = engine.stopping.cancelled() => return,
        }
    }
}

/// Adds what has been counted.
pub(crate) async fn flush(engine: &Engine) {
    let counts = Arc::new(engine.tally.take());
    if counts.runs.is_empty() {
        return;
    }
    let own = Arc::clone(&counts);
    let added = store::run(&engine.database, move |c| {
        async move {
            let (runs, errors): (Vec<_>, Vec<_>) = (own.runs.values().collect(), own.errors.values().collect());
            store::add_runs(c, &runs).await?;
            store::add_errors(c, &errors).await
        }
        .boxed()
    });
    if let Err(error) = added.await {
        tracing::warn!(%error, "runs could not be counted; trying again");
        engine.tally.put_back(&counts);
    }
}
