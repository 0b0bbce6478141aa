//! Which kinds of job this process can run, and by what.
//!
//! A worker claims only kinds it finds here, at versions it knows; everything else is left for a newer worker (JOB-18).

use crate::{
    backoff::Backoff,
    by_name::{Make, make},
    handler::{Context, Failure, Then},
    job::Job,
};
use futures::{FutureExt, future::BoxFuture};
use serde_json::Value;
use std::{collections::BTreeMap, fmt, future::Future, sync::Arc, time::Duration};

type Run<S> = Arc<dyn Fn(i16, Value, Context<S>) -> BoxFuture<'static, crate::Result> + Send + Sync>;

/// What is known about a kind without running it.
#[derive(Clone, Debug)]
pub struct Kind {
    /// `orders.fulfil`
    pub name: &'static str,
    /// The queue its jobs go to unless enqueued elsewhere.
    pub queue: &'static str,
    /// Newest version of its arguments this program understands.
    pub version: i16,
    /// How often a job of it is tried.
    pub max_attempts: i16,
    /// How long one run may take.
    pub timeout: Duration,
    /// How long it waits between attempts.
    pub backoff: Backoff,
    /// The rate limit its runs draw from.
    pub rate: Option<&'static str>,
    /// Fields of its arguments that are never shown.
    pub redact: &'static [&'static str],
}

impl Kind {
    /// What `J` says about itself.
    pub fn of<J: Job>() -> Self {
        Self {
            name: J::KIND,
            queue: J::QUEUE,
            version: J::VERSION,
            max_attempts: J::MAX_ATTEMPTS,
            timeout: J::TIMEOUT,
            backoff: J::BACKOFF,
            rate: J::RATE,
            redact: J::REDACT,
        }
    }
}

/// Handlers by kind, over a state `S` that they share.
pub struct Registry<S> {
    entries: BTreeMap<&'static str, Entry<S>>,
}

struct Entry<S> {
    kind: Kind,
    run: Run<S>,
    make: Make,
}

impl<S> fmt::Debug for Registry<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.entries.keys()).finish()
    }
}

impl<S> Default for Registry<S> {
    fn default() -> Self {
        Self { entries: BTreeMap::new() }
    }
}

impl<S: Send + Sync + 'static> Registry<S> {
    /// A process that can run nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Runs jobs of kind `J` by `handler`.
    ///
    /// # Panics
    /// When the kind already has a handler: two files claim the same name, which no deployment should survive.
    pub fn add<J: Job, F, Fut>(&mut self, handler: F) -> &mut Self
    where
        F: Fn(J, Context<S>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = crate::Result> + Send + 'static,
    {
        let run: Run<S> = Arc::new(move |version, args, cx| match decode::<J>(version, args) {
            Ok(job) => handler(job, cx).boxed(),
            Err(failure) => std::future::ready(Err(failure)).boxed(),
        });
        let before = self.entries.insert(J::KIND, Entry { kind: Kind::of::<J>(), run, make: make::<J> });
        assert!(before.is_none(), "job kind {:?} has two handlers", J::KIND);
        self
    }

    /// The kinds, by name.
    pub fn kinds(&self) -> Vec<Kind> {
        self.entries.values().map(|entry| entry.kind.clone()).collect()
    }

    /// The kind of this name, if it can be run here.
    pub fn kind(&self, name: &str) -> Option<&Kind> {
        self.entries.get(name).map(|entry| &entry.kind)
    }

    pub(crate) fn maker(&self, kind: &str) -> Option<Make> {
        self.entries.get(kind).map(|entry| entry.make)
    }

    /// The run of a job, ready to be awaited; nothing for a kind unknown here.
    pub(crate) fn run(&self, kind: &str, version: i16, args: Value, cx: Context<S>) -> Option<BoxFuture<'static, crate::Result>> {
        self.entries.get(kind).map(|entry| (entry.run)(version, args, cx))
    }
}

/// Arguments that cannot be read will not be readable later either: dead, not retried.
fn decode<J: Job>(version: i16, args: Value) -> Result<J, Failure> {
    let dead = |why: String| Failure::of_class("undecodable", Then::Dead, format!("arguments of {} v{version}: {why}", J::KIND));
    let args = if version == J::VERSION { args } else { J::upgrade(version, args).map_err(dead)? };
    serde_json::from_value(args).map_err(|error| dead(error.to_string()))
}
