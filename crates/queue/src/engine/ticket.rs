//! The right to write about a claimed job, once.
//!
//! A ticket is settled with a verdict; one that is dropped, because its run was never started or its future was torn down,
//! hands the job back by itself. So no claim can be lost inside the process.

use crate::{
    engine::{Engine, line::Line},
    enqueue::Place,
    handler::RunLog,
    store::{Claimed, Settled, Verdict},
};
use std::{
    sync::{Arc, OnceLock},
    time::Instant,
};
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;

/// Tells a run to stop, and why.
#[derive(Debug)]
pub(crate) struct Stop {
    pub token: CancellationToken,
    pub why: OnceLock<Why>,
}

/// Why a run was told to stop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// Somebody cancelled the job.
    Cancelled,
    /// The process stops.
    Shutdown,
    /// The process was given up by others, who run the job again.
    Lost,
}

impl Stop {
    /// Only the first reason counts.
    pub(crate) fn now(&self, why: Why) {
        let _ = self.why.set(why);
        self.token.cancel();
    }
}

/// See the module.
pub(crate) struct Ticket {
    engine: Arc<Engine>,
    job: i64,
    lease: i32,
    line: Arc<Line>,
    kind: String,
    max_attempts: i16,
    place: Option<Place>,
    waited: f64,
    begun: Option<Instant>,
    pub stop: Arc<Stop>,
    pub log: RunLog,
    settled: bool,
    /// Of a run; a job that was claimed ahead gets it when it begins.
    pub slot: Option<OwnedSemaphorePermit>,
}

impl Ticket {
    pub(crate) fn new(engine: &Arc<Engine>, line: &Arc<Line>, job: &Claimed, slot: Option<OwnedSemaphorePermit>) -> Self {
        let log = RunLog::of(job);
        Self {
            engine: Arc::clone(engine),
            job: job.id,
            lease: job.lease,
            line: Arc::clone(line),
            kind: job.kind.clone(),
            max_attempts: job.max_attempts,
            place: job.place(),
            waited: job.waited,
            begun: None,
            stop: engine.begin(job.id, job.lease, &log),
            log,
            settled: false,
            slot,
        }
    }

    /// The run begins.
    pub(crate) fn begin(&mut self) {
        self.begun = Some(Instant::now());
        self.line.runs.one_begins();
    }

    /// The run is over, and this is what becomes of the job.
    pub(crate) fn settle(mut self, verdict: Verdict) {
        self.write(verdict);
    }

    fn write(&mut self, verdict: Verdict) {
        self.settled = true;
        let took = self.begun.map(|begun| begun.elapsed()).unwrap_or_default();
        if self.begun.is_some() {
            self.line.runs.one_took(took);
        }
        let labels = [("queue", self.line.queue.clone()), ("kind", self.kind.clone())];
        metrics::histogram!("queue_job_duration_seconds", &labels).record(took.as_secs_f64());
        metrics::counter!("queue_runs_total", "queue" => self.line.queue.clone(), "kind" => self.kind.clone(), "outcome" => verdict.outcome())
            .increment(1);
        self.engine.settle(Settled {
            id: self.job,
            lease: self.lease,
            queue: self.line.queue.clone(),
            kind: self.kind.clone(),
            waited: self.waited,
            verdict,
            took,
            max_attempts: self.max_attempts,
            log: self.log.text(),
            place: self.place.take(),
        });
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if !self.settled {
            self.write(Verdict::HandedBack { started: self.begun.is_some() });
        }
    }
}
