//! What a handler is given and what it may answer.
//!
//! A handler is `async fn run(job: Fulfil, cx: Context<S>) -> mywork_queue::Result`. It may run twice for the same job, so its
//! effects carry idempotency keys. `?` on any error means: try again later, with backoff.

use crate::{admin::redaction::Redactor, clock::Clock, enqueue::Place, job::JobId, progress, store::Claimed};
use serde::Serialize;
use serde_json::Value;
use sqlx::PgPool;
use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio_util::sync::CancellationToken;

/// What a handler answers.
pub type Result = std::result::Result<Outcome, Failure>;

/// A run that did not fail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The work is done.
    Done,
    /// Not yet: look again after this long, at most a day. Costs no attempt.
    Snooze(Duration),
    /// There is nothing to do any more, because of this. The job ends as `cancelled`, and its workflow, if it is part of one,
    /// with it.
    Cancel(String),
    /// The work is done, and this came of it: see [`Outcome::output`].
    Output(Value),
}

impl Outcome {
    /// The work is done, and later steps of the workflow can read what came of it by
    /// [`Context::output`](crate::Context::output). Outside of a workflow nobody keeps it. A handler ends with
    /// `Outcome::output(&scanned)`.
    ///
    /// # Errors
    /// When the value cannot be written as JSON.
    pub fn output(value: &impl Serialize) -> Result {
        Ok(Self::Output(serde_json::to_value(value)?))
    }
}

/// A run that failed. Made from any error by `?`: retried with backoff until its attempts are used up.
#[derive(Debug)]
pub struct Failure {
    pub(crate) then: Then,
    pub(crate) class: &'static str,
    pub(crate) error: anyhow::Error,
}

/// What happens after a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    Backoff,
    RetryIn(Duration),
    RateLimited(Duration),
    Dead,
}

impl Failure {
    /// No retry can help: the job is dead and waits for a person.
    pub fn dead(message: impl fmt::Display) -> Self {
        Self { then: Then::Dead, class: "dead", error: anyhow::anyhow!("{message}") }
    }

    /// No retry can help, because of `error`.
    pub fn dead_by<E: Into<anyhow::Error>>(error: E) -> Self {
        Self { then: Then::Dead, class: class_of::<E>(), error: error.into() }
    }

    /// Try again after exactly `delay`, as a vendor's `Retry-After` asks, but within a day. Counts as a failed attempt.
    pub fn retry_in<E: Into<anyhow::Error>>(delay: Duration, error: E) -> Self {
        Self { then: Then::RetryIn(delay), class: class_of::<E>(), error: error.into() }
    }

    /// A provider said "too many requests" (429) and when it will listen again. Nobody draws from this job's bucket of its
    /// kind's [`RATE`](crate::Job::RATE) until then, in any process, and the job keeps its place in line. One without a rate
    /// waits by itself. Costs no attempt; at most a day.
    pub fn rate_limited<E: Into<anyhow::Error>>(reset: Duration, error: E) -> Self {
        Self { then: Then::RateLimited(reset), class: class_of::<E>(), error: error.into() }
    }

    /// Says what was being done when it failed.
    #[must_use]
    pub fn context(mut self, doing: impl fmt::Display + Send + Sync + 'static) -> Self {
        self.error = self.error.context(doing);
        self
    }

    /// The same failure in words that give none of the job's secrets away.
    pub(crate) fn redacted(self, redactor: &Redactor) -> Self {
        if redactor.is_idle() {
            return self;
        }
        let mut links: Vec<String> = self.error.chain().map(|link| redactor.text(link.to_string()).into_owned()).collect();
        let root = anyhow::Error::msg(links.pop().unwrap_or_default());
        let error = links.into_iter().rev().fold(root, anyhow::Error::context);
        Self { error, ..self }
    }

    pub(crate) fn of_class(class: &'static str, then: Then, message: String) -> Self {
        Self { then, class, error: anyhow::Error::msg(message) }
    }

    /// Whether the job will not be tried again.
    pub fn is_dead(&self) -> bool {
        self.then == Then::Dead
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#}", self.error)
    }
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self { then: Then::Backoff, class: class_of::<E>(), error: error.into() }
    }
}

/// The error's type without its generics, as errors are grouped by: `sqlx_core::error::Error`.
fn class_of<E>() -> &'static str {
    let name = std::any::type_name::<E>();
    name.split('<').next().unwrap_or(name)
}

/// The run in progress, as its handler sees it.
#[derive(Debug)]
pub struct Context<S> {
    /// What the process gives all its handlers: database, vendors, configuration.
    pub state: Arc<S>,
    /// The job.
    pub job: JobId,
    /// Which attempt this is: 1 for the first, `max_attempts` for the last.
    pub attempt: i16,
    /// How often the job is tried.
    pub max_attempts: i16,
    /// Cancelled when somebody cancels the job, when its time is up, or when the process stops. A handler that runs long
    /// looks at it between steps and returns early; one that does not is dropped after a short grace.
    pub cancelled: CancellationToken,
    /// The time, as the worker has it.
    pub clock: Arc<dyn Clock>,
    pub(crate) log: RunLog,
    pub(crate) pool: Option<PgPool>,
    /// Where in a workflow it stands.
    pub(crate) place: Option<Place>,
}

impl<S> Clone for Context<S> {
    fn clone(&self) -> Self {
        Self {
            state: Arc::clone(&self.state),
            job: self.job,
            attempt: self.attempt,
            max_attempts: self.max_attempts,
            cancelled: self.cancelled.clone(),
            clock: Arc::clone(&self.clock),
            log: self.log.clone(),
            pool: self.pool.clone(),
            place: self.place.clone(),
        }
    }
}

impl<S> Context<S> {
    /// Whether a failure now would be the job's last.
    pub fn is_last_attempt(&self) -> bool {
        self.attempt >= self.max_attempts
    }

    /// Adds a line to the log kept with this attempt. Beyond 64 KB the oldest lines stay and newer ones are counted only.
    pub fn log(&self, line: impl fmt::Display) {
        self.log.push(self.clock.now(), &line.to_string());
    }

    /// Tells whoever watches that `done` of `total` is done. A failure to tell is logged and otherwise ignored.
    pub async fn progress(&self, done: u64, total: u64, message: impl Into<String>) {
        let Some(pool) = &self.pool else { return };
        if let Err(error) =
            progress::report(pool, self.job, done, total, self.log.redactor.text(message.into()).into_owned()).await
        {
            tracing::warn!(job = %self.job, %error, "progress could not be reported");
        }
    }
}

/// Log lines of one run, at most 64 KB, without the job's secrets.
#[derive(Clone, Debug, Default)]
pub(crate) struct RunLog {
    lines: Arc<Mutex<Lines>>,
    redactor: Redactor,
}

#[derive(Debug, Default)]
struct Lines {
    text: String,
    dropped: usize,
    /// So many bytes of the text have been shown to whoever watches.
    shown: usize,
}

impl RunLog {
    const LIMIT: usize = 64 * 1024;
    const ROOM_FOR_NOTICE: usize = 64;

    /// For a run of `job`.
    pub(crate) fn of(job: &Claimed) -> Self {
        Self { redactor: Redactor::new(&job.args, &job.redact), ..Self::default() }
    }

    /// What takes the job's secrets out of whatever its run says.
    pub(crate) fn redactor(&self) -> &Redactor {
        &self.redactor
    }

    fn push(&self, at: chrono::DateTime<chrono::Utc>, line: &str) {
        let line = format!("{} {}\n", at.format("%H:%M:%S%.3f"), self.redactor.text(line).replace('\0', "\u{fffd}"));
        let mut lines = self.lines();
        if lines.dropped > 0 || lines.text.len() + line.len() > Self::LIMIT - Self::ROOM_FOR_NOTICE {
            lines.dropped += 1;
        } else {
            lines.text.push_str(&line);
        }
    }

    /// Everything logged, or nothing when nothing was.
    pub(crate) fn text(&self) -> Option<String> {
        let lines = self.lines();
        match (lines.text.is_empty(), lines.dropped) {
            (true, 0) => None,
            (_, 0) => Some(lines.text.clone()),
            (_, dropped) => Some(format!("{}… {dropped} more lines\n", lines.text)),
        }
    }

    /// Everything logged so far, when there is more than has been shown.
    pub(crate) fn unshown(&self) -> Option<String> {
        let lines = self.lines();
        (lines.text.len() > lines.shown).then(|| lines.text.clone())
    }

    /// The first `bytes` have been shown.
    pub(crate) fn is_shown_to(&self, bytes: usize) {
        self.lines().shown = bytes;
    }

    fn lines(&self) -> std::sync::MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_error_is_a_failure_of_its_class() {
        let failure: Failure = "x".parse::<i32>().unwrap_err().into();
        assert_eq!(failure.class, "core::num::error::ParseIntError");
        assert_eq!(failure.then, Then::Backoff);
        assert!(Failure::dead("broken").is_dead());
    }

    #[test]
    fn a_log_never_outgrows_its_column() {
        let log = RunLog::default();
        for _ in 0..2_000 {
            log.push(chrono::Utc::now(), &"x".repeat(50));
        }
        let text = log.text().expect("lines");
        assert!(text.len() <= RunLog::LIMIT && text.ends_with("more lines\n"), "{}", text.len());
    }
}
