//! What a job is: a kind, its arguments, and what its author says about every job of the kind.
//!
//! A payload is a plain serialisable struct next to the rules that enqueue it; the handler lives elsewhere and is tied to it
//! by [`Registry::add`](crate::Registry::add). The kind is the job's name for good: it is stored, shown and configured.

use crate::{backoff::Backoff, options::Options};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{borrow::Cow, fmt, str::FromStr, time::Duration};

/// Arguments of one kind of job, and its policy.
pub trait Job: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// Its name, `area.act`: `orders.fulfil`.
    const KIND: &'static str;
    /// The line it waits in.
    const QUEUE: &'static str = "default";
    /// Version of the arguments. A worker leaves jobs of a higher version to a newer worker; lower ones go through
    /// [`upgrade`](Job::upgrade).
    const VERSION: i16 = 1;
    /// How often it is tried before it is dead.
    const MAX_ATTEMPTS: i16 = 25;
    /// How long one run may take; longer is a failed attempt.
    const TIMEOUT: Duration = Duration::from_secs(600);
    /// How long it waits between attempts.
    const BACKOFF: Backoff = Backoff::DEFAULT;

    /// The rate limit its runs draw from, as `workers.toml` names it: `[rate.stripe]`. A run that is told "too many" answers
    /// [`Failure::rate_limited`](crate::Failure::rate_limited), and nobody draws until then.
    const RATE: Option<&'static str> = None;
    /// Fields of its arguments that are never shown: `email`, `buyer.address`. Their values are taken out of its errors and
    /// its log, too. What the handler gets is whole.
    const REDACT: &'static [&'static str] = &[];

    /// What holds for this very job unless the caller says otherwise: uniqueness, subject, tags, priority.
    fn options(&self) -> Options {
        Options::default()
    }

    /// Turns arguments stored by version `from` into those of [`VERSION`](Job::VERSION).
    ///
    /// # Errors
    /// A sentence saying why these arguments cannot be understood any more; the job is then dead.
    fn upgrade(from: i16, args: serde_json::Value) -> Result<serde_json::Value, String> {
        let _ = from;
        Ok(args)
    }
}

/// A job's number, kept for its whole life: waiting, running, finished, retried.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize, sqlx::Type)]
#[serde(transparent)]
#[sqlx(transparent)]
pub struct JobId(pub i64);

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for JobId {
    type Err = std::num::ParseIntError;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        s.parse().map(Self)
    }
}

/// The business object a job serves, so that an order's page can show its jobs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// What it is: `product`.
    pub kind: Cow<'static, str>,
    /// Which one.
    pub id: String,
}

impl Subject {
    /// Names the object `id` of the given kind.
    pub fn new(kind: impl Into<Cow<'static, str>>, id: impl fmt::Display) -> Self {
        Self { kind: kind.into(), id: id.to_string() }
    }
}
