//! Jobs the stories run: one that follows a script, and what the handlers saw.

use mywork_queue::{Backoff, Context, Failure, Job, Options, Outcome, Registry};
use serde::{Deserialize, Serialize};
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};
use tokio::sync::Notify;

/// What handlers share: what they ran, in order, and a gate some wait at.
#[derive(Default)]
pub struct Seen {
    pub names: Mutex<Vec<String>>,
    pub running: AtomicUsize,
    pub gate: Notify,
}

impl Seen {
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    pub fn names(&self) -> Vec<String> {
        self.names.lock().expect("unpoisoned").clone()
    }

    pub fn count(&self) -> usize {
        self.names().len()
    }

    pub fn running(&self) -> usize {
        self.running.load(SeqCst)
    }

    fn note(&self, name: &str) {
        self.names.lock().expect("unpoisoned").push(name.to_owned());
    }
}

/// Does what it is told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Act {
    pub name: String,
    pub how: How,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum How {
    Succeed,
    Fail,
    FailOnce,
    Die,
    RetryIn(u64),
    Panic,
    Snooze(u64),
    Cancel,
    /// Sleeps so many milliseconds without looking up.
    Sleep(u64),
    /// Waits at the gate, or for being told to stop.
    Wait,
    /// Waits at the gate, and then fails.
    WaitAndFail,
}

impl Act {
    pub fn new(name: &str, how: How) -> Self {
        Self { name: name.to_owned(), how }
    }
}

impl Job for Act {
    const KIND: &'static str = "test.act";
    const MAX_ATTEMPTS: i16 = 3;
    const TIMEOUT: Duration = Duration::from_secs(30);
    const BACKOFF: Backoff = Backoff::new(Duration::from_secs(60), Duration::from_secs(3600));
}

pub async fn act(job: Act, cx: Context<Seen>) -> mywork_queue::Result {
    let _running = Running::new(&cx.state);
    cx.log(format_args!("begins {}", job.name));
    cx.state.note(&job.name);
    match job.how {
        How::Succeed => Ok(Outcome::Done),
        How::Fail => Err(anyhow::anyhow!("{} is broken", job.name).into()),
        How::FailOnce if cx.attempt == 1 => Err(anyhow::anyhow!("not at first").into()),
        How::FailOnce => Ok(Outcome::Done),
        How::Die => Err(Failure::dead("hopeless")),
        How::RetryIn(seconds) => Err(Failure::retry_in(Duration::from_secs(seconds), anyhow::anyhow!("too many requests"))),
        How::Panic => panic!("oh no"),
        How::Snooze(seconds) if cx.state.count() < 2 => Ok(Outcome::Snooze(Duration::from_secs(seconds))),
        How::Snooze(_) => Ok(Outcome::Done),
        How::Cancel => Ok(Outcome::Cancel("nothing to do".to_owned())),
        How::Sleep(millis) => {
            tokio::time::sleep(Duration::from_millis(millis)).await;
            Ok(Outcome::Done)
        }
        How::WaitAndFail => {
            cx.state.gate.notified().await;
            Err(anyhow::anyhow!("failed in the end").into())
        }
        How::Wait => {
            tokio::select! {
                () = cx.state.gate.notified() => Ok(Outcome::Done),
                () = cx.cancelled.cancelled() => Err(anyhow::anyhow!("told to stop").into()),
            }
        }
    }
}

struct Running<'a>(&'a Seen);

impl<'a> Running<'a> {
    fn new(seen: &'a Seen) -> Self {
        seen.running.fetch_add(1, SeqCst);
        Self(seen)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, SeqCst);
    }
}

/// A job whose time is up after a fifth of a second.
#[derive(Serialize, Deserialize)]
pub struct Hasty;

impl Job for Hasty {
    const KIND: &'static str = "test.hasty";
    const TIMEOUT: Duration = Duration::from_millis(200);
}

/// A job in the other queue, urgent, with a subject and a tag.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Other {
    pub number: i64,
}

impl Job for Other {
    const KIND: &'static str = "test.other";
    const QUEUE: &'static str = "other";

    fn options(&self) -> Options {
        Options::default().subject(mywork_queue::Subject::new("thing", self.number)).tag("other")
    }
}

pub async fn other(job: Other, cx: Context<Seen>) -> mywork_queue::Result {
    cx.state.note(&job.number.to_string());
    Ok(Outcome::Done)
}

/// Everything above, with its handler.
pub fn registry() -> Registry<Seen> {
    let mut registry = Registry::new();
    registry.add(act).add(other).add(|_: Hasty, _: Context<Seen>| async {
        tokio::time::sleep(Duration::from_secs(60)).await;
        Ok(Outcome::Done)
    });
    registry
}
