//! What may be said about one job beyond its arguments: when, how urgently, how often, unique by what, about whom.
//!
//! A kind says it in [`Job::options`](crate::Job::options), a caller in [`enqueue_with`](crate::enqueue_with); where both
//! speak, the caller wins.

use crate::job::Subject;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use uuid::Uuid;

/// Options of one job. Everything absent is as its kind has it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Options {
    /// Higher runs first; 0 is usual.
    pub priority: i16,
    /// Not before this time. Absent: at once.
    pub run_at: Option<DateTime<Utc>>,
    /// Not after this time: a job that has not started by then ends as `expired`.
    pub expires_at: Option<DateTime<Utc>>,
    /// How often it is tried.
    pub max_attempts: Option<i16>,
    /// At most one job of its kind with this key.
    pub unique: Option<Unique>,
    /// The business object it serves.
    pub subject: Option<Subject>,
    /// Words to find it by.
    pub tags: Vec<String>,
    /// Who caused it.
    pub actor: Option<Uuid>,
    /// W3C `traceparent` to continue. Absent: that of [`trace::with`](crate::trace::with) or of the job that enqueues.
    pub trace: Option<String>,
    /// At most so many with its key run at once.
    pub concurrency: Option<Concurrency>,
    /// Draws from a bucket of its own of its kind's [`RATE`](crate::Job::RATE): an endpoint, an account.
    pub rate_key: Option<String>,
}

/// At most `at_most` jobs with this key run at once, over all processes. Keys with waiting jobs take turns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Concurrency {
    pub(crate) key: String,
    pub(crate) at_most: i16,
}

impl Options {
    /// Higher runs first.
    #[must_use]
    pub fn priority(mut self, priority: i16) -> Self {
        self.priority = priority;
        self
    }

    /// Not before `run_at`.
    #[must_use]
    pub fn run_at(mut self, run_at: DateTime<Utc>) -> Self {
        self.run_at = Some(run_at);
        self
    }

    /// Not after `expires_at`.
    #[must_use]
    pub fn expires_at(mut self, expires_at: DateTime<Utc>) -> Self {
        self.expires_at = Some(expires_at);
        self
    }

    /// Tried at most `max_attempts` times.
    #[must_use]
    pub fn max_attempts(mut self, max_attempts: i16) -> Self {
        self.max_attempts = Some(max_attempts);
        self
    }

    /// At most one of its kind, as `unique` says.
    #[must_use]
    pub fn unique(mut self, unique: Unique) -> Self {
        self.unique = Some(unique);
        self
    }

    /// Serves this object.
    #[must_use]
    pub fn subject(mut self, subject: Subject) -> Self {
        self.subject = Some(subject);
        self
    }

    /// Can be found by `tag`.
    #[must_use]
    pub fn tag(mut self, tag: impl Into<String>) -> Self {
        self.tags.push(tag.into());
        self
    }

    /// Caused by this person.
    #[must_use]
    pub fn actor(mut self, actor: Uuid) -> Self {
        self.actor = Some(actor);
        self
    }

    /// Part of this trace.
    #[must_use]
    pub fn trace(mut self, traceparent: impl Into<String>) -> Self {
        self.trace = Some(traceparent.into());
        self
    }

    /// At most `at_most` jobs with this key run at once, whatever their kinds and queues: one payout per seller. Jobs of
    /// different keys take turns, so that whoever enqueued a thousand does not keep the others waiting.
    #[must_use]
    pub fn concurrency(mut self, key: impl Into<String>, at_most: i16) -> Self {
        self.concurrency = Some(Concurrency { key: key.into(), at_most: at_most.max(1) });
        self
    }

    /// Draws from a bucket of its own of its kind's [`RATE`](crate::Job::RATE).
    #[must_use]
    pub fn rate_key(mut self, key: impl Into<String>) -> Self {
        self.rate_key = Some(key.into());
        self
    }

    /// These options, completed by the kind's own.
    pub(crate) fn over(mut self, kind: Options) -> Options {
        self.tags.extend(kind.tags);
        Options {
            priority: if self.priority == 0 { kind.priority } else { self.priority },
            run_at: self.run_at.or(kind.run_at),
            expires_at: self.expires_at.or(kind.expires_at),
            max_attempts: self.max_attempts.or(kind.max_attempts),
            unique: self.unique.or(kind.unique),
            subject: self.subject.or(kind.subject),
            tags: self.tags,
            actor: self.actor.or(kind.actor),
            trace: self.trace.or(kind.trace),
            concurrency: self.concurrency.or(kind.concurrency),
            rate_key: self.rate_key.or(kind.rate_key),
        }
    }
}

/// At most one job of a kind with this key, for as long as `within` says. A duplicate is no error: enqueueing returns the job
/// that was there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unique {
    pub(crate) key: String,
    pub(crate) within: While,
    pub(crate) conflict: Conflict,
}

/// How long a key is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum While {
    /// Until a worker first takes the job. What changes while it runs gets a job of its own.
    Pending,
    /// Until the job has finished, however it does.
    Unfinished,
    /// For this long after it was enqueued, finished or not.
    Period(Duration),
    /// For good.
    Forever,
}

/// What a duplicate does to the job that is already there, while that one waits. A running or finished one is left alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Conflict {
    /// Nothing.
    #[default]
    Keep,
    /// Gives it the newer arguments.
    Replace,
    /// Gives it the newer arguments and puts it off to the newer `run_at`.
    Debounce,
}

impl Unique {
    fn new(key: impl ToString, within: While) -> Self {
        Self { key: key.to_string(), within, conflict: Conflict::Keep }
    }

    /// One waiting job per key; while it runs another may wait.
    pub fn pending(key: impl ToString) -> Self {
        Self::new(key, While::Pending)
    }

    /// One waiting or running job per key.
    pub fn unfinished(key: impl ToString) -> Self {
        Self::new(key, While::Unfinished)
    }

    /// One job per key within `period` of its enqueueing.
    pub fn per_period(key: impl ToString, period: Duration) -> Self {
        Self::new(key, While::Period(period))
    }

    /// One job per key, ever.
    pub fn forever(key: impl ToString) -> Self {
        Self::new(key, While::Forever)
    }

    /// A duplicate replaces the waiting job's arguments.
    #[must_use]
    pub fn replace(mut self) -> Self {
        self.conflict = Conflict::Replace;
        self
    }

    /// A duplicate replaces the waiting job's arguments and puts it off.
    #[must_use]
    pub fn debounce(mut self) -> Self {
        self.conflict = Conflict::Debounce;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_caller_wins_over_the_kind() {
        let kind = Options::default().priority(5).tag("kind").unique(Unique::pending(1)).max_attempts(3);
        let both = Options::default().max_attempts(9).tag("caller").over(kind);
        assert_eq!((both.priority, both.max_attempts), (5, Some(9)));
        assert_eq!(both.tags, ["caller", "kind"]);
        assert_eq!(both.unique, Some(Unique::pending(1)));
    }
}
